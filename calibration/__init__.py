"""Calibration: scores and labels in, thresholds and certificates out. Knows no text and no models."""
