"""Forgetting one person of the demo world: material, checkpoints, probes that need torch, and the table."""
