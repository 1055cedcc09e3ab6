"""The memory plan of a service and its rendered unit, for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from strixkit.display.text import clean
from strixkit.engine.converge import Outcome
from strixkit.host.context import ServiceState
from strixkit.planner.choice import MemoryPlan
from strixkit.resources.release import Release

BAR = 60


def show(outcome: Outcome, *, unit: bool) -> None:
    """Print memory, reasons and (by wish) the unit of each service of a host."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for state in outcome.shown.get("services", ()):
        if state.plan is not None:
            _memory(console, outcome.host, state, state.plan)
    if unit:
        for resource in outcome.shown.get("resources", ()):
            if isinstance(resource, Release):
                console.print(f"\n--- {resource.unit_name} (release {resource.release})")
                console.print(clean(resource.unit))


def _memory(console: Console, host: str, state: ServiceState, plan: MemoryPlan) -> None:
    title = (
        f"{host}: service {state.name}, profile {state.profile_name}, model {state.file.name} ({state.file.variant})"
    )
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name, justify in (("part", "left"), ("where", "left"), ("MiB", "right"), ("when", "left"), ("", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for part in plan.parts:
        table.add_row(part.name, part.where, f"{part.mib:.1f}", part.when, part.sure)
    console.print(table)
    console.print(f"device at the start {plan.start_mib:.0f} MiB, with the context full {plan.full_mib:.0f} MiB")
    console.print(f"budget {plan.budget_mib:.0f} MiB: {clean(plan.budget_words)}")
    console.print(_bar(plan))
    for reason in plan.reasons:
        console.print(clean(f"  {reason.option} = {reason.value}: {reason.reason}"))


def _bar(plan: MemoryPlan) -> str:
    """One bar of the budget: `#` at the start, `+` what comes as the context fills, `.` free.

    A choice that is kept may exceed what is free now, even all of it.
    """
    budget = max(1.0, plan.budget_mib)
    start = min(BAR, round(plan.start_mib / budget * BAR))
    full = max(start, min(BAR, round(plan.full_mib / budget * BAR)))
    share = plan.full_mib / budget * 100
    return f"[{'#' * start}{'+' * (full - start)}{'.' * (BAR - full)}] {share:.0f} % of the budget when full"
