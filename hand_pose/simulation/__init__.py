"""Recordings of a simulated person, with known truth: what no camera rig can give, to judge everything that reads recordings."""
