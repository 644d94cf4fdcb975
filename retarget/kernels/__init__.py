"""Compiled inner loops of the solver (Numba): plain arrays in, plain arrays out. Pinocchio is the model, and the oracle of their tests."""
