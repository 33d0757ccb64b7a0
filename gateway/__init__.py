"""Lethe: an inference-time unlearning gateway in front of any chat model."""

__version__ = "0.1.0"
