"""Roles: what a host must be, as resources, in the order of ORDER."""

ORDER = ("base", "runtime", "model", "server")
