"""The matrix of all profiles and some boxes, from the catalogue and from files with facts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from strixkit.config.catalogue import Model, load_model, load_runtime
from strixkit.config.profiles import load_profile, profile_names
from strixkit.errors import InputError
from strixkit.host.facts_file import load_facts
from strixkit.planner.facts import Facts
from strixkit.planner.matrix import Cell, Row, matrix
from strixkit.planner.shape import ModelShape


def profile_matrix(files: Sequence[Path], model: str, runtime: str) -> tuple[Cell, ...]:
    """Every profile on the box of each file, the largest box first, by the catalogue's shape of the model.

    Raises InputError for unknown names, for files that hold no facts, and for a model whose shape nobody knows.
    """
    if not files:
        raise InputError("no facts file is named, and there is none in tests/data/facts", hint="--facts FILE")
    entry, family = load_model(model), load_runtime(runtime).family
    rows = []
    for name in profile_names():
        profile = load_profile(name)
        variant = entry.wished(None, profile.variant)
        rows.append(Row(name, profile, variant, _shape(model, entry, variant)))
    return matrix(rows, _boxes(files), family)


def _boxes(files: Sequence[Path]) -> dict[str, Facts]:
    """Boxes by the names of their files, or by the paths where two have the same name."""
    found = [(path, load_facts(path)) for path in dict.fromkeys(files)]
    found.sort(key=lambda item: -item[1].memory.total_bytes)
    stems = [path.stem for path, _ in found]
    return {path.stem if stems.count(path.stem) == 1 else str(path): facts for path, facts in found}


def _shape(name: str, model: Model, variant: str) -> ModelShape:
    shape = model.variant(variant).shape
    if shape is None:
        raise InputError(
            f"model {name} ({variant}) has no shape in the catalogue, so nothing can be planned without its file",
            hint="another --model, or invoke plan --host H, which reads the file's header",
        )
    return shape
