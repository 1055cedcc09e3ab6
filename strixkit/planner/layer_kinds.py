"""Which layer of a model does what, as llama.cpp's loaders derive it (src/models/*.cpp: load_arch_hparams)."""

from __future__ import annotations

from typing import Literal

from strixkit.planner.keys import Keys

# A layer attends to the whole context, attends to a sliding window, or keeps a state of fixed size.
LayerKind = Literal["attention", "window", "recurrent"]

# Nothing in these attends.
RECURRENT_ONLY = frozenset({"mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"})
# Of each group of so many layers, all but one have the window (llama-hparams.cpp: set_swa_pattern).
WINDOW_GROUPS = {
    "afmoe": 4,
    "cohere2": 4,
    "exaone4": 4,
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gpt-oss": 2,
    "llama4": 4,
    "olmo2": 4,
    "plamo3": 8,
    "smallthinker": 4,
}
# In these the first of the group attends to all, in the others the last.
FULL_FIRST = frozenset({"smallthinker"})
DEFAULT_WINDOWS = {"gemma2": 4096, "llama4": 8192}


def window_of(keys: Keys) -> int:
    """Tokens of the sliding window; 0 if the model has none, or llama.cpp does not use it."""
    if keys.architecture not in WINDOW_GROUPS and not keys.has("attention.sliding_window_pattern"):
        return 0
    return keys.number("attention.sliding_window", DEFAULT_WINDOWS.get(keys.architecture, 0))


def layer_kinds(keys: Keys, layers: int, *, recurrent: bool) -> tuple[LayerKind, ...]:
    """The kind of every main layer."""
    full: LayerKind = "attention"
    other: LayerKind = "recurrent" if recurrent else "window"
    if keys.architecture in RECURRENT_ONLY:
        return (other,) * layers
    if recurrent:
        return tuple(full if attends else other for attends in _attends(keys, layers))
    if window_of(keys):
        return tuple(other if short else full for short in _windowed(keys, layers))
    return (full,) * layers


def _attends(keys: Keys, layers: int) -> list[bool]:
    """Of a hybrid: listed, told by the layers with KV heads, or the last of each interval."""
    if keys.has("attention.recurrent_layers"):
        return [not flag for flag in keys.per_layer("attention.recurrent_layers")[:layers]]
    kv_heads = keys.per_layer("attention.head_count_kv", 1)
    if len(kv_heads) > 1:
        return [count > 0 for count in kv_heads[:layers]]
    interval = max(1, keys.number("full_attention_interval", 4))
    return [(number + 1) % interval == 0 for number in range(layers)]


def _windowed(keys: Keys, layers: int) -> list[bool]:
    """Listed for each layer, or all but one of each group."""
    pattern = keys.per_layer("attention.sliding_window_pattern", WINDOW_GROUPS.get(keys.architecture, 1))
    if len(pattern) > 1:
        return [bool(flag) for flag in pattern[:layers]]
    group = pattern[0]
    if group == 0:
        return [True] * layers
    full = 0 if keys.architecture in FULL_FIRST else group - 1
    return [number % group != full for number in range(layers)]
