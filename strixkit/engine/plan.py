"""Pure: order resources, compare answers with wishes, and put the steps in order."""

from __future__ import annotations

import graphlib
import heapq
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from strixkit.errors import InputError
from strixkit.resources.base import Answer, Change, Question, Resource, Risk, Upload


@dataclass(frozen=True)
class Plan:
    """Resources in order, what was found of each, and the differences."""

    resources: tuple[Resource, ...]
    answers: tuple[Answer, ...]
    changes: tuple[Change, ...]

    @property
    def todo(self) -> tuple[Change, ...]:
        """What steps make so."""
        return tuple(change for change in self.changes if change.risk is not Risk.REBOOT)

    @property
    def pending(self) -> tuple[Change, ...]:
        """What only a reboot makes so."""
        return tuple(change for change in self.changes if change.risk is Risk.REBOOT)

    def _changed(self) -> list[tuple[Resource, Answer]]:
        ids = {change.resource for change in self.todo}
        pairs = zip(self.resources, self.answers, strict=True)
        return [(resource, answer) for resource, answer in pairs if resource.id in ids]

    def uploads(self) -> list[Upload]:
        """Files to send first."""
        return [upload for resource, answer in self._changed() for upload in resource.uploads(answer)]

    def steps(self) -> list[dict[str, Any]]:
        """The agent's steps: by phase, then in order; a step that several resources want is done once."""
        wanted = [(step, resource.id) for resource, answer in self._changed() for step in resource.steps(answer)]
        wanted.sort(key=lambda pair: pair[0].phase)
        seen: set[str] = set()
        steps = []
        for step, resource_id in wanted:
            key = json.dumps([step.step, step.arguments], sort_keys=True)
            if step.phase == step.MAKE or key not in seen:
                steps.append({**step.arguments, "step": step.step, "resource": resource_id})
            seen.add(key)
        return steps


def order(resources: Sequence[Resource]) -> tuple[Resource, ...]:
    """Put each resource behind those it requires; otherwise the given order stays.

    Raises InputError for two wishes about one thing, and for a circle.
    """
    by_id: dict[str, Resource] = {}
    for resource in resources:
        if by_id.setdefault(resource.id, resource) != resource:
            raise InputError(f"{resource.id} is wanted twice, in different ways")
    graph = {name: sorted(resource.requires() & by_id.keys() - {name}) for name, resource in by_id.items()}
    try:
        return tuple(by_id[name] for name in _stable(graph))
    except graphlib.CycleError as error:
        raise InputError(f"resources require each other in a circle: {' -> '.join(error.args[1])}") from error


def _stable(graph: dict[str, list[str]]) -> list[str]:
    """Topological order that takes, of all that could come next, what was declared first."""
    sorter = graphlib.TopologicalSorter(graph)
    sorter.prepare()
    position = {name: number for number, name in enumerate(graph)}
    names = list(graph)
    ready: list[int] = []
    result: list[str] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, position[name])
        name = names[heapq.heappop(ready)]
        result.append(name)
        sorter.done(name)
    return result


def questions(resources: Sequence[Resource]) -> list[Question]:
    """One question each, in order."""
    return [resource.question() for resource in resources]


def compare(resources: Sequence[Resource], answers: Sequence[Answer], *, host: str | None = None) -> Plan:
    """Make the plan. Raises InputError, naming the host, when something is in the way that no step may remove."""
    pairs = list(zip(resources, answers, strict=True))
    refusals = [text for resource, answer in pairs if (text := resource.refuse(answer))]
    if refusals:
        raise InputError("\n  ".join(refusals), host=host, hint="nothing was touched; clear the way and run it again")
    changes = [change for resource, answer in pairs for change in resource.diff(answer)]
    return Plan(tuple(resources), tuple(answers), tuple(changes))
