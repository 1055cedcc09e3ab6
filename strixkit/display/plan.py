"""The memory plan of a service and its rendered unit, for people."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator

from rich.console import Console

from strixkit.display import running
from strixkit.display.bar import bar_line, legend
from strixkit.display.columns import columns
from strixkit.display.text import clean
from strixkit.engine.values import Outcome
from strixkit.host.context import ServiceState
from strixkit.planner.choice import MemoryPlan
from strixkit.planner.reasons import PINNED
from strixkit.resources.release import Release

WIDEST = 118


def show(outcome: Outcome, *, unit: bool) -> None:
    """Print memory, reasons and (by wish) the unit of each service of a host."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for state in outcome.shown.get("services", ()):
        if state.plan is not None:
            _service(console, outcome, state, state.plan)
    if unit:
        for resource in outcome.shown.get("resources", ()):
            if isinstance(resource, Release):
                console.print(f"\n--- {resource.unit_name} (release {resource.release})")
                console.print(clean(resource.unit))


def _service(console: Console, outcome: Outcome, state: ServiceState, plan: MemoryPlan) -> None:
    model = f"{state.file.name} ({state.file.variant})"
    console.print(f"\n{outcome.host}: service {state.name}, profile {state.profile_name}, model {model}")
    for line in _parts(plan):
        console.print(line)
    console.print()
    colours = console.color_system is not None and not console.no_color
    for text in legend(plan.bar, colours=colours):
        console.print(text)
    console.print(bar_line(plan.bar, min(WIDEST, console.width) - 2, colours=colours))
    look = ("bright", "dim") if colours else ("capitals", "small letters")
    console.print(f"{look[0]}: when the server is ready; {look[1]}: what it may yet take")
    # After a deploy it is this plan that runs.
    now = () if outcome.applied else (*_rehearsal(outcome), running.line(outcome, state))
    for line in (*_budget(plan), *_flags(plan), *_second(plan), *now):
        console.print(clean(line))


def _parts(plan: MemoryPlan) -> list[str]:
    total = plan.bar.total_mib
    rows = [("part", "where", "MiB", "%", "from", "size is")]
    for part in plan.parts:
        rows.append((part.name, part.where, f"{part.mib:.1f}", f"{part.mib / total * 100:.1f}", part.when, part.sure))
    return columns(rows, right=(2, 3))


def _budget(plan: MemoryPlan) -> Iterator[str]:
    sizes = ((plan.start_mib, "at the start"), (plan.full_mib, "with the context full"), (plan.worst_mib, "at worst"))
    device = ", ".join(f"{size:.0f} MiB {when}" for size, when in sizes)
    share = plan.worst_mib / plan.budget_mib * 100 if plan.budget_mib > 0 else 100
    yield f"device: {device}; that is {share:.0f} % of its budget of {plan.budget_mib:.0f} MiB:"
    yield f"  {plan.budget_words}"


def _flags(plan: MemoryPlan) -> Iterator[str]:
    yield from (f"  {r.option} = {_value(r.value)}: {r.reason}" for r in plan.reasons if r.reason != PINNED)
    pinned = [f"{r.option}={_value(r.value)}" for r in plan.reasons if r.reason == PINNED]
    words = f"{PINNED}: {', '.join(pinned)}"
    yield from textwrap.wrap(words, WIDEST, initial_indent="  ", subsequent_indent="    ", break_long_words=False)


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=True)


def _rehearsal(outcome: Outcome) -> Iterator[str]:
    """Whether a deploy can rehearse there; unknown without a box."""
    why = outcome.shown.get("rehearsal")
    if why:
        yield f"rehearsal: not on this box, the formulas serve: {why}"
    elif why is not None:
        yield "rehearsal: before anything is stopped, on a device that computes nothing (now: invoke rehearse)"


def _second(plan: MemoryPlan) -> Iterator[str]:
    if plan.runner_up is not None:
        yield f"runner-up: {plan.runner_up.choice.words}: {plan.runner_up.reason}"
