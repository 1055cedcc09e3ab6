"""The parts of a llama-server, in MiB: where each lies, from when on, and how sure its size is."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from strixkit.planner import compute, memory
from strixkit.planner.run import Run
from strixkit.planner.shape import ModelShape

MIB = 1 << 20
# Logged by nobody. Measured: 313 MiB (Vulkan), 297 MiB (HIP); 400 to 700 are advised, and the plan must hold.
DRIVER_MIB = 700

When = Literal["start", "full", "worst"]


class Part(BaseModel):
    """One buffer, in MiB.

    when: "start" is there once the server is ready; "full" is added by one prompt that fills the context;
    "worst" by many short turns near its end, and by the prompt cache.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    where: Literal["device", "host"]
    mib: float
    exact: bool
    when: When


def parts(shape: ModelShape, run: Run) -> tuple[Part, ...]:
    """All parts of the server with these settings; those of no size are left out."""
    found = [*_start_parts(shape, run), *_full_parts(shape, run), *_worst_parts(shape, run)]
    return tuple(part for part in found if part.mib > 0)


def _start_parts(shape: ModelShape, run: Run) -> list[Part]:
    known = shape.from_header
    planes = run.parallel * run.planes
    found = [
        _part("weights", "device", memory.weights_bytes(shape, run), known, "start"),
        _part("token embedding", "host", shape.token_embedding_bytes, known, "start"),
        _part("KV cache", "device", memory.kv_bytes(shape, run), True, "start"),
        _part("recurrent state", "device", memory.recurrent_plane_bytes(shape) * planes, True, "start"),
        _part("compute", "device", compute.target_device_bytes(shape, run), False, "start"),
        _part("compute (host)", "host", compute.target_host_bytes(shape, run), run.flash_attention, "start"),
        _part("output", "host", memory.output_start_bytes(shape, run), True, "start"),
        Part(name="driver", where="device", mib=DRIVER_MIB, exact=False, when="start"),
    ]
    if run.drafts:
        found += [
            _part("draft KV cache", "device", memory.draft_kv_bytes(shape, run), True, "start"),
            _part("draft compute", "device", compute.draft_device_bytes(shape, run), False, "start"),
            _part(
                "draft compute (host)",
                "host",
                compute.draft_host_bytes(shape, run),
                run.flash_attention,
                "start",
            ),
        ]
    return found


def _full_parts(shape: ModelShape, run: Run) -> list[Part]:
    output = memory.output_running_bytes(shape, run) - memory.output_start_bytes(shape, run)
    where, checkpoints = _full_checkpoints(shape, run)
    found = [
        _part("output after the first long prompt", "host", output, True, "full"),
        _part("context checkpoints", where, checkpoints, True, "full"),
        _part("f16 copies of the quantised KV", "device", memory.f16_pool_bytes(shape, run), False, "full"),
    ]
    if run.drafts:
        growth = compute.draft_running_bytes(shape, run) - compute.draft_device_bytes(shape, run)
        found.append(_part("draft compute after the first draft", "device", growth, False, "full"))
    return found


def _worst_parts(shape: ModelShape, run: Run) -> list[Part]:
    """In the fork one prompt is always cached, however large, its checkpoints cloned on the device."""
    where, full = _full_checkpoints(shape, run)
    most = run.parallel * run.checkpoints * memory.checkpoint_bytes(shape, run, run.sequence)
    found = [_part("context checkpoints after many short turns", where, most - full, False, "worst")]
    limit = run.cache_mib * MIB
    if limit and run.family == "upstream":
        found.append(_part("prompt cache", "host", limit, True, "worst"))
    elif limit:
        clones = most / run.parallel
        state = max(memory.prompt_state_bytes(shape, run), limit - clones)
        found.append(_part("prompt cache", "host", state, False, "worst"))
        found.append(_part("checkpoints in the prompt cache", "device", clones, False, "worst"))
    return found


def _full_checkpoints(shape: ModelShape, run: Run) -> tuple[Literal["device", "host"], float]:
    """Where they lie, and the bytes of those of one conversation that fills each slot."""
    if run.family == "upstream":
        return "host", run.parallel * run.checkpoints * memory.checkpoint_bytes(shape, run, run.sequence)
    sizes = (memory.checkpoint_bytes(shape, run, tokens) for tokens in memory.checkpoint_positions(run))
    return "device", run.parallel * sum(sizes)


def _part(name: str, where: Literal["device", "host"], size: float, exact: bool, when: When) -> Part:
    return Part(name=name, where=where, mib=size / MIB, exact=exact, when=when)
