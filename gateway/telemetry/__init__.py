"""What the gateway tells of its work: spans and numbers, never the content of a conversation."""
