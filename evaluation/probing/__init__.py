"""Writing probes: from a topic to prompts that try to get it out of a model."""
