"""PCMU: coded gradients, so that forgetting few rows costs nothing."""
