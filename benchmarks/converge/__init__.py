"""Benchmark: the same desired state by this project, ansible-core and pyinfra."""
