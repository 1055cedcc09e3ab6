"""From a server's last log lines to the cause in words."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """kind: a short id; words: what happened; hint: what to do."""

    kind: str
    words: str
    hint: str


@dataclass(frozen=True)
class _Pattern:
    kind: str
    pattern: str
    words: str
    hint: str


# The first that matches wins: causes before their consequences.
PATTERNS = (
    _Pattern("port-in-use", r"couldn't bind HTTP server socket, hostname: (\S+), port: (\d+)",
             "the port is taken, or the address is none of this machine's", "ss -ltnp shows who has the port"),
    _Pattern("unknown-tensor-type", r"tensor '([^']+)' has invalid ggml type (\d+)",
             "the model has tensor types that this build does not know (ROCmFP4?)", "set strix_runtime: rocmfp4"),
    _Pattern("unknown-architecture", r"unknown model architecture: '([^']*)'",
             "this build does not know the model's architecture", "a newer runtime, or another model"),
    _Pattern("truncated-model", r"data is not within the file bounds|model is corrupted or incomplete",
             "the model file is incomplete", "copy it again and check its sha256"),
    _Pattern("not-a-gguf", r"invalid magic characters|failed to read magic", "the model file is not a GGUF",
             "check the file"),
    _Pattern("out-of-memory",
             r"ErrorOutOfDeviceMemory|out of memory|unable to allocate|failed to allocate|insufficient memory"
             r"|Requested buffer size exceeds|std::bad_alloc|oom-kill|killed by the OOM killer|systemd-oomd killed"
             r"|buffer pointer must be aligned",
             "there is not enough memory", "a smaller context or profile; invoke plan shows what each part needs"),
    _Pattern("device-lost", r"ErrorDeviceLost|context is lost", "the GPU was reset under the server",
             "amdgpu.lockup_timeout is too short on kernels 7.x"),
    _Pattern("no-such-device", r"invalid device: ?(\S*)", "there is no such device",
             "llama-server --list-devices shows them"),
    _Pattern("unknown-flag", r"invalid argument: (\S+)", "the server does not know an argument",
             "the runtime changed? deploy again"),
    _Pattern("bad-value", r"error while handling argument \"([^\"]+)\"|Unsupported cache type",
             "the server does not accept a value", "see the line above"),
    _Pattern("no-mtp-head", r"doesn't contain MTP layers|failed to create MTP context",
             "the model has no MTP head to draft with", "draft.type: none in the profile, or another model"),
    _Pattern("model-missing", r"failed to open GGUF file|No such file or directory.*gguf|model .* is not on the box",
             "the model file is not there", "copy it there; invoke deploy does so where it has a source"),
)  # fmt: skip


def cause(log: str) -> Cause | None:
    """The first known cause in a log, or None."""
    for entry in PATTERNS:
        found = re.search(entry.pattern, log)
        if found:
            line = next(text for text in log.splitlines() if re.search(entry.pattern, text))
            return Cause(entry.kind, f"{entry.words}: {line.strip()[:160]}", entry.hint)
    return None
