"""What other tools say of the memory of a llama-server whose layers all lie on one GPU.

`FitParams` runs llama.cpp's own program. `kyuz0_estimator` and `gguf_parser` are the methods of two projects, written
anew from their formulas; on files of eight models they said what the tools themselves say, refusals included: in 288
settings to the byte for gguf-parser-go, in 24 to the digits that it prints for kyuz0's.

Each says None where the tool says nothing: it stops with an error, or leaves the context out of its table.
None of them knows context checkpoints, the prompt cache, or buffers that grow with the first prompt, so all are to be
held against a server that has just started. None has a notion of an MTP head that drafts.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from strixkit.planner.gguf import TYPES, Array, Header, Tensor
from strixkit.planner.run import Run, round_up, row_bytes
from strixkit.rehearsal.errors import RehearsalError

MIB = 1 << 20
SECONDS = 120
SHOWN_LINES = 4

FIT_PARAMS = "llama-fit-params"
KYUZ0 = "gguf-vram-estimator (method)"
GGUF_PARSER = "gguf-parser-go (method)"


@dataclass(frozen=True)
class Estimate:
    """Of memory on the device, in MiB.

    context_mib: KV caches and recurrent states. total_mib: all that the tool counts, weights included.
    """

    context_mib: float
    total_mib: float


def estimates(header: Header, file: Path, run: Run, fit: FitParams | None) -> dict[str, Estimate | None]:
    """What each says of the model in `file` (which may have no weights), by its name; `fit` if it can be run."""
    return {
        FIT_PARAMS: fit.estimate(file, run) if fit else None,
        KYUZ0: kyuz0_estimator(header, file, run),
        GGUF_PARSER: gguf_parser(header, run),
    }


@dataclass(frozen=True)
class FitParams:
    """llama.cpp's `llama-fit-params -fitp on`, as built by whoever gives it (the fork: ROCmFPX baed43e, 2026-06-29).

    It loads the header, builds the contexts without allocating and adds up what they would take: weights, KV, one plane
    of the recurrent state, compute buffers. It has no `--spec-type`: no draft context and no planes for drafting; the
    fork's counts the MTP block's weights all the same, upstream's b11434 loads them for no one who does not draft.
    It has no `-kvu` either: None for slots that share a KV cache. It rounds each of its three numbers down to MiB, so
    the total is up to 3 MiB low.

    program: its path, with words before it if it lies in a chroot. device: as "ROCm0". environment: what makes it see
    that device, real or not (strixkit.rehearsal.arguments.rehearsal_environment); a file without weights will do.
    """

    program: Sequence[str]
    device: str
    environment: Mapping[str, str]

    def estimate(self, model: Path, run: Run) -> Estimate | None:
        """What it prints, or None if it cannot load the model. Raises RehearsalError if it says anything else."""
        if run.unified and run.parallel > 1:
            return None
        try:
            done = subprocess.run(
                [*self.program, *fit_arguments(model, self.device, run)],
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                env={**self.environment, "GGML_NO_BACKTRACE": "1"},
                cwd="/",
                timeout=SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RehearsalError(f"{self.program[-1]} does not run: {error}") from error
        if done.returncode == 0:
            return read_fit_table(done.stdout, self.device)
        if "error loading model" in done.stderr:
            return None
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        said = [line for line in lines if "error" in line][:SHOWN_LINES] or lines[-SHOWN_LINES:]
        raise RehearsalError("{} ended with {}: {}".format(self.program[-1], done.returncode, "\n".join(said)))


def fit_arguments(model: Path, device: str, run: Run) -> list[str]:
    """The words after `llama-fit-params` that print the memory of a server with these settings."""
    return [
        *("-m", str(model), "-fitp", "on", "-dev", device, "-ngl", "999"),
        *("-c", str(run.context), "-b", str(run.batch), "-ub", str(run.micro), "-np", str(run.parallel)),
        *("-ctk", run.kv.k, "-ctv", run.kv.v, "-fa", "on" if run.flash_attention else "off"),
    ]


def read_fit_table(text: str, device: str) -> Estimate:
    """The row of `device` in what it prints: a name, then MiB of model, context and compute.

    Raises RehearsalError if there is none.
    """
    for line in text.splitlines():
        name, *numbers = line.split()[:4] or [""]
        if name == device and len(numbers) == 3 and all(number.isdecimal() for number in numbers):
            weights, context, compute = (int(number) for number in numbers)
            return Estimate(context, weights + context + compute)
    raise RehearsalError(f"llama-fit-params printed no row of {device}, but: {text.strip()[:400] or 'nothing'}")


def kyuz0_estimator(header: Header, file: Path, run: Run) -> Estimate | None:
    """The method of gguf-vram-estimator.py (kyuz0/amd-strix-halo-toolboxes, 6c66edf, 2025-08-03).

    Counts the file, an f16 KV cache of every block of the model, and 2 GiB for all the rest. Not counted: recurrent
    state; types of the cache; batch, slots and drafting. It asks for a key of sliding windows that llama.cpp does not
    write (`sliding_window_size`). It fails without the number of KV heads or the length of a head (of recurrent models)
    and with a number for each layer, and leaves out contexts beyond the trained one.

    Left out here: its guess of the windows of Llama 4 Scout (None), and that 8-byte metadata confuses its reader.
    """
    keys = _Keys(header)
    name = header.metadata.get("general.name")
    names = ("block_count", "attention.head_count_kv", "attention.key_length", "attention.value_length")
    found = [number for number in map(keys.scalar, names) if number is not None]
    if len(found) < len(names) or (isinstance(name, str) and "scout" in name.lower()):
        return None
    blocks, kv_heads, key, value = found
    if run.context > (keys.scalar("context_length") or run.context):
        return None
    tokens = min(run.context, keys.scalar("attention.sliding_window_size") or run.context)
    context = tokens * blocks * kv_heads * (key + value) * 2
    return Estimate(context / MIB, (_size_of_all_parts(file) + context) / MIB + 2048)


def _size_of_all_parts(file: Path) -> int:
    """Bytes of the file, and of the other files of a model in several."""
    match = re.fullmatch(r"(.*)-\d{5}-of-(\d{5})\.gguf", file.name, re.IGNORECASE)
    if match is None:
        return file.stat().st_size
    names = (f"{match[1]}-{number:05d}-of-{match[2]}.gguf" for number in range(1, int(match[2]) + 1))
    return sum(path.stat().st_size for path in map(file.with_name, names) if path.exists())


# gguf-parser-go's own lists (file_architecture.go, ggml.go).
PURE_RECURRENT = frozenset({"mamba", "mamba2"})
RWKV = frozenset({"rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"})
HYBRID = frozenset({"jamba", "falcon-h1", "granitehybrid"})
# One layer of so many has full attention; only with these architectures it looks at the window at all.
FULL_ATTENTION_EVERY = {"llama4": 4, "gemma2": 2, "gemma3": 6, "cohere2": 4}
DEFAULT_WINDOW = {"llama4": 8192, "gemma2": 4096}
LAST_TYPE_ID = 39
PLATFORM_MIB = 250  # its --platform-footprint
CONTEXT_STEP = 256
INPUT_NAMES = ("position_", "token_")
OUTPUT_NAMES = ("cls.", "output.", "output_", "rope_factors_")


def gguf_parser(header: Header, run: Run) -> Estimate | None:
    """The method of gguf-parser-go (gpustack, v0.25.0, 2026-07-13) for flash attention and all layers on one GPU.

    Its "NonUMA" figure of the video memory: weights, KV, buffers, and 250 MiB for the platform. (Its "UMA" figure, for
    memory that GPU and CPU share, leaves out the buffers, and the weights of a mapped file.) Every block has a KV
    cache, the MTP block and the recurrent layers of qwen35 too; only jamba, falcon-h1, granitehybrid and pure recurrent
    models have a recurrent state. Not counted: a draft context, planes for drafting and the padding of
    tensors. It reads no tensor type above 39: none of the fork's files, nor NVFP4.

    Left out here, and None: no flash attention, RWKV, models that are not causal, multi-head latent attention.
    """
    keys = _Keys(header)
    if not _is_covered(keys, run):
        return None
    model = _GgufParserModel(keys, run)
    context = model.kv_bytes() + model.recurrent_bytes()
    buffers = model.output_buffer_bytes() + model.input_bytes() + max(model.layer_bytes(), model.output_layer_bytes())
    return Estimate(context / MIB, (model.weights_bytes() + context + buffers) / MIB + PLATFORM_MIB)


def _is_covered(keys: _Keys, run: Run) -> bool:
    known = all(tensor.type_id in TYPES and tensor.type_id <= LAST_TYPE_ID for tensor in keys.header.tensors)
    causal = keys.metadata("attention.causal") in (None, True) and keys.number("pooling_type") <= 2
    whole = keys.number("block_count") > 0 and run.micro <= max(32, run.batch)
    latent = keys.number("attention.key_length_mla") > 0
    return known and causal and whole and run.flash_attention and not latent and keys.architecture not in RWKV


class _GgufParserModel:
    """The terms of gguf-parser-go's estimate, in bytes."""

    def __init__(self, keys: _Keys, run: Run) -> None:
        self.keys = keys
        self.run = run
        self.recurrent = keys.architecture in PURE_RECURRENT | HYBRID
        self.blocks = keys.number("block_count")
        self.embedding = keys.number("embedding_length")
        self.context = round_up(run.context, CONTEXT_STEP)
        self.tokens = min(self.context, run.micro)
        heads = keys.number("attention.head_count")
        self.kv_heads = keys.number("attention.head_count_kv", heads)
        head = self.embedding // heads if heads else 0
        self.key_width = keys.number("attention.key_length", head) * self.kv_heads
        self.value_width = keys.number("attention.value_length", head) * self.kv_heads
        self.layers = list(_layers(keys.header.tensors))

    def weights_bytes(self) -> int:
        """All but the input embedding, which counts as output layer where there is no other."""
        named = {tensor.name: tensor for tensor in self.keys.header.tensors}
        size = sum(tensor.nbytes for layer in self.layers[-self.blocks :] for tensor in layer)
        size += sum(tensor.nbytes for name, tensor in named.items() if name.startswith(OUTPUT_NAMES))
        if "output.weight" not in named:
            size += sum(tensor.nbytes for name, tensor in named.items() if name.startswith(INPUT_NAMES))
        return size

    def kv_bytes(self) -> int:
        """A row for each token and block; those with a sliding window keep the window and a batch."""
        if self.keys.architecture in PURE_RECURRENT:
            return 0
        every = FULL_ATTENTION_EVERY.get(self.keys.architecture, 1)
        sliding = sum(1 for block in range(self.blocks) if block % every)
        window = self.keys.number("attention.sliding_window") or DEFAULT_WINDOW.get(self.keys.architecture, 0)
        kept = round_up(window * self.run.parallel + max(32, self.run.batch), CONTEXT_STEP)
        return (self.blocks - sliding) * self._rows(self.context) + sliding * self._rows(min(self.context, kept))

    def recurrent_bytes(self) -> int:
        """Convolution and state of every block and slot."""
        if not self.recurrent:
            return 0
        state = self.keys.number("ssm.state_size") * self.keys.number("ssm.inner_size")
        return 4 * self.blocks * self.run.parallel * (self._convolution() + state)

    def output_buffer_bytes(self) -> int:
        """Logits and embeddings of a whole physical batch."""
        return 4 * self.tokens * (self.embedding + self.keys.vocabulary())

    def input_bytes(self) -> int:
        """Embeddings, and positions and an f32 mask or the states' masks and slots."""
        embeddings = 4 * self.embedding * self.tokens
        if self.recurrent:
            return embeddings + self._slots_bytes()
        return embeddings + 4 * self.tokens + 4 * self.context * self.tokens

    def layer_bytes(self) -> int:
        """What the last block computes."""
        if self.keys.architecture in PURE_RECURRENT:
            return self._recurrent_layer_bytes()
        attention = 2 * self.context * self.tokens + self._rows(self.context)
        attention += self._outputs("attn_norm.weight")
        attention += sum(tensor.nbytes for tensor in self._last("attn_q.weight", "attn_qkv.weight", "attn_q_b.weight"))
        feed_forward = self._outputs("attn_norm.weight", "ffn_norm.weight", "ffn_gate.weight", "ffn_up.weight")
        experts, used = self.keys.number("expert_count"), self.keys.number("expert_used_count")
        feed_forward += 4 * (experts * self.embedding + experts * self.tokens + used * self.embedding * self.tokens)
        return max(attention, feed_forward)

    def output_layer_bytes(self) -> int:
        """The last norm, and logits of a whole physical batch."""
        named = {tensor.name: tensor for tensor in self.keys.header.tensors}
        norm = named.get("output_norm.weight")
        matrix = named.get("output.weight", named.get("token_embd.weight"))
        values = sum(tensor.shape[-1] for tensor in (norm, matrix) if tensor is not None)
        return 4 * self.tokens * values + (self._slots_bytes() if self.recurrent else 0)

    def _recurrent_layer_bytes(self) -> int:
        inner, slots = self.keys.number("ssm.inner_size"), self.run.parallel
        size = 4 * self._convolution() * slots + self._outputs("attn_norm.weight", "ssm_in.weight", "ssm_dt.weight")
        if self._last("ssm_conv1d.weight"):
            size += 4 * inner * (self.tokens + self.keys.number("ssm.conv_kernel") * slots)
        if self._last("ssm_a"):
            size += 4 * inner * (self.tokens + self.keys.number("ssm.state_size") * slots)
        return size

    def _convolution(self) -> int:
        channels = self.keys.number("ssm.inner_size")
        channels += 2 * self.keys.number("ssm.group_count") * self.keys.number("ssm.state_size")
        return (self.keys.number("ssm.conv_kernel") - 1) * channels

    def _slots_bytes(self) -> int:
        return 4 * self.run.parallel * (1 + self.tokens)

    def _rows(self, tokens: int) -> int:
        """K and V of so many tokens in one block."""
        keys = row_bytes(self.run.kv.k, self.key_width * tokens)
        return int(keys) + int(row_bytes(self.run.kv.v, self.value_width * tokens))

    def _last(self, *names: str) -> list[Tensor]:
        """Tensors of the last block by what follows the block's number."""
        return [tensor for tensor in self.layers[-1] if tensor.name.partition(".")[2].partition(".")[2] in names]

    def _outputs(self, *names: str) -> int:
        """F32 results of these tensors of the last block for a physical batch."""
        return sum(4 * tensor.shape[-1] * self.tokens for tensor in self._last(*names))


def _layers(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Tensors of each block, in the order of the file; any other that is neither input nor output is its own layer."""
    blocks: dict[str, list[Tensor]] = {}
    for tensor in tensors:
        words = tensor.name.split(".")
        if words[0] == "blk" and len(words) > 1:
            blocks.setdefault(words[1], []).append(tensor)
        elif not tensor.name.startswith(INPUT_NAMES + OUTPUT_NAMES):
            blocks[tensor.name] = [tensor]
    yield from blocks.values()


class _Keys:
    """Metadata of the architecture."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.architecture = str(header.metadata.get("general.architecture"))

    def metadata(self, key: str) -> object:
        return self.header.metadata.get(f"{self.architecture}.{key}")

    def scalar(self, key: str) -> int | None:
        """A single number, or None."""
        value = self.metadata(key)
        return value if isinstance(value, int) else None

    def number(self, key: str, default: int = 0) -> int:
        """A number, the first of several, or the default."""
        value = self.metadata(key)
        if isinstance(value, list) and value:
            value = value[0]
        return value if isinstance(value, int) else default

    def vocabulary(self) -> int:
        tokens = self.header.metadata.get("tokenizer.ggml.tokens")
        counted = tokens.length if isinstance(tokens, Array) else len(tokens) if isinstance(tokens, list) else 0
        return self.number("vocab_size", counted)
