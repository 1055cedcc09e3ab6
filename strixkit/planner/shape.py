"""The hyper-parameters of a model that its memory depends on, from a GGUF header or from the catalogue."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from strixkit.errors import InputError
from strixkit.planner.gguf import Header
from strixkit.planner.keys import Keys
from strixkit.planner.layer_kinds import RECURRENT_ONLY, LayerKind, layer_kinds, window_of
from strixkit.planner.weights import weights_of

Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]

# llama.cpp has no room for more (llama-hparams.h: LLAMA_MAX_LAYERS, LLAMA_MAX_EXPERTS).
MAX_LAYERS = 512
MAX_EXPERTS = 1024
# Architectures whose graphs are measured (benchmarks/memory). Any other is planned by the nearest of these.
KNOWN = frozenset({"gemma2", "gemma3", "llama", "mamba2", "qwen3", "qwen35", "qwen35moe", "qwen3moe"})


class Recurrent(BaseModel):
    """The layers with a recurrent state: sizes of their convolution and of the state.

    Gated DeltaNet (qwen35), Mamba and Mamba 2; in RWKV the token shift is what the convolution is here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    conv_kernel: Positive
    inner: Positive
    state: Positive
    groups: Count
    heads: Count = Field(default=0, description="heads of the values (time_step_rank); 0: as many as the state fits")

    @property
    def conv_channels(self) -> int:
        """Channels of the convolution: inner + 2 * groups * state."""
        return self.inner + 2 * self.groups * self.state

    @property
    def value_heads(self) -> int:
        """Heads of the values."""
        return self.heads or max(1, self.inner // self.state)

    @property
    def conv_elements(self) -> int:
        """Elements of one sequence's R state in one layer (llama-hparams.cpp: n_embd_r)."""
        return (self.conv_kernel - 1) * self.conv_channels

    @property
    def state_elements(self) -> int:
        """Elements of one sequence's S state in one layer (llama-hparams.cpp: n_embd_s)."""
        return self.state * self.inner


class CacheLayer(BaseModel):
    """One layer with a KV cache: elements of one token's K and V row, and whether it has a sliding window."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key_width: Count
    value_width: Count
    window: bool = False


class ModelShape(BaseModel):
    """What the memory formulas need to know of a model. In the catalogue: the mapping under `shape`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: str
    layers: Positive = Field(le=MAX_LAYERS, description="main layers, without the MTP (nextn) block")
    attention_layers: Count = Field(description="those of them that have a KV cache")
    nextn_layers: Count = 0
    embedding: Positive
    feed_forward: Count
    vocabulary: Positive
    heads: Positive
    kv_heads: Positive
    key_length: Positive
    value_length: Positive
    context_length: Positive | None = Field(default=None, description="tokens the model was trained for")
    window: Count = Field(default=0, description="tokens of the sliding window")
    experts: Count = Field(default=0, description="of each layer with experts")
    experts_used: Count = Field(default=0, le=MAX_EXPERTS, description="for each token")
    expert_feed_forward: Count = 0
    shared_feed_forward: Count = Field(default=0, description="of the expert that all tokens use")
    recurrent: Recurrent | None = None
    kinds: tuple[LayerKind, ...] = Field(default=(), description="of all main layers; empty: evenly spread")
    caches: tuple[CacheLayer, ...] = Field(default=(), description="in layer order; empty: all alike")
    weights_bytes: Count = Field(description="all tensors on the device: everything but the token embedding")
    nextn_bytes: Count = Field(default=0, description="the part of weights_bytes that is the MTP block")
    hip_padding_bytes: Count = Field(default=0, description="what HIP needs more, for its padding of rows")
    token_embedding_bytes: Count = Field(description="stays in host memory")
    tied: bool = Field(default=False, description="weights_bytes has a copy of it, as the output matrix")
    from_header: bool = Field(default=False, description="read from a file, not from the catalogue")

    def __hash__(self) -> int:
        # Shapes are keys of caches, and the standard hash of all fields costs more than what is looked up.
        return hash((self.architecture, self.layers, self.embedding, self.weights_bytes))

    @property
    def known(self) -> bool:
        """Whether the graphs of this architecture are measured; otherwise sizes of computing are an estimate."""
        return self.architecture in KNOWN

    @property
    def coordinates(self) -> int:
        """Numbers of a token's position: four in models that also see (llama-hparams.cpp: n_pos_per_embd)."""
        return 4 if self.architecture.startswith("qwen35") else 1

    @property
    def recurrent_layers(self) -> int:
        """Main layers with a recurrent state instead of a KV cache."""
        return self.layers - self.attention_layers if self.recurrent else 0

    @property
    def key_width(self) -> int:
        """Elements of one token's K row in one layer, at most."""
        return self.kv_heads * self.key_length

    @property
    def value_width(self) -> int:
        """Elements of one token's V row in one layer, at most."""
        return self.kv_heads * self.value_length

    @property
    def cache_layers(self) -> tuple[CacheLayer, ...]:
        """The main layers that have a KV cache."""
        return self.caches or (self.widest_cache,) * self.attention_layers

    @property
    def widest_cache(self) -> CacheLayer:
        """A layer with a KV cache, where all are alike; that of the MTP block."""
        return CacheLayer(key_width=self.key_width, value_width=self.value_width)

    @property
    def layer_kinds(self) -> tuple[LayerKind, ...]:
        """The kind of every main layer; without a list, every n-th attends (qwen35.cpp: the last of each group)."""
        if self.kinds:
            return self.kinds
        interval = max(1, self.layers // max(1, self.attention_layers))
        other: LayerKind = "recurrent" if self.recurrent else "attention"
        attends = [self.attention_layers > 0 and (number + 1) % interval == 0 for number in range(self.layers)]
        return tuple("attention" if yes else other for yes in attends)


def shape_from_header(header: Header) -> ModelShape:
    """The shape of the model in a GGUF header.

    Raises InputError if the architecture's metadata lacks what the formulas need, or makes no sense.
    """
    architecture = header.metadata.get("general.architecture")
    if not isinstance(architecture, str):
        raise InputError("the GGUF header names no general.architecture: is it a model?")
    try:
        return _shape(Keys(header, architecture))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = f"the GGUF header of this {architecture[:40]} model makes no sense: {where}: {first['msg']}"
        raise InputError(message) from error


def _shape(keys: Keys) -> ModelShape:
    nextn = keys.number("nextn_predict_layers", 0)
    layers = keys.number("block_count") - nextn
    attends = keys.architecture not in RECURRENT_ONLY
    heads = keys.number("attention.head_count", None if attends else 0)
    embedding = keys.number("embedding_length")
    feed_forward = keys.number("feed_forward_length", None if attends else 0)
    key_length = keys.number("attention.key_length", embedding // max(1, heads))
    value_length = keys.number("attention.value_length", embedding // max(1, heads))
    kv_heads = keys.per_layer("attention.head_count_kv", heads)[: max(1, layers)]
    recurrent = _recurrent(keys, embedding)
    kinds = layer_kinds(keys, max(0, min(layers, MAX_LAYERS)), recurrent=recurrent is not None)
    caches = _caches(keys, kinds, kv_heads, key_length, value_length)
    weights = weights_of(keys.header.tensors, layers)
    experts = keys.number("expert_count", 0)
    return ModelShape(
        architecture=keys.architecture,
        layers=layers,
        attention_layers=len(caches),
        nextn_layers=nextn,
        embedding=embedding,
        feed_forward=feed_forward,
        vocabulary=keys.vocabulary(),
        heads=heads if attends else max(1, heads),
        kv_heads=max(kv_heads) if attends else max(1, *kv_heads),
        key_length=key_length,
        value_length=value_length,
        context_length=keys.number("context_length", 0) or None,
        window=window_of(keys),
        experts=experts,
        experts_used=keys.number("expert_used_count", 0),
        expert_feed_forward=keys.number("expert_feed_forward_length", feed_forward) if experts else 0,
        shared_feed_forward=keys.number("expert_shared_feed_forward_length", 0),
        recurrent=recurrent,
        kinds=kinds,
        caches=caches,
        weights_bytes=weights.device,
        nextn_bytes=weights.nextn,
        hip_padding_bytes=weights.hip_padding,
        token_embedding_bytes=weights.token_embedding,
        tied=weights.tied,
        from_header=True,
    )


def _caches(
    keys: Keys, kinds: tuple[LayerKind, ...], kv_heads: list[int], key_length: int, value_length: int
) -> tuple[CacheLayer, ...]:
    """Layers with a KV cache: those that attend and have KV heads (llama-hparams.cpp: n_embd_k_gqa, n_embd_v_gqa)."""
    window_key = keys.number("attention.key_length_swa", key_length)
    window_value = keys.number("attention.value_length_swa", value_length)
    found = []
    for number, kind in enumerate(kinds):
        count = kv_heads[number] if number < len(kv_heads) else kv_heads[0]
        if kind == "recurrent" or not count:
            continue
        key, value = (window_key, window_value) if kind == "window" else (key_length, value_length)
        found.append(CacheLayer(key_width=count * key, value_width=count * value, window=kind == "window"))
    return tuple(found)


def _recurrent(keys: Keys, embedding: int) -> Recurrent | None:
    if keys.has("wkv.head_size"):
        shift = keys.number("token_shift_count", 2)
        state = keys.number("wkv.head_size")
        return Recurrent(conv_kernel=shift + 1, inner=embedding, state=state, groups=0)
    if not keys.has("ssm.state_size"):
        return None
    return Recurrent(
        conv_kernel=keys.number("ssm.conv_kernel"),
        inner=keys.number("ssm.inner_size"),
        state=keys.number("ssm.state_size"),
        groups=keys.number("ssm.group_count", 0),
        heads=keys.number("ssm.time_step_rank", 0),
    )
