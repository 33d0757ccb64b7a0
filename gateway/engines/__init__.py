"""Engines: where work on many items is done, in this process or on a Ray cluster. They know none of that work."""
