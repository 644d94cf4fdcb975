"""Whether a camera has moved since the calibration."""
