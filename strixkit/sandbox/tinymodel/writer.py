"""Writes the tiny model as a GGUF file: metadata, tensor types, and the file's atomic appearance."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import gguf
import numpy as np

from strixkit.sandbox.tinymodel import vocabulary
from strixkit.sandbox.tinymodel.shape import TINY, Shape
from strixkit.sandbox.tinymodel.weights import Array, tensors


def _add_shape(writer: gguf.GGUFWriter, shape: Shape, context_length: int) -> None:
    writer.add_context_length(context_length)
    writer.add_embedding_length(shape.embedding)
    writer.add_block_count(shape.layers + 1)  # the MTP block counts
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_length)
    writer.add_value_length(shape.head_length)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10_000_000.0)
    writer.add_rope_dimension_count(shape.rope_dimensions)
    writer.add_rope_dimension_sections(list(shape.rope_sections))
    writer.add_ssm_conv_kernel(shape.ssm_kernel)
    writer.add_ssm_inner_size(shape.ssm_inner)
    writer.add_ssm_state_size(shape.ssm_state)
    writer.add_ssm_time_step_rank(shape.ssm_heads)
    writer.add_ssm_group_count(shape.ssm_groups)
    writer.add_nextn_predict_layers(1)
    writer.add_full_attention_interval(shape.full_attention_interval)


def _add_tokenizer(writer: gguf.GGUFWriter) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen35")
    writer.add_token_list(vocabulary.tokens())
    writer.add_token_types(vocabulary.token_types())
    writer.add_token_merges(list(vocabulary.MERGES))
    writer.add_eos_token_id(vocabulary.token_id(vocabulary.TURN_END))
    writer.add_bos_token_id(vocabulary.token_id(vocabulary.END_OF_TEXT))
    writer.add_add_bos_token(False)
    writer.add_chat_template(chat_template())


def _stored(values: Array, name: str) -> np.ndarray:
    """Matrices in f16; vectors and the convolution in f32, as llama.cpp's converter has them."""
    if values.ndim == 1 or name.endswith("ssm_conv1d.weight"):
        return values.astype(np.float32)
    return values.astype(np.float16)


def chat_template() -> str:
    """The Jinja chat template that goes into the file."""
    return files("strixkit.sandbox.tinymodel").joinpath("chat_template.jinja").read_text(encoding="utf-8")


def write(path: Path, *, seed: int, draft_noise: float, temperature: float, context_length: int, name: str) -> None:
    """Write the file under a temporary name in the same folder, then rename it to `path`."""
    writer = gguf.GGUFWriter(None, "qwen35")
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_shape(writer, TINY, context_length)
    _add_tokenizer(writer)
    for tensor, values in tensors(seed, draft_noise, temperature):
        writer.add_tensor(tensor, _stored(values, tensor))
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        with closing(writer):
            writer.write_header_to_file(Path(temporary))
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
