"""Observe, plan, apply, journal, lock, events. Knows no kind by name."""
