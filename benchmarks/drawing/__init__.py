"""Figures of what the benchmarks found, to be read in print and without colour. Knows no models."""
