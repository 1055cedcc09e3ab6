"""The tiny model's file: same bytes, right metadata and tensors, a chat template that holds."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import gguf
import jinja2.sandbox
import numpy as np
import pytest

from strixkit.errors import InputError
from strixkit.sandbox.tinymodel import EXPECTED_CONTENT, EXPECTED_REASONING, vocabulary, write_tiny_model
from strixkit.sandbox.tinymodel.__main__ import main
from strixkit.sandbox.tinymodel.weights import Source, embedding, output
from strixkit.sandbox.tinymodel.writer import chat_template


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> gguf.GGUFReader:
    return gguf.GGUFReader(write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.gguf"))


@pytest.fixture(scope="module")
def metadata(reader: gguf.GGUFReader) -> dict[str, Any]:
    return {name: field.contents() for name, field in reader.fields.items()}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    one = write_tiny_model(tmp_path / "one.gguf", seed=3)
    two = write_tiny_model(tmp_path / "two.gguf", seed=3)
    other = write_tiny_model(tmp_path / "other.gguf", seed=4)
    assert digest(one) == digest(two) != digest(other)


def test_nothing_else_is_left_in_the_folder(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "tiny.gguf")
    assert list(tmp_path.iterdir()) == [path]


def test_replaces_an_older_file_only_when_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"older")

    def disk_full(self: gguf.GGUFWriter, **_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(gguf.GGUFWriter, "write_tensors_to_file", disk_full)
        with pytest.raises(OSError, match="No space left"):
            write_tiny_model(path)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]
    assert write_tiny_model(path).stat().st_size > 12_000_000


def test_a_missing_folder_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such directory"):
        write_tiny_model(tmp_path / "missing" / "tiny.gguf")


def test_a_missing_gguf_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "strixkit.sandbox.tinymodel.writer")
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(InputError, match="gguf is not installed") as caught:
        write_tiny_model(tmp_path / "tiny.gguf")
    assert caught.value.hint == "pip install 'strixkit[demo]'"


def test_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "noisy.gguf"
    monkeypatch.setattr(sys, "argv", ["tinymodel", str(path), "--draft-noise", "2"])
    assert main() == 0
    assert capsys.readouterr().out == f"{path}: {path.stat().st_size} bytes\n"
    monkeypatch.setattr(sys, "argv", ["tinymodel", str(tmp_path / "missing" / "x.gguf")])
    assert main() == 2
    assert "no such directory" in capsys.readouterr().err


def test_metadata_is_that_of_a_hybrid_model_with_an_mtp_head(metadata: dict[str, Any]) -> None:
    expected = {
        "general.architecture": "qwen35",
        "general.name": "tiny",
        "general.file_type": 1,
        "qwen35.context_length": 262144,
        "qwen35.embedding_length": 256,
        "qwen35.block_count": 9,
        "qwen35.feed_forward_length": 512,
        "qwen35.attention.head_count": 4,
        "qwen35.attention.head_count_kv": 2,
        "qwen35.attention.key_length": 64,
        "qwen35.attention.value_length": 64,
        "qwen35.rope.dimension_count": 32,
        "qwen35.rope.dimension_sections": [6, 5, 5, 0],
        "qwen35.ssm.conv_kernel": 4,
        "qwen35.ssm.inner_size": 256,
        "qwen35.ssm.state_size": 64,
        "qwen35.ssm.time_step_rank": 4,
        "qwen35.ssm.group_count": 2,
        "qwen35.nextn_predict_layers": 1,
        "qwen35.full_attention_interval": 4,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen35",
        "tokenizer.ggml.merges": ["h e", "l l"],
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": chat_template(),
    }
    assert {name: metadata.get(name) for name in expected} == expected
    texts = metadata["tokenizer.ggml.tokens"]
    assert texts[metadata["tokenizer.ggml.eos_token_id"]] == "<|im_end|>"
    assert texts[metadata["tokenizer.ggml.bos_token_id"]] == "<|endoftext|>"
    assert len(texts) == len(metadata["tokenizer.ggml.token_type"]) == len(set(texts)) == 264


def test_arguments_reach_the_header(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "tiny.gguf", context_length=4096, name="other")
    fields = gguf.GGUFReader(path).fields
    assert fields["qwen35.context_length"].contents() == 4096
    assert fields["general.name"].contents() == "other"


BLOCK = {
    "attn_norm.weight": [256],
    "post_attention_norm.weight": [256],
    "ffn_gate.weight": [256, 512],
    "ffn_up.weight": [256, 512],
    "ffn_down.weight": [512, 256],
}
ATTENTION = BLOCK | {
    "attn_q.weight": [256, 512],
    "attn_k.weight": [256, 128],
    "attn_v.weight": [256, 128],
    "attn_output.weight": [256, 256],
    "attn_q_norm.weight": [64],
    "attn_k_norm.weight": [64],
}
LINEAR_ATTENTION = BLOCK | {
    "attn_qkv.weight": [256, 512],
    "attn_gate.weight": [256, 256],
    "ssm_alpha.weight": [256, 4],
    "ssm_beta.weight": [256, 4],
    "ssm_out.weight": [256, 256],
    "ssm_conv1d.weight": [4, 512],
    "ssm_a": [4],
    "ssm_dt.bias": [4],
    "ssm_norm.weight": [64],
}
DRAFT_HEAD = ATTENTION | {
    "nextn.eh_proj.weight": [512, 256],
    "nextn.enorm.weight": [256],
    "nextn.hnorm.weight": [256],
    "nextn.shared_head_norm.weight": [256],
}


def test_tensors_are_those_of_six_linear_two_full_and_one_mtp_block(reader: gguf.GGUFReader) -> None:
    blocks = [LINEAR_ATTENTION] * 3 + [ATTENTION] + [LINEAR_ATTENTION] * 3 + [ATTENTION, DRAFT_HEAD]
    expected = {"token_embd.weight": [256, 264], "output.weight": [256, 264], "output_norm.weight": [256]}
    for index, block in enumerate(blocks):
        expected |= {f"blk.{index}.{name}": shape for name, shape in block.items()}
    assert {tensor.name: tensor.shape.tolist() for tensor in reader.tensors} == expected
    assert len(expected) == 124


def test_matrices_are_f16_and_the_rest_f32(reader: gguf.GGUFReader) -> None:
    for tensor in reader.tensors:
        vector = len(tensor.shape) == 1 or "conv1d" in tensor.name
        kind = gguf.GGMLQuantizationType.F32 if vector else gguf.GGMLQuantizationType.F16
        assert tensor.tensor_type == kind, tensor.name
        assert np.isfinite(tensor.data).all(), tensor.name


def test_noise_changes_only_the_draft_head(reader: gguf.GGUFReader, tmp_path: Path) -> None:
    noisy = gguf.GGUFReader(write_tiny_model(tmp_path / "noisy.gguf", draft_noise=2.0))
    changed = [
        one.name
        for one, two in zip(reader.tensors, noisy.tensors, strict=True)
        if not np.array_equal(one.data, two.data)
    ]
    assert changed == ["blk.8.nextn.eh_proj.weight"]


@pytest.mark.parametrize("seed", range(1, 11))  # random rows: a rare seed may come closer
def test_every_token_has_one_clear_successor(seed: int) -> None:
    rows = embedding(Source(seed))
    scores = rows @ output(rows).T
    best = scores.argmax(axis=1)
    assert best.tolist() == vocabulary.successors()
    runner_up = np.partition(scores, -2, axis=1)[:, -2]
    assert (scores.max(axis=1) - runner_up).min() > 50  # e^-50: never sampled at temperature 1.0


def test_the_recitation_is_the_thinking_then_the_answer_then_the_end() -> None:
    texts = vocabulary.tokens()
    following = vocabulary.successors()
    token, said = vocabulary.token_id("\n"), []
    while texts[token] != vocabulary.TURN_END:
        token = following[token]
        said.append(texts[token])
    assert "".join(said) == f"{EXPECTED_REASONING}</think>\n\n{EXPECTED_CONTENT}<|im_end|>"


def test_byte_tokens_are_those_of_gpt2() -> None:
    characters = vocabulary.byte_characters()
    assert (characters[ord(" ")], characters[ord("\n")], characters[ord("a")]) == ("Ġ", "Ċ", "a")
    assert len(set(characters)) == 256


def render(messages: list[dict[str, object]], **arguments: object) -> str:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(chat_template()).render(messages=messages, **arguments)


ASKED: list[dict[str, object]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "First?"},
]
ANSWERED: list[dict[str, object]] = [
    *ASKED,
    {"role": "assistant", "content": EXPECTED_CONTENT, "reasoning_content": EXPECTED_REASONING},
    {"role": "user", "content": "Second?"},
]


def test_prompt_of_a_first_turn() -> None:
    assert render(ASKED, add_generation_prompt=True) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nFirst?<|im_end|>\n<|im_start|>assistant\n<think>\n"
    )


def test_preserved_thinking_continues_exactly_what_was_generated() -> None:
    generated = f"{EXPECTED_REASONING}{vocabulary.THINK_CLOSE}{EXPECTED_CONTENT}{vocabulary.TURN_END}"
    first = render(ASKED, add_generation_prompt=True, preserve_thinking=True) + generated
    assert render(ANSWERED, add_generation_prompt=True, preserve_thinking=True).startswith(first)


@pytest.mark.parametrize("arguments", [{}, {"preserve_thinking": False}])
def test_past_thinking_is_dropped_without_preserve_thinking(arguments: dict[str, object]) -> None:
    text = render(ANSWERED, add_generation_prompt=True, **arguments)
    assert EXPECTED_REASONING not in text
    assert f"<|im_start|>assistant\n{EXPECTED_CONTENT}<|im_end|>\n" in text


def test_thinking_can_be_switched_off_and_its_turn_continued() -> None:
    first = render(ASKED, add_generation_prompt=True, enable_thinking=False, preserve_thinking=True)
    assert first.endswith("<|im_start|>assistant\n<think>\n</think>\n\n")
    answer: dict[str, object] = {"role": "assistant", "content": EXPECTED_CONTENT}
    turns = render([*ASKED, answer, *ASKED], preserve_thinking=True)
    assert turns.startswith(first + EXPECTED_CONTENT + "<|im_end|>\n")


def test_a_temperature_divides_the_logits_and_nothing_else(tmp_path: Path) -> None:
    sure = gguf.GGUFReader(write_tiny_model(tmp_path / "sure.gguf"))
    soft = gguf.GGUFReader(write_tiny_model(tmp_path / "soft.gguf", temperature=32.0))
    for one, other in zip(sure.tensors, soft.tensors, strict=True):
        divided = 32.0 if one.name == "output.weight" else 1.0
        assert np.array_equal(one.data, other.data.astype(np.float32) * divided), one.name
