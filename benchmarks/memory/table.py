"""result.md: the errors of every kind of buffer on every ground of truth, and other tools on the same cases."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.memory.compare import EXACT, KIND_ORDER, Row, on_device, total
from benchmarks.memory.peers import FIT_PARAMS, GGUF_PARSER, KYUZ0
from benchmarks.memory.truth import Truth

WORST_SHOWN = 12
OURS = "strixkit"
NUMBERS = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class Compared:
    """One run of a server and what became of it."""

    truth: Truth
    rows: Sequence[Row]


def text(found: Sequence[Compared]) -> str:
    """The whole of it, as Markdown."""
    offered = [item for item in found if item.truth.offered]
    sections = [_grounds(found), _totals(offered), _kinds(offered), _peers(offered), _largest(offered)]
    sections += [_not_offered(found), _failures(found)]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _by_ground(found: Sequence[Compared]) -> Mapping[str, list[Compared]]:
    grounds: dict[str, list[Compared]] = {}
    for item in found:
        grounds.setdefault(item.truth.ground, []).append(item)
    return grounds


def _grounds(found: Sequence[Compared]) -> list[str]:
    cases = {item.truth.case.name for item in found}
    models = {item.truth.case.model for item in found}
    lines = [f"{len(cases)} cases with {len(models)} models, {len(found)} runs of a server", ""]
    lines += ["| ground of truth | build | runs | did not start |", "|---|---|---|---|"]
    for ground, items in _by_ground(found).items():
        failed = sum(not item.truth.ready for item in items)
        lines.append(f"| {ground} | {items[0].truth.version} | {len(items)} | {failed} |")
    return lines


def _totals(found: Sequence[Compared]) -> list[str]:
    lines = ["All buffers of a server that has just started", ""]
    lines += ["| ground of truth | runs | median error | worst error | worst case |", "|---|---|---|---|---|"]
    for ground, items in _by_ground(found).items():
        errors = [(total(list(item.rows)), item) for item in items if item.rows]
        if errors:
            row, worst = max(errors, key=lambda pair: abs(pair[0].error))
            median = statistics.median(abs(row.error) for row, _ in errors)
            lines.append(
                f"| {ground} | {len(errors)} | {_percent(median)} | {_signed(row)} | {worst.truth.case.name} |"
            )
    return lines


def _kinds(found: Sequence[Compared]) -> list[str]:
    lines = ["By kind; `agree` to the last digit of the log", ""]
    lines += ["| kind | ground of truth | sizes | agree | median error | worst error | worst case |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for kind in KIND_ORDER:
        for ground, items in _by_ground(found).items():
            pairs = [(row, item.truth) for item in items for row in item.rows if row.kind == kind]
            if pairs:
                lines.append(f"| {kind} | {ground} | {_kind(pairs)} |")
    return lines


def _kind(pairs: Sequence[tuple[Row, Truth]]) -> str:
    agree = sum(row.agrees for row, _ in pairs)
    row, truth = max(pairs, key=lambda pair: abs(pair[0].error))
    median = statistics.median(abs(row.error) for row, _ in pairs)
    worst, where = ("", "") if row.agrees else (_signed(row), truth.case.name)
    return f"{len(pairs)} | {agree} | {_percent(median)} | {worst} | {where}"


def _peers(found: Sequence[Compared]) -> list[str]:
    """On the device, as soon as the server has started: more no peer claims to know."""
    lines = [
        "Other tools, for the device's memory at the start; `answers`: on so many of the runs it says something",
        "",
    ]
    lines += ["| ground of truth | tool | answers | context: median | worst | total: median | worst |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for ground, items in _by_ground(found).items():
        held = [item for item in items if item.rows and item.truth.peers]
        for tool in (OURS, FIT_PARAMS, KYUZ0, GGUF_PARSER) if held else ():
            context = [row for item in held for row in _estimated(item, tool, context=True)]
            whole = [row for item in held for row in _estimated(item, tool, context=False)]
            cells = [*_median_and_worst(context), *_median_and_worst(whole)]
            lines.append(f"| {ground} | {tool} | {len(whole)} of {len(held)} | {' | '.join(cells)} |")
    return lines


def _estimated(item: Compared, tool: str, *, context: bool) -> Iterator[Row]:
    row = on_device(list(item.rows), context=context)
    if tool == OURS:
        yield row
    elif estimate := item.truth.peers.get(tool):
        said = estimate.context_mib if context else estimate.total_mib
        yield Row(row.key, row.kind, said, row.log, row.rounding)


def _median_and_worst(rows: Iterable[Row]) -> tuple[str, str]:
    errors = [row.error for row in rows if math.isfinite(row.error)]
    if not errors:
        return "", ""
    worst = max(errors, key=abs)
    return _percent(statistics.median(abs(error) for error in errors)), f"{worst:+.2%}"


def _largest(found: Sequence[Compared]) -> list[str]:
    """What is to be mended first."""
    wrong = [(row, item) for item in found for row in item.rows if not row.agrees]
    if not wrong:
        return []
    wrong.sort(key=lambda pair: _weight(*pair), reverse=True)
    lines = ["The largest errors, by their part of the server's total", ""]
    lines += [
        "| case | ground of truth | size | ours, MiB | log, MiB | error | of the total |",
        "|---|---|---|---|---|---|---|",
    ]
    for row, item in wrong[:WORST_SHOWN]:
        cells = [item.truth.case.name, item.truth.ground, row.key, f"{row.ours:.2f}", f"{row.log:.2f}"]
        lines.append(f"| {' | '.join(cells)} | {_signed(row)} | {_percent(_weight(row, item))} |")
    exact = sum(row.kind in EXACT for row, _ in wrong)
    lines += ["", f"{len(wrong)} sizes differ, {exact} of them of kinds that are to be exact."]
    return lines


def _weight(row: Row, item: Compared) -> float:
    whole = sum(size.mib for size in item.truth.sizes.values())
    return abs(row.ours - row.log) / whole


def _not_offered(found: Sequence[Compared]) -> list[str]:
    apart = [(total(list(item.rows)), item.truth) for item in found if item.rows and not item.truth.offered]
    if not apart:
        return []
    lines = ["Not in the tables above: K and V of different types on HIP. It has no flash attention for them, the CPU"]
    lines += ["computes it with buffers of its own, and no plan chooses it", ""]
    lines += ["| case | ground of truth | error of the total |", "|---|---|---|"]
    return lines + [f"| {truth.case.name} | {truth.ground} | {_signed(row)} |" for row, truth in apart]


def _failures(found: Sequence[Compared]) -> list[str]:
    reasons: dict[tuple[str, str, str], list[str]] = {}
    for truth in (item.truth for item in found if item.truth.failure):
        key = truth.ground, truth.case.model.family, NUMBERS.sub("*", _cell(truth.failure))
        reasons.setdefault(key, []).append(truth.case.name)
    if not reasons:
        return []
    lines = ["Did not start, or did not answer", "", "| cases | ground of truth | family | why |", "|---|---|---|---|"]
    for (ground, family, why), names in reasons.items():
        lines.append(f"| {len(names)}: {', '.join(names)} | {ground} | {family} | {why} |")
    return lines


def _cell(words: str) -> str:
    return " ".join(words.replace("|", "/").split())[:200]


def _percent(share: float) -> str:
    return f"{share:.2%}"


def _signed(row: Row) -> str:
    if not math.isfinite(row.error):
        return f"{row.ours:.2f} MiB that the log has not"
    return f"{row.error:+.2%} ({row.ours - row.log:+.2f} MiB)"
