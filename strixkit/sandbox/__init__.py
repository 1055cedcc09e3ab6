"""Embedded boxes: systemd-nspawn machines with a real systemd, sshd and apt, and the demo's model."""

from strixkit.sandbox.box import Box, boxes, down, power_cut, start, up

__all__ = ["Box", "boxes", "down", "power_cut", "start", "up"]
