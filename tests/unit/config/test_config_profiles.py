"""Profiles by name: `extends`, and errors that name the file and line where the fault was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from strixkit.config.profiles import load_profile, profile_names
from strixkit.errors import InputError

PROFILES = Path(__file__).parents[3] / "profiles"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/coding.yaml").write_text((PROFILES / "coding.yaml").read_text())
    return Path("profiles")


def fault(directory: Path, text: str, **others: str) -> str:
    for name, content in {"mine": text, **others}.items():
        (directory / f"{name}.yaml").write_text(content)
    with pytest.raises(InputError) as caught:
        load_profile("mine", directory)
    return str(caught.value)


def test_the_profiles_of_the_project_load() -> None:
    assert profile_names() == ["coding", "faithful", "fast", "general", "long-context", "small"]
    coding, general = load_profile("coding"), load_profile("general")
    assert (coding.sampling.temperature, general.sampling.temperature) == (0.6, 1.0)
    changed = {"description": general.description, "sampling": general.sampling}
    assert coding.model_copy(update=changed) == general
    assert general.sampling.model_copy(update={"temperature": 0.6}) == coding.sampling


def test_extends_merges_mappings_and_replaces_lists(directory: Path) -> None:
    (directory / "base.yaml").write_text("extends: coding\nkv: {types: [q8_0]}\nserver: {port: 9000}\n")
    (directory / "mine.yaml").write_text("extends: base\nserver: {alias: x}\ncontext:\n  least: 4096\n")
    profile = load_profile("mine", directory)
    assert profile.kv.types == ("q8_0",)
    assert (profile.server.alias, profile.server.port, profile.server.host) == ("x", 9000, "0.0.0.0")
    assert (profile.context.want, profile.context.least) == (262144, 4096)


def test_k_and_v_may_differ(directory: Path) -> None:
    text = 'extends: coding\nkv: {types: ["q8_0/f16", "f16/f16"]}\ndraft: {kv: "f16/q8_0"}\n'
    (directory / "mine.yaml").write_text(text)
    profile = load_profile("mine", directory)
    assert (profile.kv.types, profile.draft.kv) == (("q8_0/f16", "f16"), ("f16/q8_0",))
    for words in ("q8_0/", "/f16", "f16/f16/f16", ""):
        assert f"draft.kv: found '{words}'" in fault(directory, f"extends: coding\ndraft: {{kv: '{words}'}}\n")


def test_one_value_is_pinned_and_a_list_is_a_ladder(directory: Path) -> None:
    text = "extends: coding\nbatch: {size: [1024, 512]}\ndraft: {max: auto}\ncache: {checkpoints: 3, ram_mib: 0}\n"
    (directory / "mine.yaml").write_text(text)
    profile = load_profile("mine", directory)
    assert (profile.batch.size, profile.batch.micro, profile.draft.max) == ((1024, 512), (256,), "auto")
    assert (profile.cache.checkpoints, profile.cache.ram_mib, profile.server.parallel) == ((3,), (0,), (1,))
    for text, words in [
        ("batch: {size: []}", "batch.size: found an empty list, wanted at least 1"),
        ("batch: {size: [1024, x]}", "batch.size[1]: found 'x', wanted a whole number"),
        ("batch: {size: [1024, 128]}", "batch: found micro 256, wanted at most size: 128"),
        ("draft: {max: 0}", "draft.max: found 0, wanted more than 0"),
        ("draft: {max: ten}", "draft.max: found 'ten', wanted a whole number or 'auto'"),
        ("prefer: [kv, ctx]", "prefer[1]: found 'ctx', wanted 'kv', 'context'"),
    ]:
        assert words in fault(directory, f"extends: coding\n{text}\n")


def test_all_faults_are_told_at_once(directory: Path) -> None:
    text = """extends: coding
kv:
  types: [f16, q8_1]
batch:
  sise: 3
  micro: "x"
server:
  port: true
draft:
device:
  gpu_layers: al
sampling:
  top_p: 1.5
"""
    types = "'f32', 'f16', 'bf16', 'q8_0', 'q5_1', 'q5_0', 'q4_1', 'q4_0' or 'iq4_nl'"
    assert fault(directory, text).splitlines() == [
        f"profiles/mine.yaml:3: kv.types[1]: found 'q8_1', wanted {types}; did you mean 'q8_0'?",
        "profiles/mine.yaml:5: batch.sise: unknown key; did you mean 'size'?",
        "profiles/mine.yaml:6: batch.micro: found 'x', wanted a whole number",
        "profiles/mine.yaml:8: server.port: found true, wanted a whole number",
        "profiles/mine.yaml:9: draft: found nothing, wanted a mapping",
        "profiles/mine.yaml:11: device.gpu_layers: found 'al', wanted a whole number or 'all' or 'auto'; did you mean 'all'?",  # noqa: E501
        "profiles/mine.yaml:13: sampling.top_p: found 1.5, wanted at most 1.0",
    ]


def test_a_fault_in_the_extended_profile_names_its_own_file(directory: Path) -> None:
    base = "extends: coding\nserver:\n  port: 70000\n  alias: base\n"
    message = fault(directory, "extends: base\nserver:\n  alias: mine\n", base=base)
    assert message == "profiles/base.yaml:3: server.port: found 70000, wanted less than 65536"


def test_an_overridden_fault_is_the_overriding_files(directory: Path) -> None:
    message = fault(directory, "extends: base\n\nkv: {types: 16}\n", base="extends: coding\nkv: {types: [a, b]}\n")
    assert message == "profiles/mine.yaml:3: kv.types: found 16, wanted text (put it in quotes)"


def test_a_misspelt_key_comes_before_what_is_missing_because_of_it(directory: Path) -> None:
    lines = fault(directory, "extend: coding\n").splitlines()
    assert lines[0] == "profiles/mine.yaml:1: extend: unknown key; did you mean 'extends'?"
    assert "profiles/mine.yaml:1: kv: missing, and it is required" in lines


def test_unknown_names_are_told_with_the_nearest(directory: Path) -> None:
    with pytest.raises(InputError, match=r"unknown profile 'Codng'; did you mean 'coding'\? \(known: coding\)"):
        load_profile("Codng", directory)
    message = fault(directory, "\nextends: codng\n")
    assert message.startswith("profiles/mine.yaml:2: extends: unknown profile 'codng'; did you mean 'coding'?")


@pytest.mark.parametrize("name", ["../profiles/coding", "coding.yaml", "", "/etc/passwd"])
def test_a_name_is_never_a_path(directory: Path, name: str) -> None:
    with pytest.raises(InputError, match="unknown profile"):
        load_profile(name, directory)


def test_a_circle_is_told(directory: Path) -> None:
    message = fault(directory, "extends: other\n", other="# x\nextends: mine\n")
    assert message.startswith(
        "profiles/other.yaml:2: extends: the profiles extend each other in a circle: mine -> other -> mine"
    )
    assert "mine -> mine" in fault(directory, "extends: mine\n")


@pytest.mark.parametrize("value", ["3", "[coding]", "~"])
def test_extends_wants_a_name(directory: Path, value: str) -> None:
    assert "wanted the name of a profile" in fault(directory, f"extends: {value}\n")
