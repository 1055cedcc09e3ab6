"""The catalogue's files: every one of the project validates, and faults are told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from strixkit.config.catalogue import load_model, load_runtime, model_names, runtime_names
from strixkit.config.runtimes import GitRuntime, PackageRuntime, PathRuntime
from strixkit.errors import InputError

PROFILES = Path(__file__).parents[3] / "profiles"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(PROFILES, tmp_path / "profiles")
    return Path("profiles")


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("name", model_names(PROFILES))
def test_each_model_validates(name: str) -> None:
    model = load_model(name, PROFILES)
    assert model.variant() is model.variants[model.default_variant]


@pytest.mark.parametrize("name", runtime_names(PROFILES))
def test_each_runtime_validates(name: str) -> None:
    runtime = load_runtime(name, PROFILES)
    assert len(set(runtime.recorded.flags.values())) == len(runtime.recorded.flags)


def test_both_runtimes_record_the_same_options_in_the_same_order() -> None:
    debian, fork = load_runtime("debian"), load_runtime("rocmfp4")
    assert list(debian.recorded.flags) == list(fork.recorded.flags)
    differing = {name for name, flag in debian.recorded.flags.items() if fork.recorded.flags[name] != flag}
    assert differing == {"cache.checkpoint_every", "load.mmap"}


def test_the_three_providers() -> None:
    debian, built, own = load_runtime("debian"), load_runtime("rocmfp4"), load_runtime("rocmfp4-path")
    assert isinstance(debian, PackageRuntime)
    assert debian.packages == ("llama.cpp-tools", "libggml0-backend-vulkan", "mesa-vulkan-drivers")
    assert isinstance(own, PathRuntime)
    assert isinstance(built, GitRuntime)
    assert built.environment_rocm == {"HSA_OVERRIDE_GFX_VERSION": "11.5.1", "GGML_HIP_ENABLE_UNIFIED_MEMORY": "1"}
    assert own.environment_rocm == built.environment_rocm


def test_a_record_may_be_that_of_another_runtime(directory: Path) -> None:
    assert load_runtime("rocmfp4", directory).recorded == load_runtime("rocmfpx", directory).recorded
    change(directory / "runtimes/rocmfp4.yaml", "recorded: rocmfpx", "recorded: rocmfpy")
    with pytest.raises(InputError, match=r"rocmfp4\.yaml:\d+: recorded: unknown runtime 'rocmfpy'; did you mean"):
        load_runtime("rocmfp4", directory)
    change(directory / "runtimes/rocmfp4.yaml", "recorded: rocmfpy", "recorded: rocmfp4-path")
    with pytest.raises(InputError, match=r"rocmfp4\.yaml:\d+: recorded: rocmfp4-path has no record of its own"):
        load_runtime("rocmfp4", directory)
    change(directory / "runtimes/rocmfp4.yaml", "recorded: rocmfp4-path", "recorded: rocmfpx")
    change(directory / "runtimes/rocmfpx.yaml", "context.size: -c", "context.size: c")
    with pytest.raises(
        InputError, match=r"^profiles/runtimes/rocmfpx\.yaml:\d+: recorded\.flags\.'context\.size': found"
    ):
        load_runtime("rocmfp4", directory)


def test_the_27b_has_its_sizes_by_variant_and_the_rest_in_common() -> None:
    model = load_model("qwen3.6-27b-mtp")
    fast, faithful = model.variant("embF16").shape, model.variant("embF16-headQ6").shape
    assert model.default_variant == "embF16"
    assert fast is not None
    assert faithful is not None
    assert (fast.weights_bytes, faithful.weights_bytes) == (13932171264, 14299684864)
    assert faithful == fast.model_copy(update={"weights_bytes": faithful.weights_bytes})
    assert (fast.layers, fast.attention_layers, fast.recurrent_layers, fast.nextn_layers) == (64, 16, 48, 1)
    # The output head in Q6_K (210 bytes for 256 weights) instead of 4.25 bits.
    assert faithful.weights_bytes - fast.weights_bytes == 5120 * 248320 * 210 // 256 - 5120 * 248320 * 17 // 32


def test_unknown_names_are_told_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown model 'tinny'; did you mean 'tiny'\?"):
        load_model("tinny")
    with pytest.raises(InputError, match=r"unknown runtime 'debain'; did you mean 'debian'\?"):
        load_runtime("debain")
    with pytest.raises(InputError, match=r"unknown variant 'embf16'; did you mean 'embF16'\?"):
        load_model("qwen3.6-27b-mtp").variant("embf16")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "default_variant: f32",
            "default_variant: f23",
            "tiny.yaml:4: default_variant: unknown variant 'f23'; did you mean",
        ),
        ("tensor_types: []", "tensor_types: [q4_0_rocmfp]", "tensor type 'q4_0_rocmfp'; did you mean 'q4_0_rocmfp4'?"),
        (
            "controller: ~/",
            "box: ~/",
            "source.box: found '~/.cache/strixkit/models/tiny.gguf', wanted an absolute path",
        ),
        ("controller: ~/", "controller: ", "wanted a path on this machine that starts with / or ~/"),
        ("      controller:", "      box: /x\n      controller:", "found controller and box, wanted exactly one"),
        ("sha256: null", "sha256: abc", "sha256: found 'abc', wanted a sha256 of 64 lower-case hex digits"),
        ("size_bytes: null", "size_byte: 3", "size_byte: unknown key; did you mean 'size_bytes'?"),
        ("file: tiny.gguf", "file: a/../b", "wanted a file name without '/'"),
    ],
)
def test_faults_of_a_model(directory: Path, old: str, new: str, expected: str) -> None:
    change(directory / "models/tiny.yaml", old, new)
    with pytest.raises(InputError) as caught:
        load_model("tiny", directory)
    assert str(caught.value).startswith("profiles/models/tiny.yaml:")
    assert expected in str(caught.value)


def test_a_fault_in_the_common_shape_stands_where_it_was_written(directory: Path) -> None:
    change(directory / "models/qwen3.6-27b-mtp.yaml", "  kv_heads: 4", "  kv_heads: four")
    with pytest.raises(InputError, match=r"mtp\.yaml:\d+: variants\.embF16\.shape\.kv_heads: found 'four'") as caught:
        load_model("qwen3.6-27b-mtp", directory)
    line = int(str(caught.value).split(":")[1])
    assert (directory / "models/qwen3.6-27b-mtp.yaml").read_text().splitlines()[line - 1] == "  kv_heads: four"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "provider: package",
            "provider: pakage",
            "provider: found 'pakage', wanted 'package', 'path', 'git'; did you mean 'package'?",
        ),
        ("provider: package", "providr: package", "provider: missing, and it is required"),
        ("provider: package", "provider: path", "packages: unknown key"),
        ("- llama.cpp-tools", "- --force-yes", "packages[0]: found '--force-yes', wanted the name of a package"),
        ("binary: /usr/bin/", "binary: ", "wanted an absolute path on the box"),
        ("family: upstream", "family: upsteam", "wanted 'rocmfp4' or 'upstream'; did you mean 'upstream'?"),
        ("context.size: -c", "context.size: c", "wanted a command-line flag"),
    ],
)
def test_faults_of_a_runtime(directory: Path, old: str, new: str, expected: str) -> None:
    change(directory / "runtimes/debian.yaml", old, new)
    with pytest.raises(InputError) as caught:
        load_runtime("debian", directory)
    assert str(caught.value).startswith("profiles/runtimes/debian.yaml:")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("repository: https:", "repository: git:", "wanted a URL of https, ssh, file, http"),
        ("repository: https://", "repository: ext::sh -c ", "wanted a URL as in https://github.com/OWNER/NAME"),
        ("repository: https://", "repository: git@", "wanted a URL as in"),
        ("https://github.com/", "https://-oProxyCommand=x/", "wanted a host and a path"),
        ("https://github.com/", "https://me:secret@github.com/", "repository: the URL holds a user or a password"),
        ("https://github.com/", "https://token@github.com/", "repository: the URL holds a user or a password"),
        ("https://github.com/", "https://github.com:port/", "wanted a URL: "),
        ("https://github.com/charlie12345/rocmfp4-llama", "file:///", "wanted a host and a path"),
        ("ref: mtp", "ref: --mtp", "ref: found '--mtp-rocmfp4-strix', wanted the name of a branch or a tag"),
        ("ref: mtp-rocmfp4-strix", f"ref: {'a' * 40}", f"ref: found the commit {'a' * 40}, wanted a branch or a tag"),
        ("ref: mtp-rocmfp4-strix", "ref: a..b", "wanted the name of a branch"),
        ("ref: mtp-rocmfp4-strix", "ref: 'refs/heads/*'", "wanted the name of a branch"),
        ("[hip, vulkan]", "[hip, vulcan]", "found 'vulcan', wanted 'hip' or 'vulkan'; did you mean 'vulkan'?"),
        ("JOBS={jobs}", "JOBS={job}", "unknown placeholder {job}; did you mean 'jobs'?"),
        (
            '"{build}"',
            '"{cache}"',
            "environment_build.BUILD_DIR: unknown placeholder {cache}; did you mean 'ccache'?",
        ),
        ("binary: llama-server", "binary: llama-sever", "'llama-sever' is not among the programs; did you mean"),
        ("binary: llama-server", "binary: bin/llama-server", "wanted the name of a program, without '/'"),
        ("[ggml/include]", "[../include]", "headers[0]: found '../include', wanted a path in the source"),
        ("[ggml/include]", "[/usr/include]", "headers[0]: found '/usr/include', wanted a path in the source"),
        ("job_mib: 3072", "job_mib: 0", "job_mib: found 0, wanted at least 1"),
    ],
)
def test_faults_of_a_build(directory: Path, old: str, new: str, expected: str) -> None:
    change(directory / "runtimes/rocmfp4.yaml", old, new)
    with pytest.raises(InputError) as caught:
        load_runtime("rocmfp4", directory)
    assert str(caught.value).startswith("profiles/runtimes/rocmfp4.yaml:")
    assert expected in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "token@" not in str(caught.value)
