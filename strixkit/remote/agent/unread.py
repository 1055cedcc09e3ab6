"""What could not be read of a box, in words."""

from __future__ import annotations

import os

from strixkit.remote.agent.machine import Machine


class Unread(Exception):
    """A part of the evidence that cannot be had here; its text says why."""


def is_root(machine: Machine) -> bool:
    """Whether all of the machine can be read. A captured tree was captured by root."""
    return bool(machine.root) or os.geteuid() == 0


def need_root(machine: Machine, what: str) -> None:
    """Raises Unread unless this process is root's."""
    if not is_root(machine):
        raise Unread("only root may read %s" % what)
