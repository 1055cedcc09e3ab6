"""Role base."""
