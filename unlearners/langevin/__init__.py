"""Langevin unlearning: certified forgetting for linear heads, and the baselines to stand beside it."""
