"""Fetching a large file onto the box: in pieces, from its origin and from other boxes, whatever interrupts it."""
