"""Calibration files of other programs."""
