"""Unlearning that changes weights, offline: weights and a certificate out. Knows no gateway and no chat."""
