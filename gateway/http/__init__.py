"""HTTP: bytes to domain objects and back, nothing else."""
