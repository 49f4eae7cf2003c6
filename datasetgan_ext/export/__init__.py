"""Datasets out: the run that survives interruption, the folder format, contact sheet and card."""
