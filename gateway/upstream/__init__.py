"""Upstreams: where candidate answers come from. Knows no topics and no verifiers."""
