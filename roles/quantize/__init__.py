"""Role quantize."""
