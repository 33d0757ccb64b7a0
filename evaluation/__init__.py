"""Evaluation: answers in, labels, rates with intervals and tables out. Knows no gateway."""
