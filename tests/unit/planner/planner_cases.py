"""What the planner's tests share: a writer of GGUF headers, the 27B's shape, boxes, the coding profile."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import yaml

from strixkit.planner.candidates import FIELDS
from strixkit.planner.facts import Facts, Gpu, Memory, Os
from strixkit.planner.gguf import SCALARS, TYPES
from strixkit.planner.kept import Kept
from strixkit.planner.profile import Profile
from strixkit.planner.shape import ModelShape, Recurrent

ROOT = Path(__file__).parents[3]
TINY = ROOT / "tests/data/gguf/tiny-pred-strix.gguf"
MIB = 1 << 20

TYPE_ID = {kind.name: type_id for type_id, kind in TYPES.items()}
ELEMENT_ID = {name: kind for kind, (name, _) in SCALARS.items()}


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def entry(key: str, value: Any) -> bytes:
    """A metadata entry: bool, int (u32), float (f32), str, or a list of one of them."""
    if isinstance(value, list):
        kind, _ = encoded(value[0])
        payload = b"".join(encoded(item)[1] for item in value)
        return text(key) + struct.pack("<IIQ", 9, kind, len(value)) + payload
    kind, payload = encoded(value)
    return text(key) + struct.pack("<I", kind) + payload


def encoded(value: Any) -> tuple[int, bytes]:
    if isinstance(value, str):
        return 8, text(value)
    name = "bool" if isinstance(value, bool) else "u32" if isinstance(value, int) else "f32"
    return ELEMENT_ID[name], struct.pack(SCALARS[ELEMENT_ID[name]][1], value)


def info(name: str, shape: tuple[int, ...], type_id: int, offset: int) -> bytes:
    extents = struct.pack(f"<{len(shape)}Q", *shape)
    return text(name) + struct.pack("<I", len(shape)) + extents + struct.pack("<IQ", type_id, offset)


def head(tensors: int, keys: int, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys)


def header_bytes(metadata: dict[str, Any], tensors: list[tuple[str, tuple[int, ...], str]]) -> tuple[bytes, int]:
    """A well-formed header, and the size of the whole file it announces."""
    infos, offset = b"", 0
    for name, shape, kind in tensors:
        infos += info(name, shape, TYPE_ID[kind], offset)
        size = 1
        for extent in shape:
            size *= extent
        offset += -(-size // TYPES[TYPE_ID[kind]].block * TYPES[TYPE_ID[kind]].size // 32) * 32
    data = head(len(tensors), len(metadata)) + b"".join(entry(k, v) for k, v in metadata.items()) + infos
    start = -(-len(data) // 32) * 32
    return data.ljust(start, b"\0"), start + offset


def strix_27b(output: str = "q4_0_rocmfp4_fast") -> tuple[bytes, int]:
    """The header of Qwen3.6-27B-MTP with the fork's STRIX recipe and f16 embeddings, without its vocabulary."""
    fast, dual = "q4_0_rocmfp4_fast", "q4_0_rocmfp4"
    metadata: dict[str, Any] = {
        "general.architecture": "qwen35",
        "qwen35.context_length": 262144,
        "qwen35.embedding_length": 5120,
        "qwen35.block_count": 65,
        "qwen35.feed_forward_length": 17408,
        "qwen35.attention.head_count": 24,
        "qwen35.attention.head_count_kv": 4,
        "qwen35.attention.key_length": 256,
        "qwen35.attention.value_length": 256,
        "qwen35.ssm.conv_kernel": 4,
        "qwen35.ssm.inner_size": 6144,
        "qwen35.ssm.state_size": 128,
        "qwen35.ssm.time_step_rank": 48,
        "qwen35.ssm.group_count": 16,
        "qwen35.nextn_predict_layers": 1,
        "qwen35.full_attention_interval": 4,
        "qwen35.vocab_size": 248320,
    }
    tensors: list[tuple[str, tuple[int, ...], str]] = [
        ("output.weight", (5120, 248320), output),
        ("output_norm.weight", (5120,), "f32"),
        ("token_embd.weight", (5120, 248320), "f16"),
    ]
    feed_forward: list[tuple[str, tuple[int, ...], str]] = [
        ("attn_norm", (5120,), "f32"),
        ("post_attention_norm", (5120,), "f32"),
        ("ffn_gate", (5120, 17408), fast),
        ("ffn_up", (5120, 17408), fast),
        ("ffn_down", (17408, 5120), fast),
    ]
    attention: list[tuple[str, tuple[int, ...], str]] = [
        ("attn_q", (5120, 2 * 24 * 256), fast),
        ("attn_k", (5120, 1024), dual),
        ("attn_v", (5120, 1024), dual),
        ("attn_output", (6144, 5120), fast),
        ("attn_q_norm", (256,), "f32"),
        ("attn_k_norm", (256,), "f32"),
    ]
    mixer: list[tuple[str, tuple[int, ...], str]] = [
        ("attn_qkv", (5120, 10240), dual),
        ("attn_gate", (5120, 6144), fast),
        ("ssm_out", (6144, 5120), fast),
        ("ssm_alpha", (5120, 48), fast),
        ("ssm_beta", (5120, 48), fast),
        ("ssm_conv1d", (4, 10240), "f32"),
        ("ssm_a", (48,), "f32"),
        ("ssm_dt", (48,), "f32"),
        ("ssm_norm", (128,), "f32"),
    ]
    nextn: list[tuple[str, tuple[int, ...], str]] = [
        ("nextn.eh_proj", (10240, 5120), fast),
        ("nextn.enorm", (5120,), "f32"),
        ("nextn.hnorm", (5120,), "f32"),
        ("nextn.shared_head_norm", (5120,), "f32"),
    ]
    for layer in range(65):
        own = attention if layer == 64 or (layer + 1) % 4 == 0 else mixer
        for name, shape, kind in [*feed_forward, *own, *(nextn if layer == 64 else [])]:
            tensors.append((f"blk.{layer}.{name}.weight", shape, kind))
    return header_bytes(metadata, tensors)


# Weights as in the measurements that the tables of test_memory_formulas.py come from: 15,736 MiB, of which
# 682 MiB are an embedding of 4.5 bits per weight.
SHAPE_27B = ModelShape(
    architecture="qwen35",
    layers=64,
    attention_layers=16,
    nextn_layers=1,
    embedding=5120,
    feed_forward=17408,
    vocabulary=248320,
    heads=24,
    kv_heads=4,
    key_length=256,
    value_length=256,
    context_length=262144,
    recurrent=Recurrent(conv_kernel=4, inner=6144, state=128, groups=16),
    weights_bytes=(15736 - 682) * MIB,
    nextn_bytes=228 * MIB,
    token_embedding_bytes=682 * MIB,
)

CODING = Profile.model_validate(yaml.safe_load((ROOT / "profiles/coding.yaml").read_text()))


def changed(profile: Profile, **sections: dict[str, Any]) -> Profile:
    """The profile with some keys of some sections replaced, validated again."""
    data = profile.model_dump()
    for section, values in sections.items():
        data[section].update(values)
    return Profile.model_validate(data)


def pinned(profile: Profile, choice: Kept, *names: str) -> Profile:
    """The profile with a choice's values as its only wishes; of these names alone, or of all."""
    sections: dict[str, dict[str, Any]] = {}
    for name, field in FIELDS.items():
        value = getattr(choice, field)
        if (names and name not in names) or value == -1:
            continue
        section, _, key = {"kv": "kv.types", "context": "context.want"}.get(name, name).partition(".")
        sections.setdefault(section, {})[key] = value
        if name == "context":
            sections[section]["least"] = value
    return changed(profile, **sections)


def box(
    total_mib: float, gtt_mib: float | None, *, used_mib: float = 60, vram_mib: float = 512, cores: int = 16
) -> Facts:
    """A host with 1,600 MiB in use; without a GPU if `gtt_mib` is None."""
    gpu = None
    if gtt_mib is not None:
        gpu = Gpu(
            vram_total_bytes=int(vram_mib * MIB),
            gtt_total_bytes=int(gtt_mib * MIB),
            gtt_used_bytes=int(used_mib * MIB),
        )
    memory = Memory(total_bytes=int(total_mib * MIB), available_bytes=int(max(0, total_mib - 1600) * MIB))
    return Facts(hostname="strix01", os=Os(id="debian"), cores=cores, memory=memory, gpu=gpu)


# MemTotal 131161644 kB and 62 GiB: what Linux sees of 128 and 64 GB with a carve-out of 512 MiB.
BOX_128_RAISED = box(128087, 108 * 1024)
BOX_128_MORE = box(128087, 120 * 1024)
BOX_64_RAISED = box(63200, 56 * 1024)
BOX_64_DEFAULT = box(63200, 31600)
