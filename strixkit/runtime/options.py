"""Canonical options and how builds of llama.cpp spell them, in the order of the model card's command line.

Spellings differ between the fork and upstream; the first one that the binary knows is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["value", "on_off", "json", "present", "load_mode"]


@dataclass(frozen=True)
class Option:
    """kind: how the value is written. present: the flag alone, or its `--no-` form; load_mode: see argv.py."""

    name: str
    spellings: tuple[str, ...]
    kind: Kind = "value"


CANONICAL = (
    Option("model.path", ("-m",)),
    Option("server.alias", ("--alias",)),
    Option("server.host", ("--host",)),
    Option("server.port", ("--port",)),
    Option("device.name", ("-dev",)),
    Option("device.gpu_layers", ("-ngl",)),
    Option("device.flash_attention", ("-fa",), "on_off"),
    Option("context.size", ("-c",)),
    Option("batch.size", ("-b",)),
    Option("batch.micro", ("-ub",)),
    Option("threads.generate", ("-t",)),
    Option("threads.batch", ("-tb",)),
    Option("kv.k", ("-ctk",)),
    Option("kv.v", ("-ctv",)),
    # The fork makes a checkpoint every N tokens; upstream's successor keeps checkpoints at least N tokens apart.
    Option("cache.checkpoint_every", ("-cpent", "-cms")),
    Option("cache.checkpoints", ("-ctxcp",)),
    Option("cache.reuse", ("--cache-reuse",)),
    Option("cache.ram_mib", ("--cache-ram",)),
    Option("sampling.temperature", ("--temp",)),
    Option("sampling.top_p", ("--top-p",)),
    Option("sampling.top_k", ("--top-k",)),
    Option("sampling.min_p", ("--min-p",)),
    Option("sampling.presence_penalty", ("--presence-penalty",)),
    Option("sampling.repeat_penalty", ("--repeat-penalty",)),
    Option("draft.type", ("--spec-type",)),
    Option("draft.device", ("--spec-draft-device",)),
    Option("draft.gpu_layers", ("--spec-draft-ngl",)),
    Option("draft.k", ("--spec-draft-type-k",)),
    Option("draft.v", ("--spec-draft-type-v",)),
    Option("draft.max", ("--spec-draft-n-max",)),
    Option("draft.min", ("--spec-draft-n-min",)),
    Option("draft.p_min", ("--spec-draft-p-min",)),
    Option("draft.p_split", ("--spec-draft-p-split",)),
    Option("reasoning.enabled", ("--reasoning",), "on_off"),
    Option("reasoning.format", ("--reasoning-format",)),
    Option("template.arguments", ("--chat-template-kwargs",), "json"),
    Option("template.jinja", ("--jinja",), "present"),
    Option("server.parallel", ("--parallel",)),
    Option("server.metrics", ("--metrics",), "present"),
    Option("load.fit", ("-fit",), "on_off"),
    Option("load.mmap", ("--no-mmap", "--load-mode"), "load_mode"),
    Option("server.api_key_file", ("--api-key-file",)),
    Option("log.verbosity", ("-lv",)),
)
BY_NAME = {option.name: option for option in CANONICAL}
