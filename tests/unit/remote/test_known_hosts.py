"""known_hosts as ssh reads and writes it."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strixkit.errors import ConnectError
from strixkit.remote import known_hosts


def _key(text: str, kind: str = "ssh-ed25519") -> bytes:
    return len(kind).to_bytes(4, "big") + kind.encode() + text.encode()


def _line(names: str, text: str, kind: str = "ssh-ed25519") -> str:
    return f"{names} {kind} {base64.b64encode(_key(text, kind)).decode()}"


def _keys(path: Path, host: str) -> list[bytes]:
    return [entry.key for entry in known_hosts.entries([path], host)]


@pytest.mark.parametrize(
    ("names", "host", "found"),
    [
        ("strix01", "strix01", True),
        ("STRIX01", "strix01", True),
        ("strix01", "strix011", False),
        ("*.lab", "strix01.lab", True),
        ("*.lab,!bad.lab", "bad.lab", False),
        ("!bad.lab,*.lab", "bad.lab", False),
        ("!bad.lab", "good.lab", False),
        ("strix0?", "strix01", True),
        ("a,b,c", "b", True),
        ("[strix01]:2222", "[strix01]:2222", True),
        ("[strix01]:2222", "strix01", False),
        ("[*]:2222", "[strix01]:2222", True),
        ("198.18.0.*", "198.18.0.11", True),
        ("|1|no|salt|x", "strix01", False),
        ("|1|", "strix01", False),
    ],
)
def test_names_are_matched_as_ssh_does(names: str, host: str, found: bool) -> None:
    assert known_hosts.matches(names, host) is found


@pytest.mark.parametrize(
    ("name", "host", "found"),
    [("strix01", "strix01", True), ("[strix01]:2222", "[strix01]:2222", True), ("strix01", "strix02", False)],
)
def test_hashed_names_are_matched(name: str, host: str, found: bool) -> None:
    assert known_hosts.matches(known_hosts.hashed(name), host) is found


def test_bad_lines_count_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    lines = ["# strix01", "", "@cert-authority * ssh-ed25519 AAAA", "strix01 ssh-ed25519 %%%", "strix01", "@revoked"]
    lines += ["strix01 ssh-rsa " + _line("x", "other kind").split()[2], _line("strix01", "good")]
    path.write_bytes(b"\xff\xfe strix01\n" + "\n".join(lines).encode())
    assert _keys(path, "strix01") == [_key("good")]


@given(st.binary())
def test_no_line_is_too_bad(data: bytes) -> None:
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        entry = known_hosts.parse(line)
        assert entry is None or known_hosts.matches(entry.names, "strix01") in {True, False}


def test_both_of_two_keys_of_one_kind_count(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"{_line('h', 'old')}\n{_line('h', 'new')}\n")
    assert _keys(path, "h") == [_key("old"), _key("new")]


def test_a_key_is_added_to_a_file_without_a_last_newline(tmp_path: Path) -> None:
    path = tmp_path / "new/known_hosts"
    known_hosts.add(path, "a", "ssh-ed25519", _key("1"))
    path.write_text(path.read_text().rstrip())
    known_hosts.add(path, "b", "ssh-ed25519", _key("2"))
    assert path.read_text() == f"{_line('a', '1')}\n{_line('b', '2')}\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_taking_out_a_host_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    kept = [
        "# h1 is mine",
        "damaged h1 line",
        _line("*", "wild"),
        "@revoked " + _line("h1", "stolen"),
        "@cert-authority " + _line("h1", "authority"),
        _line("h11", "other"),
        _line(known_hosts.hashed("h2"), "hashed"),
    ]
    gone = [_line("h1", "old"), _line("H1", "upper"), _line(known_hosts.hashed("h1"), "hashed")]
    path.write_bytes("\n".join([*kept, *gone, _line("h1,h2", "shared")]).encode() + b"\n\xff h1\n")
    known_hosts.take_out(path, "h1")
    assert path.read_bytes() == "\n".join([*kept, _line("h2", "shared")]).encode() + b"\n\xff h1\n"


def test_a_symlink_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("")
    (tmp_path / "real").chmod(0o644)
    (tmp_path / "known_hosts").symlink_to("real")
    known_hosts.add(tmp_path / "known_hosts", "h", "ssh-ed25519", _key("1"))
    assert (tmp_path / "known_hosts").is_symlink()
    assert _keys(tmp_path / "real", "h") == [_key("1")]
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o644


def test_a_device_is_not_replaced() -> None:
    with pytest.raises(ConnectError, match="/dev/null: found something that is no file"):
        known_hosts.add(Path("/dev/null"), "h", "ssh-ed25519", _key("1"))
    assert Path("/dev/null").is_char_device()


def test_ssh_keygen_finds_what_is_written(tmp_path: Path, make_key) -> None:
    kind, text = make_key("host").with_suffix(".pub").read_text().split()[:2]
    path = tmp_path / "known_hosts"
    known_hosts.add(path, known_hosts.hashed("[h]:2222"), kind, base64.b64decode(text))
    found = subprocess.run(["ssh-keygen", "-F", "[h]:2222", "-f", path], capture_output=True, text=True, check=True)
    assert text in found.stdout
