"""Language models: features of a frozen one, and what makes a trained one forget."""
