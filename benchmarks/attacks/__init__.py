"""What a red team does to a gateway before the demo's model: ways of asking, places to hide an answer."""
