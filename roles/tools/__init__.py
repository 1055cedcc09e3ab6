"""Our own programs on a box."""
