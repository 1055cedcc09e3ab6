"""The schema of a profile: a run configuration as wishes. Data lives in `profiles/*.yaml`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from strixkit.planner.run import KV_TYPES, CacheTypes


def _cache_types(words: str) -> str:
    try:
        return str(CacheTypes.of(words))
    except ValueError as error:
        names = [repr(name) for name in KV_TYPES]
        expected = f"{', '.join(names[:-1])} or {names[-1]}"
        raise PydanticCustomError("literal_error", "wanted {expected}", {"expected": expected}) from error


# A type of a KV cache, e.g. q8_0, or of K/V where they differ, e.g. q8_0/f16.
KvTypes = Annotated[str, AfterValidator(_cache_types)]


def _ladder(value: object) -> object:
    if isinstance(value, list | tuple):
        if not value:
            raise PydanticCustomError("too_short", "wanted at least {min_length}", {"min_length": 1})
        return tuple(value)
    return value if value == "auto" else (value,)


Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]

# In a profile, one value is pinned; a list is a ladder, the most wished for first, the last the least that will do.
Ladder = BeforeValidator(_ladder)
Sizes = Annotated[tuple[Positive, ...], Ladder]
Counts = Annotated[tuple[Count, ...], Ladder]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]


WishName = Literal[
    "kv",
    "context",
    "server.parallel",
    "draft.max",
    "draft.kv",
    "batch.micro",
    "batch.size",
    "cache.checkpoints",
    "cache.ram_mib",
]


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Context(Section):
    """Context length in tokens: the wish, and the least that is still useful."""

    want: Positive
    least: Positive


class Kv(Section):
    """Types of the main KV cache: a ladder."""

    types: Annotated[tuple[KvTypes, ...], Ladder]


class Batch(Section):
    """Logical and physical batch in tokens: ladders."""

    size: Sizes
    micro: Sizes

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if max(self.micro) > min(self.size):
            raise ValueError(f"found micro {max(self.micro)}, wanted at most size: {min(self.size)}")
        return self


class Threads(Section):
    """CPU threads wished for; never more than the host has cores."""

    generate: Positive
    batch: Positive


class Device(Section):
    """Where the model runs."""

    name: str
    gpu_layers: Count | Literal["all", "auto"]
    flash_attention: bool


class Draft(Section):
    """Speculative decoding with the model's own MTP head.

    kv, max: ladders. auto: by what is known of drafting (`planner/draft.py`). No drafts are `type: none`: with a max
    of 0 the server ends at its first completion.
    """

    type: Literal["draft-mtp", "none"]
    kv: Annotated[tuple[KvTypes, ...], Ladder]
    gpu_layers: Count | Literal["all", "auto"]
    max: Annotated[tuple[Positive, ...] | Literal["auto"], Ladder]
    min: Count
    p_min: Probability | Literal["auto"]
    p_split: Probability


class Cache(Section):
    """Reuse of the prompt across turns: spacing (tokens) and number of context checkpoints, and the prompt cache.

    checkpoints, ram_mib: ladders. A prompt cache nobody mentions is as large as the server's default, or less.
    """

    checkpoint_every: Positive
    checkpoints: Counts
    reuse: Count
    ram_mib: Counts = (8192, 4096, 2048, 1024, 0)


class Sampling(Section):
    """Defaults of the sampler; a request may override each."""

    temperature: Annotated[float, Field(ge=0.0)]
    top_p: Probability
    top_k: Count
    min_p: Probability
    presence_penalty: float
    repeat_penalty: float


class Reasoning(Section):
    """How the model's thinking reaches the client."""

    enabled: bool
    format: Literal["deepseek", "deepseek-legacy", "none", "auto"]


class Template(Section):
    """The chat template and its arguments."""

    jinja: bool
    arguments: dict[str, JsonValue] = Field(default_factory=dict)


class Server(Section):
    """The HTTP side."""

    alias: str
    host: str
    port: Annotated[int, Field(gt=0, lt=65536)]
    parallel: Sizes
    metrics: bool
    mmap: bool


class Reserve(Section):
    """Memory that is left alone, in MiB."""

    system_mib: Count = 4096


class Profile(Section):
    """One file of `profiles/`."""

    description: str
    variant: str | None = Field(
        default=None, description="variant of the model that is wished for; the service's own in the inventory wins"
    )
    prefer: tuple[WishName, ...] = Field(
        default=(), description="the most important wishes, in order; the others follow in their usual order"
    )
    context: Context
    kv: Kv
    batch: Batch
    threads: Threads
    device: Device
    draft: Draft
    cache: Cache
    sampling: Sampling
    reasoning: Reasoning
    template: Template
    server: Server
    reserve: Reserve = Reserve()
    optional: tuple[str, ...] = Field(
        default=(), description="canonical options that a runtime may lack; all others are required"
    )
