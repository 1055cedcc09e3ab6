"""A rehearsal: what was predicted, what the server logged, and whether it fits. A box's texts are cleaned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from strixkit.display.columns import columns
from strixkit.display.text import one_line
from strixkit.fleet.rehearse import Rehearsal
from strixkit.planner.rehearsal import Row, added_mib, excess_mib, rows

HEAD = ("part", "where", "predicted MiB", "rehearsed MiB", "difference")


def lines(rehearsal: Rehearsal) -> list[str]:
    """A table, the sums against the budget, and what is wrong."""
    found = rehearsal.found
    title = f"{rehearsal.host}: service {rehearsal.service}, profile {rehearsal.profile}, release {rehearsal.release}"
    if found.why:
        return [title, f"  not rehearsed, the formulas serve: {one_line(found.why)}"]
    prompt = f", and a prompt of {rehearsal.prompt} tokens" if rehearsal.prompt else ""
    said = f"rehearsed on a device that computes nothing: the server's start{prompt}, {found.seconds:.1f} s"
    compared = rows(rehearsal.plan, found)
    table = columns([HEAD, *map(_cells, compared)], right=(2, 3, 4))
    return [title, said, *table, *_sums(rehearsal, compared), *_wrong(rehearsal, compared)]


def document(rehearsal: Rehearsal) -> dict[str, Any]:
    """The same as JSON values."""
    compared = () if rehearsal.found.why else rows(rehearsal.plan, rehearsal.found)
    return {
        "host": rehearsal.host,
        "service": rehearsal.service,
        "profile": rehearsal.profile,
        "release": rehearsal.release,
        "prompt": rehearsal.prompt,
        "parts": [asdict(row) for row in compared],
        "budget_mib": rehearsal.plan.budget_mib,
        "system_budget_mib": rehearsal.plan.system_budget_mib,
        "wrong": list(_wrong(rehearsal, compared)) if compared else [],
        "answer": rehearsal.found.model_dump(mode="json"),
    }


def failed(rehearsal: Rehearsal) -> bool:
    """Whether there was none, or the release must not go into service as it is."""
    return bool(rehearsal.found.why) or any(_wrong(rehearsal, rows(rehearsal.plan, rehearsal.found)))


def _cells(row: Row) -> tuple[str, ...]:
    if row.rehearsed_mib is None:
        return (one_line(row.name), row.where, f"{row.predicted_mib:.2f}", "not seen", "")
    difference = f"{row.difference_mib:+.2f}" if abs(row.difference_mib) >= 0.005 else "0"
    return (one_line(row.name), row.where, f"{row.predicted_mib:.2f}", f"{row.rehearsed_mib:.2f}", difference)


def _sums(rehearsal: Rehearsal, compared: tuple[Row, ...]) -> Iterator[str]:
    plan = rehearsal.plan
    for where in ("device", "host"):
        shown = [row for row in compared if row.where == where and row.rehearsed_mib is not None]
        predicted = sum(row.predicted_mib for row in shown)
        rehearsed = sum(row.rehearsed_mib or 0.0 for row in shown)
        yield f"{where}: {rehearsed:,.2f} MiB rehearsed, {predicted:,.2f} predicted"
    if rehearsal.found.peak_mib:
        yield f"device at most: {rehearsal.found.peak_mib:,.2f} MiB at once"
    worst = plan.worst_mib + added_mib(compared, "device")
    yield f"device at its worst, as planned and rehearsed: {worst:,.0f} MiB of a budget of {plan.budget_mib:,.0f}"
    if plan.unified:
        system = worst + plan.host_worst_mib + added_mib(compared, "host")
        yield f"with what lies on the host: {system:,.0f} MiB of {plan.system_budget_mib:,.0f}"


def _wrong(rehearsal: Rehearsal, compared: tuple[Row, ...]) -> Iterator[str]:
    plan, found = rehearsal.plan, rehearsal.found
    if found.failure:
        yield f"FAILED: {one_line(found.failure)}"
        yield from (f"  | {one_line(line)}" for line in found.tail)
        return
    if found.n_ctx_seq != plan.sequence:
        yield f"WRONG: a context of {found.n_ctx_seq} for a slot, planned {plan.sequence}"
    asked = plan.options["device.gpu_layers"]
    reached, total = found.offloaded or (0, 0)
    wanted = min(asked, total) if isinstance(asked, int) else total
    if asked not in (0, "auto") and (reached < wanted or not reached):
        yield f"WRONG: {reached} of {total} layers reached the device, {asked} were asked for"
    if (excess := excess_mib(plan, compared)) > 0:
        yield f"TOO LARGE: {excess:,.1f} MiB more than there is; a deploy would refuse it before it stops anything"
