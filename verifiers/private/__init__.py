"""Private topics: verified by keyed hashes of what must be forgotten, without its text."""
