"""Role `kernel`: what the kernel is booted with, and which versions are known to work."""
