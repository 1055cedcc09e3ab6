"""Building a runtime on the box: source to an immutable, verified folder."""
