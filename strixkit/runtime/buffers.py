"""What llama-server's own log (`-lv 4`) says of its memory: buffers, contexts, checkpoints, prompt cache.

Stands alone on purpose: only the standard library, Python 3.9, nothing of strixkit, since the agent on the box imports
this same file. The log is untrusted text: lines that say nothing known are passed over, and nothing raises.

Formats, the same in the ROCmFPX fork, b11434 and Debian's 0.7.0 where nothing else is said: llama-model.cpp
(load_tensors), llama-context.cpp (constructor, sched_reserve), llama-kv-cache.cpp, llama-memory-recurrent.cpp,
server-context.cpp (create_checkpoint, prompt_save). Sizes are rounded by the log: two decimals, three for checkpoints
and prompts.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# Time, level and part of the server; a build may leave out any of them.
_PREFIX = r"^(?:[0-9.]+ [A-Z] )?(?:\w+ +)?"
_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,6})?)"
_COUNT = r"([0-9]{1,12})"


def _line(text: str) -> re.Pattern[str]:
    return re.compile(_PREFIX + text)


_LOAD = _line(r"load_tensors: loading model tensors")
_DRAFT = _line(r"\w+: (?:creating MTP draft context|loading draft model) ")
_OFFLOADED = _line(r"load_tensors: offloaded " + _COUNT + "/" + _COUNT + " layers to GPU")
_CONTEXT = _line(r"llama_context: constructing llama_context")
_SETTING = _line(r"llama_context: (n_ctx|n_ctx_seq|n_rs_seq|flash_attn) += (\w+)")
_BUFFER = _line(
    r"(load_tensors|llama_context|llama_kv_cache|llama_memory_recurrent|sched_reserve): +(\S+)"
    r" +(model|KV|RS|output|compute) buffer size = +" + _NUMBER + " MiB"
)
_AUTO_FLASH = _line(r"\w+: Flash Attention was auto, set to (\w+)")
_NODES = _line(r"sched_reserve: graph(?: \([^)]*\))?:? nodes += " + _COUNT)
_KV = _line(
    r"llama_kv_cache: size = +" + _NUMBER + r" MiB \( *" + _COUNT + r" cells, +" + _COUNT + r" layers, [^)]*\), "
    r"K \((\w+)\): +[0-9.]+ MiB, V \((\w+)\): +"
)
_READY = _line(r"(?:\w+: )?(?:model loaded|(?:server is )?listening on )")
_CHECKPOINT = re.compile(
    r"\| created context checkpoint " + _COUNT + " of " + _COUNT + r" \(.*\bn_tokens = " + _COUNT + ", size = "
    + _NUMBER + r" MiB\)"
)  # fmt: skip
_PROMPT = _line(
    r"\w+: +- saving prompt with length " + _COUNT + ", total state size = " + _NUMBER + r" MiB \(draft: " + _NUMBER
)


class Buffer(NamedTuple):
    """One buffer, in MiB. `context`: "main" or "draft"; `kind`: "model", "KV", "RS", "output" or "compute".

    `device` is the log's name of it, e.g. "Vulkan0", "Vulkan_Host", "CPU_Mapped". `mib` is the size when the server was
    ready, `largest` the largest size seen: only compute buffers are reserved again later.
    """

    context: str
    device: str
    kind: str
    mib: float
    largest: float

    @property
    def where(self) -> str:
        """`host` for memory of the CPU and what a device's driver lets it use there (Vulkan_Host), else `device`."""
        return "host" if self.device.startswith("CPU") or self.device.endswith("_Host") else "device"

    @property
    def key(self) -> str:
        """`context.kind.where`, as the parts of a plan have it."""
        return f"{self.context}.{self.kind}.{self.where}"


class KvCache(NamedTuple):
    """One KV cache: its size in MiB, its cells (tokens of all streams), attention layers, and types of K and V."""

    context: str
    mib: float
    cells: int
    layers: int
    k: str
    v: str


class Checkpoint(NamedTuple):
    """A context checkpoint that was made after `tokens` tokens: `number` of at most `most` of its slot, in MiB."""

    tokens: int
    mib: float
    number: int
    most: int


class PromptState(NamedTuple):
    """A prompt that was put into the prompt cache, without its checkpoints: MiB, and how much of it is the draft's."""

    tokens: int
    mib: float
    draft_mib: float


class Size(NamedTuple):
    """MiB when the server was ready, and at most; `lines` of the log were added for it, each rounded."""

    mib: float
    largest: float
    lines: int


class ServerLog(NamedTuple):
    """What one run of a server logged. None stands for what was not seen.

    n_ctx, n_ctx_seq: tokens of all slots, and of one; n_rs_seq: copies of the recurrent state for drafting; these and
    flash_attn ("enabled", "disabled") are those of the main context. offloaded: layers on the device, of all.
    """

    buffers: tuple[Buffer, ...] = ()
    kv: tuple[KvCache, ...] = ()
    offloaded: tuple[int, int] | None = None
    n_ctx: int | None = None
    n_ctx_seq: int | None = None
    n_rs_seq: int | None = None
    flash_attn: str | None = None
    checkpoints: tuple[Checkpoint, ...] = ()
    prompts: tuple[PromptState, ...] = ()
    ready: bool = False

    def sizes(self) -> dict[str, Size]:
        """All buffers by `Buffer.key`, added where several have the same."""
        found: dict[str, Size] = {}
        for buffer in self.buffers:
            before = found.get(buffer.key, Size(0.0, 0.0, 0))
            found[buffer.key] = Size(before.mib + buffer.mib, before.largest + buffer.largest, before.lines + 1)
        return found


def parse_log(text: str) -> ServerLog:
    """Read a server's log, all of it or from any line on. Never raises."""
    reader = _Reader()
    for line in text.split("\n"):
        reader.take(line)
    return reader.result()


class _Reader:
    """The main model's last load counts: `-fit on` loads it before, without allocating anything."""

    def __init__(self) -> None:
        self._restart()

    def _restart(self) -> None:
        self.context = "main"
        self.fixed: list[Buffer] = []
        self.compute: dict[tuple[str, str], tuple[float, float]] = {}
        self.nodes: dict[str, int] = {}
        self.reserved: dict[str, float] = {}
        self.kv: list[KvCache] = []
        self.offloaded: tuple[int, int] | None = None
        self.settings: dict[str, str] = {}
        self.checkpoints: list[Checkpoint] = []
        self.prompts: list[PromptState] = []
        self.ready = False

    def take(self, line: str) -> None:
        """Take one line of the log into account."""
        if found := _BUFFER.match(line):
            self._buffer(found[2], found[3], float(found[4]))
        elif found := _NODES.match(line):
            self._reserve(int(found[1]))
        elif found := _SETTING.match(line):
            self._set(found[1], found[2])
        elif found := _AUTO_FLASH.match(line):
            self._set("flash_attn", found[1])
        elif found := _KV.match(line):
            sizes = float(found[1]), int(found[2]), int(found[3])
            self.kv.append(KvCache(self.context, *sizes, found[4], found[5]))
        elif found := _CHECKPOINT.search(line):
            self.checkpoints.append(Checkpoint(int(found[3]), float(found[4]), int(found[1]), int(found[2])))
        elif found := _PROMPT.match(line):
            self.prompts.append(PromptState(int(found[1]), float(found[2]), float(found[3])))
        elif found := _OFFLOADED.match(line):
            if self.context == "main" and not self.ready:
                self.offloaded = int(found[1]), int(found[2])
        else:
            self._mark(line)

    def _mark(self, line: str) -> None:
        """Lines that only say where in the start the log is."""
        if _DRAFT.match(line):
            self.context = "draft"
        elif _LOAD.match(line):
            if self.context == "main" or self.ready:
                self._restart()
        elif _CONTEXT.match(line):
            self._forget_context()
        elif _READY.match(line):
            self._reserve(0)
            self.ready = True

    def _forget_context(self) -> None:
        """Another try to make the same context (with other parameters) replaces the one before; its model stays."""
        self.fixed = [buffer for buffer in self.fixed if buffer.context != self.context or buffer.kind == "model"]
        self.kv = [cache for cache in self.kv if cache.context != self.context]
        self.compute = {key: sizes for key, sizes in self.compute.items() if key[0] != self.context}
        self.nodes.pop(self.context, None)
        self.reserved = {}
        if self.context == "main":
            self.settings = {}

    def _set(self, name: str, value: str) -> None:
        if self.context == "main":
            self.settings[name] = value

    def _buffer(self, device: str, kind: str, mib: float) -> None:
        if kind == "compute":
            self.reserved[device] = mib
        else:
            self.fixed.append(Buffer(self.context, device, kind, mib, mib))

    def _reserve(self, nodes: int) -> None:
        """A reservation ends with the nodes of its graph; they alone tell whose it is once both contexts are there."""
        context = self.context
        if nodes and context in self.nodes:
            context = min(self.nodes, key=lambda name: abs(self.nodes[name] - nodes))
        elif nodes:
            self.nodes[context] = nodes
        for device, mib in self.reserved.items():
            at_ready, largest = self.compute.get((context, device), (mib, mib))
            self.compute[context, device] = (at_ready if self.ready else mib, max(largest, mib))
        self.reserved = {}

    def result(self) -> ServerLog:
        """Everything that was seen so far."""
        self._reserve(0)  # a log that was cut before the graph's nodes
        compute = [Buffer(name, device, "compute", *sizes) for (name, device), sizes in self.compute.items()]
        return ServerLog(
            buffers=(*self.fixed, *compute),
            kv=tuple(self.kv),
            offloaded=self.offloaded,
            n_ctx=_count(self.settings.get("n_ctx")),
            n_ctx_seq=_count(self.settings.get("n_ctx_seq")),
            n_rs_seq=_count(self.settings.get("n_rs_seq")),
            flash_attn=self.settings.get("flash_attn"),
            checkpoints=tuple(self.checkpoints),
            prompts=tuple(self.prompts),
            ready=self.ready,
        )


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch("[0-9]{1,12}", text) else None
