"""The guard: generate, verify, refine, and the one rule by which an answer goes out. Knows no HTTP."""
