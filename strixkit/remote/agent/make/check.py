"""Is a made file what it should be? From its header alone; pure, but for the reading."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from strixkit.planner import gguf

Expected = Dict[str, Any]
F32 = 0
MOST_SHOWN = 3  # tensors of a wrong type that are named


class Check(NamedTuple):
    """One thing that was looked at. wanted: an empty text where nothing is held against it."""

    what: str
    found: str
    wanted: str
    ok: bool


def header_of(path: str) -> gguf.Header:
    """The header of a complete file. Raises GgufError, OSError."""
    size = os.path.getsize(path)
    with open(path, "rb") as handle:
        header = gguf.read_header(handle, size)
    gguf.check_size(header, size)
    return header


def imatrix(header: gguf.Header, said: int, expected: Expected) -> "List[Check]":
    """An importance matrix. said: chunks that the tool was to compute. expected: `chunks`, `tensors`."""
    done = _number(header.metadata.get("imatrix.chunk_count"))
    kind = str(header.metadata.get("general.type", ""))
    names = {tensor.name for tensor in header.tensors}
    tensors = len([name for name in names if name.endswith(".in_sum2") and name[:-8] + ".counts" in names])
    chunks = expected.get("chunks")
    wanted = "" if chunks is None else str(chunks)
    return [
        Check("file", kind or "of no type", "imatrix", kind == "imatrix"),
        # It is saved now and then, and what is left of an interrupted run has fewer.
        Check("chunks", str(done), wanted or str(said), done == said and (chunks is None or done == chunks)),
        _equal("tensors with data", tensors, expected.get("tensors")),
    ]


def model(header: gguf.Header, size: int, expected: Expected) -> "List[Check]":
    """A quantised model. size: bytes of the file. expected: see config/recipe.py."""
    weights = sum(_elements(tensor) for tensor in header.tensors)
    bits = sum(tensor.nbytes for tensor in header.tensors) * 8 / max(1, weights)
    tolerance = float(expected["tolerance_percent"])
    checks = [
        _near("GB", size / 1e9, expected.get("size_gb"), tolerance),
        _near("bits per weight", bits, expected.get("bits_per_weight"), tolerance),
        *_types(header, expected),
    ]
    entries = _number(header.metadata.get("quantize.imatrix.entries_count"))
    checks.append(_equal("tensors with imatrix data", entries or 0, expected.get("imatrix_tensors")))
    if expected.get("nextn"):
        prefix = str(expected["nextn"]) + "."
        count = len([tensor for tensor in header.tensors if tensor.name.startswith(prefix)])
        checks.append(Check("MTP head", "%d tensors %s*" % (count, prefix), "some", count > 0))
    return checks


def _types(header: gguf.Header, expected: Expected) -> "Iterator[Check]":
    """For each pattern the types of the tensors that it finds first."""
    wanted = [(re.compile(pattern), str(name)) for pattern, name in expected.get("types", {}).items()]
    groups: "Dict[str, Dict[str, List[str]]]" = {pattern.pattern: {} for pattern, _ in wanted}
    others: "Dict[str, List[str]]" = {}
    for tensor in header.tensors:
        if len(tensor.shape) < 2:
            found = groups.setdefault("vectors", {})
        else:
            first = next((pattern.pattern for pattern, _ in wanted if pattern.search(tensor.name)), None)
            found = others if first is None else groups[first]
        found.setdefault(_name(tensor.type_id), []).append(tensor.name)
    vectors = groups.pop("vectors", {})
    for (pattern, name), found in zip(wanted, groups.values()):
        yield _one_type(pattern.pattern, found, name.lower())
    rest = expected.get("rest")
    yield _one_type("other matrices" if wanted else "matrices", others, None if rest is None else str(rest).lower())
    yield _one_type("vectors", vectors, "f32")


def _one_type(what: str, found: "Dict[str, List[str]]", wanted: "Optional[str]") -> Check:
    ok = wanted is None or list(found) == [wanted]
    text = ", ".join("%s (%d)" % (name, len(tensors)) for name, tensors in sorted(found.items())) or "none"
    if not ok:
        wrong = [name for kind, tensors in sorted(found.items()) if kind != wanted for name in tensors]
        text += ": " + ", ".join(wrong[:MOST_SHOWN]) + (" ..." if len(wrong) > MOST_SHOWN else "") if wrong else ""
    return Check(what, text, wanted or "", ok)


def _near(what: str, found: float, wanted: "Optional[float]", percent: float) -> Check:
    if wanted is None:
        return Check(what, "%.3f" % found, "", True)
    return Check(
        what,
        "%.3f" % found,
        "%g, %g %% more or less" % (wanted, percent),
        abs(found - wanted) <= wanted * percent / 100,
    )


def _equal(what: str, found: int, wanted: "Optional[int]") -> Check:
    return Check(what, str(found), "" if wanted is None else str(wanted), wanted is None or found == wanted)


def _name(type_id: int) -> str:
    return gguf.TYPES[type_id].name if type_id in gguf.TYPES else "type %d" % type_id


def _elements(tensor: gguf.Tensor) -> int:
    count = 1
    for length in tensor.shape:
        count *= length
    return count


def _number(value: object) -> "Optional[int]":
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def faults(checks: "List[Check]") -> "Tuple[str, ...]":
    """What is not as it should be, in words."""
    return tuple("%s: found %s, wanted %s" % (item.what, item.found, item.wanted) for item in checks if not item.ok)
