"""Reading YAML: every fault is told with its file, line and column, and no tag runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strixkit.config.yaml import load
from strixkit.errors import InputError


def load_text(tmp_path: Path, text: str | bytes) -> dict[str, object]:
    path = tmp_path / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(path).values


def test_values_are_plain_and_positions_are_those_of_the_keys(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("# first\na: 1\nb:\n  c: [yes, 2.5, ~]\n  d: 2024-01-01\n")
    document = load(path)
    assert document.values == {"a": 1, "b": {"c": [True, 2.5, None], "d": "2024-01-01"}}
    assert document.where(("b", "d"))[1:] == (5, 3)
    assert document.where(("b", "c", 1))[1:] == (4, 12)
    assert document.where(("b", "missing"))[1:] == (3, 1)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "3:1", "duplicate key 'a', already given in line 1"),
        ("b:\n  c: 1\n  c: 1\n", "3:3", "duplicate key 'c'"),
        ("a: 1\n\tb: 2\n", "2:1", "found a tab, wanted spaces"),
        ("a:\n\tb: 2\n", "2:1", "found a tab, wanted spaces"),
        ("a:\n  b: x\n \tc: 3\n", "3:2", "found a tab, wanted spaces"),
        ("- a\n", "1:1", "found a list, wanted a mapping"),
        ("word\n", "1:1", "found a single value, wanted a mapping"),
        ("", "1:1", "the file is empty"),
        ("# only this\n", "1:1", "the file is empty"),
        (b"ok: 1\nname: M\xfcller\n", "2:8", "byte 0xfc is not UTF-8"),
        ("ok: 1\na: \x07\n", "2:4", "control character U+0007"),
        ("a: {b: 1\n", "2:1", "did not find expected"),
        ("a: 1\n---\nb: 1\n", "2:1", "another document"),
        ("a: *nowhere\n", "1:4", "undefined alias"),
        ("a: !!python/name:os.system x\n", "1:4", "!!python/name:os.system is not allowed"),
        ("a: !vault x\n", "1:4", "!vault is not allowed"),
        ("a: !!map x\n", "1:4", "does not fit"),
        ("a: !!int x\n", "1:4", "is not a YAML int"),
        ("a: 1\n<<: {b: 2}\n", "2:1", "merge keys"),
        ("on: 1\n", "1:1", "the key 'on' is read as a YAML bool, wanted text: put it in quotes"),
        ("a: {{ b }}\n", "1:5", "a key is a mapping"),
        ("a: .inf\n", "1:4", "wanted a finite number"),
        ("a: " + "9" * 5000, "1:4", "is not a YAML int"),
        ("a: &x [*x]\n", "1:4", "an alias that holds itself"),
        ("a: " + "[" * 200 + "]" * 200, "1:67", "nested more than 64 levels deep"),
    ],
)
def test_each_fault_is_told_with_its_place(tmp_path: Path, text: str | bytes, place: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        load_text(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'x.yaml'}:{place}: ")
    assert words in message


@pytest.mark.parametrize("depth", [1_000, 300_000])
def test_a_depth_that_libyaml_itself_may_refuse(tmp_path: Path, depth: int) -> None:
    """It looks ahead: since PyYAML 6.0.4 it stops at the thousandth level before we see the first."""
    with pytest.raises(InputError, match="nest") as caught:
        load_text(tmp_path, "a: " + "[" * depth)
    assert str(caught.value).startswith(f"{tmp_path / 'x.yaml'}:1:")


def test_aliases_cannot_grow_without_bound(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(InputError, match="grows without bound"):
        load_text(tmp_path, "\n".join(lines))


def test_a_tag_never_runs_anything(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not allowed"):
        load_text(tmp_path, f'a: !!python/object/apply:os.system ["touch {tmp_path}/ran"]\n')
    assert not (tmp_path / "ran").exists()


def test_a_tab_inside_a_line_and_a_byte_order_mark_are_fine(tmp_path: Path) -> None:
    assert load_text(tmp_path, b"\xef\xbb\xbfa:\tb\r\nc: 1\r\n") == {"a": "b", "c": 1}


def test_a_missing_file_and_a_directory_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.yaml: no such file"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_path_below_the_current_directory_is_shown_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^x\.yaml:1:1: "):
        load_text(tmp_path, "[]")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.text(alphabet="a:-[]{}&*!<#|>%@`'\"\\ \t\n1?,", max_size=40).map(str.encode))
def test_any_bytes_load_or_are_bad_input(tmp_path: Path, data: bytes) -> None:
    try:
        values = load_text(tmp_path, data)
    except InputError as error:
        assert "x.yaml:" in str(error)
    else:
        assert all(isinstance(key, str) for key in values)
