"""What the provisioning roles share: packages by the box's own manager, and variables that stand in the way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from strixkit.host.context import HostContext
from strixkit.planner.facts import Facts, Setting
from strixkit.resources.base import Resource
from strixkit.resources.packages import Packages
from strixkit.resources.unset_variable import UnsetVariable

CONTAINER = "container"
# Files of single assignments. systemd's own configuration is none: one line of it sets several variables.
ASSIGNMENTS = re.compile(r"/etc/environment|/etc/environment\.d/[^/]+\.conf|/etc/profile\.d/[^/]+\.sh")


def packages(host: HostContext, label: str, names: Sequence[str], reason: str) -> Iterator[Resource]:
    """The wish that they are installed; on Fedora a note with the command, as long as dnf is not driven by us."""
    assert host.distribution is not None
    if host.distribution.packages == "apt":
        yield Packages(label=label, names=tuple(names), reason=reason)
    else:
        missing = [name for name in names if name not in host.facts.packages]
        if missing:
            host.notes.append(f"{label}: strixkit installs nothing with dnf yet: dnf install {' '.join(missing)}")


def no_gpu_by_nature(facts: Facts) -> bool:
    """An embedded box: only there a device that computes in software will do."""
    return bool(facts.simulated) or (facts.virtualization == CONTAINER and facts.gpu is None)


def unset(host: HostContext, setting: Setting, reason: str) -> Iterator[Resource]:
    """The wish that a file does not set a variable, and a note: a script may set it in ways that we do not edit."""
    where = f"{setting.path} sets {setting.name}={setting.value}: {reason}"
    if ASSIGNMENTS.fullmatch(setting.path):
        yield UnsetVariable(path=setting.path, name=setting.name, reason=reason)
        host.notes.append(f"{where}; a line that does only this is taken out, any other is its owner's to edit")
    else:
        host.notes.append(f"{where}; take it out there, strixkit does not edit that file")
