"""Models that read an answer beside a statement: cross-encoders, and chat models that are asked."""
