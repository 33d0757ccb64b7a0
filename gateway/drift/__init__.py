"""Drift: noticing, while serving, that prompts are no longer those of the certificate. Knows no HTTP."""
