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

Where = Literal["device", "host"]
When = Literal["start", "full", "worst"]


class Part(BaseModel):
    """One buffer, in MiB.

    key: `context.kind.where`, as `strixkit.runtime.buffers` names what a log shows: "main.KV.device". Parts with the
    same key lie in buffers that the log adds up.
    when: "start" is there once the server is ready; "full" is added by one prompt that fills the context;
    "worst" by many short turns near its end, and by the prompt cache.
    formula_mib: what the formula says, where `mib` is measured.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    name: str
    where: Where
    mib: float
    exact: bool
    when: When
    formula_mib: float | None = None

    @property
    def measured(self) -> bool:
        """Whether `mib` was measured on the host, of a server with these settings."""
        return self.formula_mib is not None

    @property
    def sure(self) -> str:
        """How sure `mib` is, in a word."""
        return "measured" if self.measured else "exact" if self.exact else "estimate"

    def moved(self, where: Where) -> Part:
        """The same part in another place."""
        return self.model_copy(update={"where": where, "key": f"{self.key.rpartition('.')[0]}.{where}"})


def parts(shape: ModelShape, run: Run) -> tuple[Part, ...]:
    """All parts of the server with these settings; those of no size are left out."""
    found = [*_start_parts(shape, run), *_full_parts(shape, run), *_worst_parts(shape, run)]
    return tuple(part for part in found if part.mib > 0)


def _start_parts(shape: ModelShape, run: Run) -> list[Part]:
    read, known = shape.from_header, shape.known
    planes = run.parallel * run.planes
    computed = compute.exact(shape, run)
    found = [
        _part("main.model.device", "weights", memory.weights_bytes(shape, run), read, "start"),
        _part("main.model.host", "token embedding", shape.token_embedding_bytes, read, "start"),
        _part("main.KV.device", "KV cache", memory.kv_bytes(shape, run), known, "start"),
        _part("main.RS.device", "recurrent state", memory.recurrent_plane_bytes(shape) * planes, known, "start"),
        _part("main.compute.device", "compute", compute.target_device_bytes(shape, run), computed, "start"),
        _part("main.compute.host", "compute (host)", compute.target_host_bytes(shape, run), computed, "start"),
        _part("main.output.host", "output", memory.output_start_bytes(shape, run), True, "start"),
        Part(key="process.driver.device", name="driver", where="device", mib=DRIVER_MIB, exact=False, when="start"),
    ]
    if run.drafts:
        draft_host = compute.draft_host_bytes(shape, run)
        found += [
            _part("draft.output.host", "draft output", memory.output_start_bytes(shape, run), True, "start"),
            _part("draft.KV.device", "draft KV cache", memory.draft_kv_bytes(shape, run), known, "start"),
            _part("draft.compute.device", "draft compute", compute.draft_device_bytes(shape, run), computed, "start"),
            _part("draft.compute.host", "draft compute (host)", draft_host, computed, "start"),
        ]
    return found


def _full_parts(shape: ModelShape, run: Run) -> list[Part]:
    contexts = 2 if run.drafts else 1
    output = memory.output_running_bytes(shape, run) - contexts * memory.output_start_bytes(shape, run)
    where, checkpoints = _full_checkpoints(shape, run)
    found = [
        _part("all.output-growth.host", "output after the first long prompt", output, True, "full"),
        _part(f"main.checkpoints.{where}", "context checkpoints", checkpoints, True, "full"),
        _part(
            "main.f16-copies.device",
            "f16 copies of the quantised KV",
            memory.f16_pool_bytes(shape, run),
            False,
            "full",
        ),
    ]
    if run.drafts:
        exact = compute.exact(shape, run)
        main = compute.target_running_bytes(shape, run) - compute.target_device_bytes(shape, run)
        draft = compute.draft_running_bytes(shape, run) - compute.draft_device_bytes(shape, run)
        found.append(_part("main.compute-growth.device", "compute after the first prompt", main, exact, "full"))
        found.append(_part("draft.compute-growth.device", "draft compute after the first draft", draft, exact, "full"))
    return found


def _worst_parts(shape: ModelShape, run: Run) -> list[Part]:
    """In the fork one prompt is always cached, however large, its checkpoints cloned on the device."""
    where, full = _full_checkpoints(shape, run)
    most = run.parallel * run.checkpoints * memory.checkpoint_bytes(shape, run, run.sequence)
    found = [
        _part(
            f"main.checkpoints-of-turns.{where}",
            "context checkpoints after many short turns",
            most - full,
            False,
            "worst",
        )
    ]
    limit = run.cache_ram_mib * MIB
    if limit and run.family == "upstream":
        found.append(_part("main.prompt-cache.host", "prompt cache", limit, True, "worst"))
    elif limit:
        clones = most / run.parallel
        state = max(memory.prompt_state_bytes(shape, run), limit - clones)
        found.append(_part("main.prompt-cache.host", "prompt cache", state, False, "worst"))
        found.append(
            _part("main.prompt-cache-checkpoints.device", "checkpoints in the prompt cache", clones, False, "worst")
        )
    return found


def _full_checkpoints(shape: ModelShape, run: Run) -> tuple[Where, float]:
    """Where they lie, and the bytes of those of one conversation that fills each slot."""
    if run.family == "upstream":
        return "host", run.parallel * run.checkpoints * memory.checkpoint_bytes(shape, run, run.sequence)
    sizes = (memory.checkpoint_bytes(shape, run, tokens) for tokens in memory.checkpoint_positions(run))
    return "device", run.parallel * sum(sizes)


def _part(key: str, name: str, size: float, exact: bool, when: When) -> Part:
    where: Where = "device" if key.endswith(".device") else "host"
    return Part(key=key, name=name, where=where, mib=size / MIB, exact=exact, when=when)
