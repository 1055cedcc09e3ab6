"""The inventory: Ansible's YAML schema in, validated hosts out, and the choice of hosts by pattern."""

from __future__ import annotations

