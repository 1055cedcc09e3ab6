"""The rehearsal device in a real llama-server, where one and its ggml's headers are named by the environment.

STRIXKIT_LLAMA_SERVER is the server's path, STRIXKIT_GGML_INCLUDE its ggml's headers (folders, with colons between).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from strixkit.config.catalogue import load_model
from strixkit.planner.shape import ModelShape, Recurrent
from strixkit.rehearsal import build
from strixkit.rehearsal.errors import RehearsalError
from strixkit.rehearsal.fullsize import q4_types, write_full_size
from strixkit.rehearsal.local import LocalRuntime, rehearse
from strixkit.rehearsal.sources import sources
from strixkit.runtime.buffers import ServerLog, parse_log

SERVER = os.environ.get("STRIXKIT_LLAMA_SERVER", "")
INCLUDE = tuple(os.environ.get("STRIXKIT_GGML_INCLUDE", "").split(":"))
CARD = "-ngl 999 -fa on -c 262144 -b 2048 -ub 256 -ctk f16 -ctv f16 -ctxcp 32 --parallel 1 -fit off"
DRAFT = "--spec-type draft-mtp --spec-draft-n-max 3"

needs_server = pytest.mark.skipif(not SERVER, reason="no STRIXKIT_LLAMA_SERVER")
needs_headers = pytest.mark.skipif(
    not SERVER or shutil.which("cc") is None, reason="no C compiler, or no STRIXKIT_GGML_INCLUDE"
)


def shape() -> ModelShape:
    found = load_model("qwen3.6-27b-mtp").variants["embF16"].shape
    assert found is not None
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rehearsal")


@pytest.fixture(scope="module")
def full_size(folder: Path) -> Path:
    return write_full_size(folder / "27b.gguf", shape(), q4_types)


@needs_headers
def test_it_compiles_without_a_warning(tmp_path: Path) -> None:
    for name, text in sources().items():
        (tmp_path / name).write_bytes(text)
    units = [str(path) for path in tmp_path.glob("*.c")]
    flags = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
    done = subprocess.run(
        ["cc", *flags, *(f"-I{path}" for path in INCLUDE), *units], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@needs_headers
def test_it_is_compiled_once(tmp_path: Path) -> None:
    first = build.compile_device(sources(), INCLUDE, str(tmp_path))
    before = Path(first.backend).stat()
    assert build.compile_device(sources(), INCLUDE, str(tmp_path)) == first
    assert Path(first.backend).stat() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [Path(first.backend).parent.name]


@needs_server
@pytest.mark.parametrize("device", ["Vulkan0", "ROCm0"])
def test_a_27b_starts_with_its_whole_context(full_size: Path, folder: Path, device: str) -> None:
    words = [*CARD.split(), *DRAFT.split(), "-dev", device, "--spec-draft-device", device]
    outcome = rehearse(LocalRuntime(SERVER, INCLUDE), words, full_size, folder, device=device, prompts=[20000])
    assert outcome.failure == ""
    log = parse_log(outcome.log)
    assert log.n_ctx == 262144
    assert log.offloaded == (66, 66)
    sizes = {key: size.mib for key, size in log.sizes().items()}
    assert sizes["main.KV.device"] == 16384.0
    assert sizes["main.RS.device"] == 598.5
    assert sizes["draft.KV.device"] == 1024.0
    assert sizes["main.model.host"] == pytest.approx(2425, abs=0.01)
    assert {buffer.device for buffer in log.buffers} == {device, f"{device[:-1]}_Host", "CPU_Mapped"}
    assert log.checkpoints[-1].tokens == 19996
    assert device_peak(outcome.log) >= start_on(log, device)


@needs_server
def test_vulkan_orders_its_graph_and_needs_more_for_it(full_size: Path, folder: Path) -> None:
    """By two rows of K and V of each token of a micro batch, as real devices do."""
    compute = {}
    for device in ("Vulkan0", "ROCm0"):
        words = [*CARD.split(), *DRAFT.split(), "-dev", device, "--spec-draft-device", device]
        outcome = rehearse(LocalRuntime(SERVER, INCLUDE), words, full_size, folder, device=device)
        compute[device] = parse_log(outcome.log).sizes()["draft.compute.device"].mib
    assert compute["Vulkan0"] - compute["ROCm0"] == pytest.approx(2, abs=0.02)


@needs_server
def test_a_device_that_is_too_small_fails_as_a_real_one(full_size: Path, folder: Path) -> None:
    words = [*CARD.split(), "-dev", "Vulkan0"]
    outcome = rehearse(LocalRuntime(SERVER, INCLUDE), words, full_size, folder, total_mib=16000)
    assert not outcome.ready
    assert "ended with" in outcome.failure  # its last lines may be lost: the fork does not wait for its log


@needs_server
def test_a_small_model_of_eight_layers_leaves_no_process_behind(folder: Path) -> None:
    small = shape().model_copy(
        update={
            "layers": 8,
            "attention_layers": 2,
            "embedding": 256,
            "feed_forward": 512,
            "vocabulary": 1000,
            "recurrent": Recurrent(conv_kernel=4, inner=256, state=64, groups=2),
        }
    )
    model = write_full_size(folder / "small.gguf", small, q4_types)
    outcome = rehearse(LocalRuntime(SERVER, INCLUDE), ["-c", "4096", "-dev", "Vulkan0"], model, folder, prompts=[100])
    assert (outcome.ready, outcome.answered) == (True, 1)
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(model).encode() in path.read_bytes()]


@needs_server
def test_another_device_than_the_rehearsals_is_never_used(full_size: Path, folder: Path) -> None:
    with pytest.raises(RehearsalError, match="wanted Vulkan0 or ROCm0"):
        rehearse(LocalRuntime(SERVER, INCLUDE), [], full_size, folder, device="CUDA0")


# A ggml that is not known, or not the one of the headers: everything that the device looks at when it is loaded.
STRANGER = """
#include <dlfcn.h>
#include <stdio.h>
#include <ggml.h>
const char *ggml_version(void) { return VERSION; }
size_t ggml_tensor_overhead(void) { return OVERHEAD; }
const char *ggml_op_name(enum ggml_op op) { (void) op; return NAME; }
int main(int count, char **words) {
    void *library = count == 2 ? dlopen(words[1], RTLD_LAZY) : NULL;
    void *(*init)(void) = library ? (void *(*)(void)) dlsym(library, "ggml_backend_init") : NULL;
    if (init == NULL) { fprintf(stderr, "%s\\n", dlerror()); return 2; }
    return init() != NULL;
}
"""


@needs_headers
@pytest.mark.parametrize(
    ("version", "overhead", "name", "words"),
    [
        ("9.1.0", "32 + GGML_TENSOR_SIZE", "NONE", "ggml 9.1.0 is not known"),
        ("0.22.0", "32 + GGML_TENSOR_SIZE", "NONE", "ggml 0.22.0 is not known"),
        ("nonsense", "32 + GGML_TENSOR_SIZE", "NONE", "ggml nonsense is not known"),
        ("0.11.1", "40 + GGML_TENSOR_SIZE", "NONE", "a tensor has another size"),
        ("0.27.0", "32 + GGML_TENSOR_SIZE", "NONE", "headers of another ggml than this 0.27.0: ADD"),
    ],
)
def test_an_unknown_ggml_is_refused(tmp_path: Path, version: str, overhead: str, name: str, words: str) -> None:
    device = build.compile_device(sources(), INCLUDE, str(tmp_path))
    (tmp_path / "stranger.c").write_text(STRANGER)
    program = tmp_path / "stranger"
    values = {"VERSION": f'"{version}"', "OVERHEAD": overhead, "NAME": f'"{name}"'}
    defined = [f"-D{key}={value}" for key, value in values.items()]
    subprocess.run(
        [
            "cc",
            *defined,
            *(f"-I{path}" for path in INCLUDE),
            tmp_path / "stranger.c",
            "-rdynamic",
            "-ldl",
            "-o",
            program,
        ],
        check=True,
    )
    done = subprocess.run([program, device.backend], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert words in done.stderr


def start_on(log: ServerLog, device: str) -> float:
    return sum(buffer.mib for buffer in log.buffers if buffer.device == device)


def device_peak(text: str) -> float:
    found = re.search(r"rehearsal: at most ([0-9.]+) MiB of device memory", text)
    assert found
    return float(found[1])
