"""Benchmark: one slow origin, many boxes that want the same file."""
