"""What a llama-server prints of itself: its commit, its devices. Pure."""

from __future__ import annotations

import re
from typing import Dict, List

from strixkit.remote.agent.build.errors import BuildError

# The fork says `version: 59 (baed43e)`, llama.cpp `version: 0.7.0 (build 11669, commit b1a2c3d)`.
COMMIT = re.compile(r"^version: .*?(?:\(|commit )([0-9a-f]{7,40})\)", re.MULTILINE)
VERSION = re.compile(r"^version: (.{1,200})$", re.MULTILINE)
DEVICE = re.compile(r"^\s+([A-Za-z][A-Za-z0-9_.:-]{0,63}): (.{1,300})$", re.MULTILINE)
# Vulkan devices that compute on the CPU: Mesa's, and Google's.
SOFTWARE = re.compile(r"llvmpipe|lavapipe|softpipe|swiftshader|strixkit rehearsal", re.IGNORECASE)


def version(text: str) -> str:
    """The line of `--version`, without its beginning. Raises BuildError."""
    found = VERSION.search(text)
    if not found:
        raise BuildError("--version names no version: %s" % text.strip()[:300])
    return found.group(1)


def check_commit(text: str, commit: str) -> None:
    """What --version prints names the commit, which it may shorten. Raises BuildError."""
    found = COMMIT.search(text)
    if not found or not commit.startswith(found.group(1)):
        named = found.group(1) if found else "no commit (%s)" % version(text)
        raise BuildError("--version names %s, wanted commit %s" % (named, commit[:12]))


def listed(text: str) -> "Dict[str, str]":
    """Name -> description, of what `--list-devices` prints."""
    return {name: description.strip() for name, description in DEVICE.findall(text)}


def check_devices(found: "Dict[str, str]", wanted: "List[str]", software: bool) -> "List[str]":
    """Every wanted device is there; returns those that compute on the CPU, which only `software` permits."""
    shown = "; ".join("%s: %s" % row for row in sorted(found.items())) or "none"
    missing = [name for name in wanted if name not in found]
    if missing:
        raise BuildError("--list-devices shows no %s, the service's user sees: %s" % (", ".join(missing), shown))
    soft = [name for name in wanted if SOFTWARE.search(found[name])]
    if soft and not software:
        raise BuildError(
            "%s computes on the CPU and is no GPU (%s); next: invoke doctor says why the GPU is not used"
            % (soft[0], found[soft[0]])
        )
    return soft
