"""The command line of a rehearsal: the service's own, on another port and with another model file.

Stands alone (standard library, Python 3.9): the agent on the box imports this same file.
"""

from __future__ import annotations

from collections.abc import Sequence

from strixkit.rehearsal.build import Device

# Replaced below, or wants what a rehearsal has not. The value tells whether a word follows.
DROPPED = {
    "-m": True,
    "--model": True,
    "--host": True,
    "--port": True,
    "--api-key": True,
    "--api-key-file": True,
    "--slot-save-path": True,
    "--log-file": True,
    "-lv": True,
    "--verbosity": True,
    "--log-verbosity": True,
    "--load-mode": True,
    "-lm": True,
    "--mmap": False,
    "--no-mmap": False,
    "--warmup": False,
    "--no-warmup": False,
}
# Below it, buffers and checkpoints are not logged.
VERBOSITY = "4"
ADDRESS = "127.0.0.1"


def rehearsal_arguments(arguments: Sequence[str], model: str, port: int) -> list[str]:
    """The server's arguments, without the program, with what a rehearsal changes.

    The model is mapped and not read, so that it takes no memory; there is no warm-up, since nothing is computed.
    """
    kept: list[str] = []
    words = iter(arguments)
    for word in words:
        name, joined, _ = word.partition("=")
        if name not in DROPPED:
            kept.append(word)
        elif DROPPED[name] and not joined:
            next(words, None)
    own = ["-m", model, "--host", ADDRESS, "--port", str(port), "--no-warmup", "-lv", VERBOSITY]
    return kept + own


def rehearsal_environment(
    environment: dict[str, str], compiled: Device, device: str, total_mib: int, free_mib: int
) -> dict[str, str]:
    """The service's environment, with the compiled device as `device` ("Vulkan0") in place of the real ones."""
    return {
        **environment,
        "GGML_BACKEND_PATH": compiled.backend,
        "LD_PRELOAD": compiled.preload,
        "REHEARSAL_DEVICE": device,
        "REHEARSAL_TOTAL_MIB": str(total_mib),
        "REHEARSAL_FREE_MIB": str(free_mib),
        # No real device is seen: empty is none for Vulkan, HIP wants a number that no device has.
        "GGML_VK_VISIBLE_DEVICES": "",
        "HIP_VISIBLE_DEVICES": "-1",
        # Upstream maps no model by itself for a GPU that shares its memory; the fork does not know this one.
        "LLAMA_ARG_LOAD_MODE": "mmap",
    }
