"""Versions that are known to work and such that are not: `roles/kernel/compatibility.yaml`, against a host's facts."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from strixkit.config.directories import PROJECT
from strixkit.config.validate import validate
from strixkit.config.values import Name, Section
from strixkit.config.yaml import load
from strixkit.planner.facts import Facts

TABLE = PROJECT / "roles" / "kernel" / "compatibility.yaml"
FIRMWARE = ("linux-firmware", "amd-gpu-firmware", "linux-firmware-amd-graphics", "firmware-amd-graphics")
GFX1151 = 110501
Component = Literal["kernel", "firmware", "mes", "mesa", "rocm"]
Judgement = Literal["bad", "warn", "ok"]
WORST_FIRST: tuple[Judgement, ...] = ("bad", "warn", "ok")
COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}


def numbers(version: str) -> tuple[int, ...]:
    """The numbers in a version, for comparing: 6.17.0-19-generic is (6, 17, 0, 19), 0x83 is (131,).

    The epoch of a Debian package (`1:` in front) is none of upstream's numbers.
    """
    version = re.sub(r"^\d+:", "", version)
    return tuple(int(found, 0) if "x" in found else int(found) for found in re.findall(r"0x[0-9a-fA-F]+|\d+", version))


def _comparison(text: str) -> str:
    words = text.split()
    if len(words) != 2 or words[0] not in COMPARISONS or not numbers(words[1]):
        raise ValueError(f"{text!r} is no comparison, wanted e.g. '>= 6.18.4'")
    return text


def holds(version: str, comparison: str) -> bool:
    """Whether e.g. `>= 6.18.4` holds. Missing numbers are zeros; only as many count as the comparison has.

    So 20251125-1.fc43 == 20251125 holds, and > 20251125 does not.
    """
    sign, wanted = comparison.split()
    floor = numbers(wanted)
    found = (*numbers(version), *[0] * len(floor))[: len(floor)]
    return bool(COMPARISONS[sign](found, floor))


class Entry(Section):
    """What is known of some versions of a component; see the head of the file."""

    component: Component
    releases: tuple[Name, ...] = ()
    like: str = "*"
    versions: tuple[Annotated[str, AfterValidator(_comparison)], ...]
    unless: Literal["cwsr"] | None = None
    verdict: Judgement
    what: str
    todo: str = ""
    evidence: str = Field(pattern=r"^https://\S+$")

    def fits(self, facts: Facts, version: str) -> bool:
        """Whether it is about this version on this host."""
        release = f"{facts.os.id}-{facts.os.version_id}"
        return (
            (not self.releases or bool({facts.os.id, release} & set(self.releases)))
            and fnmatchcase(version, self.like)
            and all(holds(version, comparison) for comparison in self.versions)
            and not (self.unless == "cwsr" and has_cwsr_fix(facts))
        )


class Table(Section):
    """The whole file."""

    entries: tuple[Entry, ...]


class Verdict(Section):
    """What is known of one installed component. `todo`: what to do, in words; `evidence`: a link."""

    component: str
    version: str
    verdict: Judgement
    what: str
    todo: str = ""
    evidence: str

    @property
    def words(self) -> str:
        """In one line."""
        return "; ".join(filter(None, (f"{self.component} {self.version}: {self.what}", self.todo, self.evidence)))


@functools.cache
def load_table(path: Path = TABLE) -> tuple[Entry, ...]:
    """All entries in order. Raises InputError for a bad file."""
    return validate(load(path), Table).entries


def has_cwsr_fix(facts: Facts) -> bool:
    """Whether KFD tells the sizes that fixed kernels tell of gfx1151 (lemonade: needs_gfx1151_cwsr_fix)."""
    nodes = [node for node in facts.kfd if node.gfx_target_version == GFX1151]
    return bool(nodes) and all(node.cwsr_size is not None and node.ctl_stack_size is not None for node in nodes)


def verdicts(facts: Facts, seen: Mapping[Component, str] | None = None) -> list[Verdict]:
    """What is known of the versions that a host has, worst first; nothing is said of versions that nobody knows.

    seen: versions that are not among the facts, e.g. {"mes": "0x80"}. Raises InputError for a bad table.
    """
    found = [_verdict(facts, *part) for part in (*_installed(facts), *_plain(seen or {}))]
    return sorted(filter(None, found), key=lambda verdict: WORST_FIRST.index(verdict.verdict))


def _installed(facts: Facts) -> Iterator[tuple[Component, str, str]]:
    """Component, its name for people, version."""
    if facts.kernel:
        yield "kernel", "Linux", facts.kernel
    for name in FIRMWARE:
        if name in facts.packages:
            yield "firmware", name, facts.packages[name]
    if "mesa-vulkan-drivers" in facts.packages:
        yield "mesa", "mesa-vulkan-drivers", facts.packages["mesa-vulkan-drivers"]
    for folder, version in facts.rocm.items():
        yield "rocm", f"ROCm in {folder}", version


def _plain(seen: Mapping[Component, str]) -> Iterator[tuple[Component, str, str]]:
    for component, version in seen.items():
        yield component, component, version


def _verdict(facts: Facts, component: Component, name: str, version: str) -> Verdict | None:
    if not numbers(version):
        return None
    entry = next((e for e in load_table() if e.component == component and e.fits(facts, version)), None)
    if entry is None:
        return None
    return Verdict(
        component=name,
        version=version,
        verdict=entry.verdict,
        what=entry.what,
        todo=entry.todo,
        evidence=entry.evidence,
    )
