"""The bundle adjustment: unknowns, derivatives, noise, and the solver."""
