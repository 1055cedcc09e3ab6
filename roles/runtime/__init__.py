"""Role runtime."""
