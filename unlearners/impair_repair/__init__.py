"""Impair-repair (UNSIR): a heuristic for whole classes, and the probes that weigh it."""
