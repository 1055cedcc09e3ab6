"""The hyper-parameters of a model that its memory depends on, from a GGUF header or from the catalogue."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from strixkit.errors import InputError
from strixkit.planner.gguf import Array, Header, Tensor

Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]

# Every backend aligns tensors in its buffer; 128 is HIP's, the largest.
TENSOR_ALIGNMENT = 128


class Recurrent(BaseModel):
    """The gated-DeltaNet (or Mamba-like) layers: sizes of their convolution and state."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    conv_kernel: Positive
    inner: Positive
    state: Positive
    groups: Positive

    @property
    def conv_channels(self) -> int:
        """Channels of the convolution: inner + 2 * groups * state."""
        return self.inner + 2 * self.groups * self.state


class ModelShape(BaseModel):
    """What the memory formulas need to know of a model. In the catalogue: the mapping under `shape`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: str
    layers: Positive = Field(description="main layers, without the MTP (nextn) block")
    attention_layers: Count = Field(description="those of them that grow a KV cache")
    nextn_layers: Count = 0
    embedding: Positive
    feed_forward: Positive
    vocabulary: Positive
    heads: Positive
    kv_heads: Positive
    key_length: Positive
    value_length: Positive
    context_length: Positive | None = Field(default=None, description="tokens the model was trained for")
    recurrent: Recurrent | None = None
    weights_bytes: Count = Field(description="all tensors on the device: everything but the token embedding")
    nextn_bytes: Count = Field(default=0, description="the part of weights_bytes that is the MTP block")
    token_embedding_bytes: Count = Field(description="stays in host memory")
    from_header: bool = Field(default=False, description="read from a file, not from the catalogue")

    @property
    def recurrent_layers(self) -> int:
        """Main layers with a recurrent state instead of a KV cache."""
        return self.layers - self.attention_layers if self.recurrent else 0

    @property
    def key_width(self) -> int:
        """Elements of one token's K row in one layer."""
        return self.kv_heads * self.key_length

    @property
    def value_width(self) -> int:
        """Elements of one token's V row in one layer."""
        return self.kv_heads * self.value_length


def shape_from_header(header: Header) -> ModelShape:
    """The shape of the model in a GGUF header.

    Raises InputError if the architecture's metadata lacks what the formulas need, or makes no sense.
    """
    architecture = header.metadata.get("general.architecture")
    if not isinstance(architecture, str):
        raise InputError("the GGUF header names no general.architecture: is it a model?")
    try:
        return _shape(_Keys(header, architecture))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = f"the GGUF header of this {architecture[:40]} model makes no sense: {where}: {first['msg']}"
        raise InputError(message) from error


def _shape(keys: _Keys) -> ModelShape:
    nextn = keys.number("nextn_predict_layers", 0)
    layers = keys.number("block_count") - nextn
    heads = keys.number("attention.head_count")
    embedding = keys.number("embedding_length")
    kv_heads = keys.per_layer("attention.head_count_kv", heads)[: max(1, layers)]
    recurrent = keys.recurrent()
    weights, nextn_bytes, token_embedding = _weights(keys.header.tensors, layers)
    return ModelShape(
        architecture=keys.architecture,
        layers=layers,
        attention_layers=_attention_layers(keys, layers, kv_heads, hybrid=recurrent is not None),
        nextn_layers=nextn,
        embedding=embedding,
        feed_forward=keys.number("feed_forward_length"),
        vocabulary=keys.vocabulary(),
        heads=heads,
        kv_heads=max(kv_heads),
        key_length=keys.number("attention.key_length", embedding // max(1, heads)),
        value_length=keys.number("attention.value_length", embedding // max(1, heads)),
        context_length=keys.number("context_length", 0) or None,
        recurrent=recurrent,
        weights_bytes=weights,
        nextn_bytes=nextn_bytes,
        token_embedding_bytes=token_embedding,
        from_header=True,
    )


def _attention_layers(keys: _Keys, layers: int, kv_heads: list[int], *, hybrid: bool) -> int:
    """Main layers with a KV cache: those with KV heads, or by the interval.

    Layer i of a qwen35 is full attention if (i + 1) % full_attention_interval == 0 (llama.cpp: qwen35.cpp).
    """
    if len(kv_heads) > 1:
        return sum(1 for count in kv_heads if count)
    if hybrid:
        return layers // max(1, keys.number("full_attention_interval", 4))
    return layers


class _Keys:
    """Metadata of one architecture, with its prefix."""

    def __init__(self, header: Header, architecture: str) -> None:
        self.header = header
        self.architecture = architecture

    def per_layer(self, key: str, default: int | None = None) -> list[int]:
        """A number, or one for each layer, as a list that is never empty."""
        name = f"{self.architecture}.{key}"
        value = self.header.metadata.get(name, default)
        values = value if isinstance(value, list) else [value]
        numbers = [item for item in values if isinstance(item, int)]
        if not numbers or len(numbers) != len(values):
            raise InputError(f"the GGUF header has no usable {name}: found {value!r}, wanted a number")
        return numbers

    def number(self, key: str, default: int | None = None) -> int:
        return max(self.per_layer(key, default))

    def vocabulary(self) -> int:
        tokens = self.header.metadata.get("tokenizer.ggml.tokens")
        if isinstance(tokens, Array):
            return tokens.length
        return len(tokens) if isinstance(tokens, list) else self.number("vocab_size")

    def recurrent(self) -> Recurrent | None:
        if f"{self.architecture}.ssm.state_size" not in self.header.metadata:
            return None
        return Recurrent(
            conv_kernel=self.number("ssm.conv_kernel"),
            inner=self.number("ssm.inner_size"),
            state=self.number("ssm.state_size"),
            groups=self.number("ssm.group_count", 1),
        )


def _weights(tensors: tuple[Tensor, ...], layers: int) -> tuple[int, int, int]:
    """Bytes of (all device tensors, the MTP block among them, the token embedding).

    The input embedding stays on the host; a model without an output matrix uses a second copy of it on the
    device (llama.cpp, llama-model.cpp: TENSOR_DUPLICATED).
    """
    device = nextn = token_embedding = 0
    has_output = False
    for tensor in tensors:
        size = -(-tensor.nbytes // TENSOR_ALIGNMENT) * TENSOR_ALIGNMENT
        if tensor.name == "token_embd.weight":
            token_embedding = size
            continue
        device += size
        has_output = has_output or tensor.name == "output.weight"
        if _layer_of(tensor.name) >= layers:
            nextn += size
    return device if has_output else device + token_embedding, nextn, token_embedding


def _layer_of(name: str) -> int:
    """N of "blk.N.…", or -1."""
    words = name.split(".")
    return int(words[1]) if words[0] == "blk" and len(words) > 1 and words[1].isdecimal() else -1
