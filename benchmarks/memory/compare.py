"""Ours against the log: every part by its key, checkpoints, saved prompts, and the sum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.memory.truth import State, Truth
from strixkit.planner import memory
from strixkit.planner.parts import MIB, Part, parts
from strixkit.planner.run import Run
from strixkit.planner.shape import ModelShape

LOGGED = frozenset({"model", "KV", "RS", "output", "compute"})
# The log rounds buffers to two decimals, checkpoints and prompts to three.
BUFFER_ROUNDING = 0.005
STATE_ROUNDING = 0.0005
# Of what is compared: adding up floats.
TINY = 1e-6
# A prompt with which the context counts as full.
FULL_SHARE = 0.98


@dataclass(frozen=True)
class Row:
    """One size: ours and the log's, in MiB. rounding: how far the log may be off by its digits."""

    key: str
    kind: str
    ours: float
    log: float
    rounding: float

    @property
    def agrees(self) -> bool:
        """To the last digit of the log."""
        return abs(self.ours - self.log) <= self.rounding + TINY

    @property
    def error(self) -> float:
        """Of the log's size; infinite if the log has nothing of it."""
        if self.agrees:
            return 0.0
        return (self.ours - self.log) / self.log if self.log else float("inf")


def rows(shape: ModelShape, truth: Truth) -> list[Row]:
    """Every part that ours or the log has; none if the server did not start."""
    if not truth.ready:
        return []
    run = truth.case.settings.run(truth.family, truth.device)
    return [*_buffers(shape, run, truth), *_states(shape, run, truth), *_full(shape, run, truth)]


def total(found: list[Row]) -> Row:
    """All buffers of a server that has just started, but for those that only one side has."""
    both = [row for row in found if row.kind in KINDS_AT_START and row.log and row.ours]
    return _sum("total", both)


def on_device(found: list[Row], *, context: bool) -> Row:
    """The sum of what lies on the device: all, or only KV caches and recurrent states."""
    kinds = ("KV", "RS") if context else KINDS_AT_START
    chosen = [row for row in found if row.kind in kinds and row.key.endswith(".device")]
    return _sum("context" if context else "device", chosen)


def ours_at_start(shape: ModelShape, run: Run, device: str) -> dict[str, float]:
    """Our buffers of a server that has just started, by key, in MiB; without a device they lie on the host."""
    found: dict[str, float] = {}
    for part in _placed(shape, run, device):
        if part.when == "start" and part.key.split(".")[1] in LOGGED:
            found[part.key] = found.get(part.key, 0.0) + part.mib
    return found


KIND_ORDER = (
    "model",
    "KV",
    "RS",
    "output",
    "compute host",
    "checkpoint",
    "saved prompt",
    "compute device",
    "compute CPU",
    "compute while drafting",
    "device, full",
)
KINDS_AT_START = frozenset({"model", "KV", "RS", "output", "compute host", "compute device", "compute CPU"})
EXACT = ("model", "KV", "RS", "output", "compute host", "checkpoint", "saved prompt")


def _buffers(shape: ModelShape, run: Run, truth: Truth) -> Iterator[Row]:
    ours = ours_at_start(shape, run, truth.device)
    for key in sorted({*ours, *truth.sizes}):
        size = truth.sizes.get(key)
        rounding = BUFFER_ROUNDING * (size.lines if size else 1)
        yield Row(key, _kind(key, truth.device), ours.get(key, 0.0), size.mib if size else 0.0, rounding)
    if not (run.drafts and truth.case.settings.prompts and not truth.failure):
        return
    grown = {part.key: part.mib for part in _placed(shape, run, truth.device) if part.key.count("compute-growth")}
    for key, size in sorted(truth.sizes.items()):
        if ".compute." in key:
            growth = grown.get(key.replace("compute", "compute-growth"), 0.0)
            rounding = BUFFER_ROUNDING * size.lines
            yield Row(key, "compute while drafting", ours.get(key, 0.0) + growth, size.largest, rounding)


def _full(shape: ModelShape, run: Run, truth: Truth) -> Iterator[Row]:
    """The device's memory after one prompt that fills the context, checkpoints and all, but for what no log shows."""
    prompts = truth.case.settings.prompts
    if truth.peak_mib is None or truth.failure or len(prompts) != 1 or run.parallel > 1:
        return
    if prompts[0] < FULL_SHARE * run.sequence:
        return
    unseen = ("process.driver", "main.f16-copies")
    found = [part for part in parts(shape, run) if part.where == "device" and part.when != "worst"]
    ours = sum(part.mib for part in found if part.key.rpartition(".")[0] not in unseen)
    yield Row("device", "device, full", ours, truth.peak_mib, BUFFER_ROUNDING)


def _states(shape: ModelShape, run: Run, truth: Truth) -> Iterator[Row]:
    for point in truth.checkpoints:
        yield _state("checkpoint", point, memory.checkpoint_bytes(shape, run, point.tokens))
    for prompt in truth.prompts:
        yield _state("saved prompt", prompt, memory.prompt_state_bytes(shape, run, prompt.tokens))


def _state(kind: str, state: State, ours: float) -> Row:
    return Row(f"{kind} of {state.tokens}", kind, ours / MIB, state.mib, STATE_ROUNDING)


def _placed(shape: ModelShape, run: Run, device: str) -> tuple[Part, ...]:
    found = parts(shape, run)
    return tuple(part.moved("host") for part in found) if device == "CPU" else found


def _kind(key: str, device: str) -> str:
    _, kind, where = key.split(".")
    if kind != "compute":
        return kind
    return "compute CPU" if device == "CPU" else f"compute {where}"


def _sum(name: str, chosen: list[Row]) -> Row:
    rounding = sum(row.rounding for row in chosen)
    return Row(name, name, sum(row.ours for row in chosen), sum(row.log for row in chosen), rounding)
