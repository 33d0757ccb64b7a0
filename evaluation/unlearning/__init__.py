"""What is left in an unlearned language model, by probes that know neither the method nor torch."""
