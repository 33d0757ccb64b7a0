"""How big a deployment must be: the model, the queue, the measuring."""
