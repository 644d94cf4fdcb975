"""What a calibration is worth: checks with limits, a page for people, a file for programs."""
