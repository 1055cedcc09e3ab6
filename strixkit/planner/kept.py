"""The choice of a release in service, which it keeps as long as it was planned with the same wishes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from strixkit.planner.candidates import Wishes, wishes_of
from strixkit.planner.draft import Drafting
from strixkit.planner.facts import Facts
from strixkit.planner.profile import KvTypes, Profile
from strixkit.planner.run import CacheTypes, Family, Run
from strixkit.planner.shape import ModelShape

GIB = 1 << 30


class Kept(BaseModel):
    """What of a run is wished for: chosen, or pinned by the profile. `draft_max` is -1 without drafting."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kv: KvTypes
    context: int = Field(gt=0)
    parallel: int = Field(gt=0)
    draft_max: int = Field(ge=-1)
    draft_kv: KvTypes
    micro: int = Field(gt=0)
    batch: int = Field(gt=0)
    checkpoints: int = Field(ge=0)
    cache_ram_mib: int = Field(ge=0)

    @classmethod
    def of(cls, run: Run) -> Kept:
        """The wished part of a run."""
        values = {name: getattr(run, name) for name in cls.model_fields}
        return cls.model_validate({**values, "kv": str(run.kv), "draft_kv": str(run.draft_kv)})

    def run(self, wishes: Wishes) -> Run | None:
        """The whole run; None if a value is none of its wish's, so that it was never chosen among them.

        A box's answer may say anything, and a context beyond all measure would be planned for ever.
        """
        types = {"kv": CacheTypes.of(self.kv), "draft_kv": CacheTypes.of(self.draft_kv)}
        run = replace(wishes.least, **{**self.model_dump(), **types})
        return run if all(wish.of(run) in wish.values for wish in wishes.order) else None

    @property
    def words(self) -> str:
        """In words, e.g. `context 131072 (f16 KV, 8 checkpoints, prompt cache 0 MiB)`."""
        draft = f", {self.draft_kv} draft KV, drafts of {self.draft_max}" if self.draft_max >= 0 else ""
        return (
            f"context {self.context} ({self.kv} KV{draft}, batch {self.batch}, {self.checkpoints} checkpoints, "
            f"prompt cache {self.cache_ram_mib} MiB)"
        )


def memory_wishes(
    profile: Profile, shape: ModelShape, family: Family, drafting: Drafting | None = None
) -> dict[str, JsonValue]:
    """What of a profile shapes the choice: another temperature is no reason to choose again.

    Raises InputError if the profile contradicts itself.
    """
    wishes = wishes_of(profile, shape, family, drafting)
    return {
        "least": asdict(wishes.least),
        "wishes": [[wish.name, *map(str, wish.values)] for wish in wishes.order],  # without words that may be reworded
        "reserve_mib": profile.reserve.system_mib,
        "on_device": profile.device.gpu_layers != 0,
    }


def wishes_digest(
    facts: Facts,
    shape: ModelShape,
    profile: Profile,
    family: Family,
    services: Sequence[Sequence[JsonValue]],
    *,
    drafting: Drafting | None = None,
) -> str:
    """Hash of everything declared that the choice depends on, and of nothing that varies from minute to minute.

    services: name, model, variant and memory wishes of each service of the host, in order; they share the memory.
    Memory counts in whole GiB: what Linux keeps for itself differs a little from kernel to kernel.
    Raises InputError if the profile contradicts itself.
    """
    gpu = facts.gpu
    sizes = [facts.memory.total_bytes, *((gpu.gtt_total_bytes, gpu.vram_total_bytes) if gpu else ())]
    declared = {
        **memory_wishes(profile, shape, family, drafting),
        "shape": shape.model_dump(mode="json"),
        "cores": facts.cores,
        "memory_gib": [round(size / GIB) for size in sizes],
        "services": [list(service) for service in services],
    }
    canonical = json.dumps(declared, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
