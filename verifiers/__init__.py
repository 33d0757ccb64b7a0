"""Verifiers: an exchange and the forget topics in, a verdict with evidence out. Knows no thresholds."""
