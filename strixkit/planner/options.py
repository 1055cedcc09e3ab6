"""The whole option mapping of a service: what the profile pins and what the plan has chosen."""

from __future__ import annotations

from pydantic import JsonValue

from strixkit.planner.draft import P_MIN
from strixkit.planner.profile import Profile
from strixkit.planner.run import Run

Options = dict[str, JsonValue]


def options_from(profile: Profile, run: Run, cores: int) -> Options:
    """Canonical option -> value, in the order of the command line.

    Without `model.path` and `server.api_key_file`, which are places on the box and no matter of the plan.
    """
    return {
        "server.alias": profile.server.alias,
        "server.host": profile.server.host,
        "server.port": profile.server.port,
        "device.name": profile.device.name,
        "device.gpu_layers": profile.device.gpu_layers,
        "device.flash_attention": profile.device.flash_attention,
        "context.size": run.context,
        "batch.size": run.batch,
        "batch.micro": run.micro,
        "threads.generate": min(profile.threads.generate, cores),
        "threads.batch": min(profile.threads.batch, cores),
        "kv.k": run.kv.k,
        "kv.v": run.kv.v,
        "cache.checkpoint_every": profile.cache.checkpoint_every,
        "cache.checkpoints": run.checkpoints,
        "cache.reuse": profile.cache.reuse,
        # Always said, so that no build's own default counts.
        "cache.ram_mib": run.cache_ram_mib,
        **_sampling(profile),
        **_draft(profile, run),
        "reasoning.enabled": profile.reasoning.enabled,
        "reasoning.format": profile.reasoning.format,
        **({"template.arguments": dict(profile.template.arguments)} if profile.template.arguments else {}),
        "template.jinja": profile.template.jinja,
        "server.parallel": run.parallel,
        "server.metrics": profile.server.metrics,
        "load.mmap": profile.server.mmap,
    }


def _sampling(profile: Profile) -> Options:
    return {
        "sampling.temperature": profile.sampling.temperature,
        "sampling.top_p": profile.sampling.top_p,
        "sampling.top_k": profile.sampling.top_k,
        "sampling.min_p": profile.sampling.min_p,
        "sampling.presence_penalty": profile.sampling.presence_penalty,
        "sampling.repeat_penalty": profile.sampling.repeat_penalty,
    }


def _draft(profile: Profile, run: Run) -> Options:
    if not run.drafts:
        return {"draft.type": "none"}
    return {
        "draft.type": profile.draft.type,
        "draft.device": profile.device.name,
        "draft.gpu_layers": profile.draft.gpu_layers,
        "draft.k": run.draft_kv.k,
        "draft.v": run.draft_kv.v,
        "draft.max": run.draft_max,
        "draft.min": profile.draft.min,
        "draft.p_min": P_MIN if profile.draft.p_min == "auto" else profile.draft.p_min,
        "draft.p_split": profile.draft.p_split,
    }
