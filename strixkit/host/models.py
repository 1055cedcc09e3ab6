"""Model files on a box, held against the catalogue and the lock. Reads the controller's own files alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from strixkit.config.catalogue import Model, hub_files, load_model, model_names
from strixkit.config.host import Host, Service
from strixkit.config.lock import load_lock
from strixkit.config.recipe import file_name
from strixkit.errors import InputError
from strixkit.host.describe import Description
from strixkit.host.files import model_file

OWN_NAME = re.compile(r"(.+)-([0-9a-f]{12})\.gguf")  # as strixkit names what it puts on a box; see host/files.py
SPLIT_NAME = re.compile(r"(.+)-[0-9a-f]{12}(-[0-9]{5}-of-[0-9]{5}\.gguf)")  # of parts: the digits are of all of them
ROLES = ("base", "model")


@dataclass(frozen=True)
class Known:
    """A file that the catalogue names. variant: empty for one that is none. sha256: as far as it is known."""

    model: str
    variant: str
    name: str
    sha256: str = ""

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.model} ({self.variant})" if self.variant else f"{self.model}: {self.name}"


@dataclass(frozen=True)
class Found:
    """A file on a box. size in bytes. by: `sha256` or `name`, what told which one of the catalogue it is.

    wanted: a service of the inventory is to have it. checked: what strix-verify has said of it.
    """

    path: str
    size: int
    link: str
    sha256: str
    used_by: tuple[str, ...]
    wanted: bool
    checked: Mapping[str, Any] | None = None
    known: Known | None = None
    by: str = ""

    @property
    def state(self) -> str:
        """What is known of its bytes, for people."""
        if self.link:
            return f"a link to {self.link}"
        if not self.sha256:
            return "sha256 not read yet"
        return self.differs or "sha256 recorded"

    @property
    def differs(self) -> str:
        """Why it is not what its name says; empty where it is, or nobody knows."""
        own = OWN_NAME.fullmatch(PurePosixPath(self.path).name)
        if self.sha256 and own and not self.sha256.startswith(own[2]):
            return f"DIFFERS: sha256 {self.sha256[:12]}, its name says {own[2]}"
        wanted = self.known.sha256 if self.known and not own else ""
        if self.sha256 and wanted and wanted != self.sha256:
            return f"DIFFERS: sha256 {self.sha256[:12]}, the catalogue's is {wanted[:12]}"
        return ""

    @property
    def unread(self) -> bool:
        """Whether nobody has read it and looked at it, as it is now; of a link that is not asked."""
        return not self.link and not (self.sha256 and self.checked)

    @property
    def faults(self) -> list[str]:
        """All that is wrong with it as far as it was looked at."""
        checked = self.checked or {}
        words = [str(word) for word in checked.get("faults", [])]
        if checked.get("verdict") == "bad":
            words = [f"BAD: {word}" for word in words] or ["BAD"]
        elif checked.get("verdict") == "unreadable":
            words = [f"cannot be read: {word}" for word in words]
        return [*([self.differs] if self.differs else []), *words]


@dataclass(frozen=True)
class Half:
    """A file on its way to a box: bytes that are there, seconds since the last one came.

    running: it is being fetched, or given to other boxes, now.
    """

    path: str
    size: int
    seconds: float
    running: bool
    sha256: str
    known: Known | None


@dataclass(frozen=True)
class Models:
    """The model files of a host. prunable: path and bytes of what may go unasked. removed: what has gone."""

    host: str
    files: tuple[Found, ...]
    halves: tuple[Half, ...]
    free_bytes: int
    total_bytes: int
    prunable: tuple[tuple[str, int], ...]
    removed: tuple[tuple[str, int], ...] = field(default=())


def catalogue() -> list[Known]:
    """Every file that the catalogue names, with its sha256 as far as lock, catalogue or this machine's files say it."""
    lock = load_lock()
    found = []
    for name in model_names():
        model = load_model(name)
        found += [_variant(name, model, variant) for variant in model.variants]
        known = {variant.file for variant in model.variants.values()}
        rest: dict[str, str] = {}  # file -> its sha256, of those that are no variants
        for item in hub_files(model):
            locked = lock.file(item)
            rest[PurePosixPath(item.file).name] = locked[1].sha256 if locked else ""
        for file in _of_recipe(model):
            rest.setdefault(file, "")
        found += [Known(name, "", file, sha256) for file, sha256 in rest.items() if file not in known]
    return found


def _of_recipe(model: Model) -> list[str]:
    """The files that variants are made of, and those that are made on the way."""
    recipe = model.recipe
    if recipe is None:
        return []
    imatrix = recipe.imatrix
    made = [imatrix.file, imatrix.calibration.file] if imatrix else []
    return [*(file_name(source) for source in recipe.source), *made]


def _variant(name: str, model: Model, variant: str) -> Known:
    entry = model.variants[variant]
    try:
        sha256 = model_file("", Service(profile="", model=name), model, variant).sha256
    except InputError:  # a file of this machine's that is not there
        sha256 = entry.sha256
    return Known(name, variant, entry.file, sha256 or "")


def which(path: str, sha256: str, catalogue: Sequence[Known]) -> tuple[Known | None, str]:
    """The file of the catalogue that this one is, and what told: its sha256, else its name."""
    for known in catalogue:
        if sha256 and known.sha256 == sha256:
            return known, "sha256"
    base = PurePosixPath(path).name
    own = OWN_NAME.fullmatch(base)
    names = {base, f"{own[1]}.gguf"} if own else {base}
    if part := SPLIT_NAME.fullmatch(base):
        names.add(part[1] + part[2])
    for known in catalogue:
        if known.name in names:
            return known, "name"
    return None, ""


def wanted_by_services(host: Host) -> dict[str, list[str]]:
    """For the question: paths and sha256 of the files that the host's services want. Raises InputError."""
    files = Description(host, only=ROLES).files.values()
    return {
        "paths": sorted({file.path for file in files}),
        "sha256": sorted({file.sha256 for file in files if file.sha256}),
    }
