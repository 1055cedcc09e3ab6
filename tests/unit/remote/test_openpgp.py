"""Fingerprints of key files: as gpg itself sees them, and nothing of a file that is not understood whole."""

from __future__ import annotations

import base64
import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strixkit.remote.agent import openpgp
from strixkit.remote.agent.openpgp import KeyFileError

pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg makes the keys")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Key files by name, made by gpg: of each algorithm, with subkeys, armored and not, and two in one."""
    home = tmp_path_factory.mktemp("gnupg")
    home.chmod(0o700)

    def gpg(*words: str) -> bytes:
        command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", "", *words]
        return subprocess.run(command, check=True, capture_output=True).stdout

    made = {}
    for kind in ("rsa2048", "ed25519", "nistp256"):
        gpg("--quick-generate-key", f"{kind} <{kind}@example.org>", kind, "sign", "1y")
        made[kind] = gpg("--export", f"{kind}@example.org")
        made[f"{kind}-armored"] = gpg("--export", "--armor", f"{kind}@example.org")
    gpg("--quick-generate-key", "sub <sub@example.org>", "rsa2048", "default", "1y")
    made["sub"] = gpg("--export", "sub@example.org")
    made["two"] = gpg("--export", "rsa2048@example.org", "ed25519@example.org")
    made["two-armored"] = gpg("--export", "--armor", "rsa2048@example.org", "ed25519@example.org")
    made["secret"] = gpg("--export-secret-keys", "ed25519@example.org")
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
    return made


def by_gpg(path: Path) -> list[str]:
    command = ["gpg", "--show-keys", "--with-colons", str(path)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    found, primary = [], False
    for line in lines:
        fields = line.split(":")
        primary = primary if fields[0] not in ("pub", "sub") else fields[0] == "pub"
        if fields[0] == "fpr" and primary:
            found.append(fields[9])
    return found


@pytest.mark.parametrize(
    "name",
    [
        *("rsa2048", "ed25519", "nistp256", "rsa2048-armored", "ed25519-armored", "nistp256-armored"),
        *("sub", "two", "two-armored"),
    ],
)
def test_as_gpg_sees_them(keys: dict[str, bytes], name: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(keys[name])
    packets = openpgp.binary(keys[name])
    assert openpgp.fingerprints(packets) == by_gpg(path)
    # What is put in place is what was looked at.
    path.write_bytes(packets)
    assert openpgp.fingerprints(packets) == by_gpg(path)


def test_what_is_not_one_whole_file_of_public_keys_is_refused(keys: dict[str, bytes]) -> None:
    armored = keys["ed25519-armored"]
    odd = {
        "no OpenPGP key": [b"", b"<html>404</html>", b"\n", "schlüssel".encode()],
        "not one whole": [armored[:-40], armored + armored, armored + b"more"],
        "in the middle": [keys["ed25519"][:-1], b"\xff", b"\x98"],
        "type 5": [keys["secret"]],
        "begins no packet": [keys["ed25519"] + b"\n"],
        "no length": [b"\xc6\xe0" + b"x" * 40, b"\x9b" + b"x" * 40],
        "does not begin": [b"\xcd\x01x" + keys["ed25519"]],
        "version 3": [b"\xc6\x02\x03\x00"],
        "more than": [keys["ed25519"] * 10_000],
        "base64": [armored.replace(b"=", b"!", 1)],
    }
    for words, files in odd.items():
        for data in files:
            with pytest.raises(KeyFileError, match=words):
                openpgp.fingerprints(openpgp.binary(data))


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_else_than_be_refused_or_read(data: bytes) -> None:
    for given_data in (data, openpgp.BEGIN.encode() + b"\n\n" + base64.b64encode(data) + b"\n" + openpgp.END.encode()):
        with contextlib.suppress(KeyFileError):
            assert openpgp.fingerprints(openpgp.binary(given_data))
