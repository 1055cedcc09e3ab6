"""Each kind: what it asks, what it finds different, and that a satisfied wish changes nothing."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from strixkit.resources.artifact import Artifact
from strixkit.resources.file import File
from strixkit.resources.key import Key
from strixkit.resources.packages import Packages
from strixkit.resources.release import Release
from strixkit.resources.user import User

SHA = "a" * 64
PLACED = {"type": "file", "owner": "root", "group": "root", "mode": 0o644}


@given(st.text())
def test_file_with_any_content_travels_whole_and_then_is_satisfied(content: str) -> None:
    file = File(path="/etc/x", content=content)
    [step] = file.steps(file.absent())
    sent = base64.b64decode(step.arguments["content"])
    assert sent.decode() == content
    assert file.diff({**PLACED, "sha256": hashlib.sha256(sent).hexdigest()}) == ()


def test_file_owner_and_mode_differ() -> None:
    file = File(path="/etc/x", content="", owner="llama", mode=0o600)
    answer = {**PLACED, "sha256": hashlib.sha256(b"").hexdigest()}
    assert [(change.field, change.found, change.wanted) for change in file.diff(answer)] == [
        ("owner", "root", "llama"),
        ("mode", "0644", "0600"),
    ]


def test_file_that_must_not_be_there() -> None:
    gone = File(path="/etc/x", content=None)
    assert gone.diff({"type": "absent"}) == ()
    assert gone.steps(PLACED)[0].step == "remove"


@pytest.mark.parametrize("path", ["relative", "/a/../b", "/a//b", "/a/", "/a\nb", "/a\0b"])
def test_odd_paths_are_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        File(path=path, content="")


def test_key_is_never_asked_for_its_content() -> None:
    key = Key(path="/etc/strixkit/credentials/main.key")
    assert key.question() == {"ask": "secret", "path": key.path}
    assert key.diff({**PLACED, "mode": 0o600, "valid": True}) == ()
    [change] = key.diff({**PLACED, "mode": 0o600, "valid": False})
    assert (change.field, key.steps({})[0].step) == ("content", "secret")


def test_packages_only_install_what_is_missing() -> None:
    wish = Packages(label="x", names=("curl", "sudo"))
    [step] = wish.steps({"curl": "8.0"})
    assert step.arguments == {"packages": ["sudo"]}
    assert wish.diff({"curl": "8.0", "sudo": "1.9"}) == ()


@pytest.mark.parametrize("name", ["-o=APT::x", "a b", "$(id)", "A", ""])
def test_odd_package_names_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Packages(label="x", names=(name,))


def test_user_is_added_to_missing_groups_only() -> None:
    user = User(name="llama", groups=("render", "video"))
    assert user.diff({"exists": True, "groups": ["llama", "render", "video", "more"]}) == ()
    [change] = user.diff({"exists": True, "groups": ["render"]})
    assert change.wanted == "also video"


def test_artifact_is_sent_read_or_refused() -> None:
    sent = Artifact(path="/m/x.gguf", sha256=SHA, size=10, source="/home/x.gguf")
    assert [upload.offset for upload in sent.uploads({"exists": False, "partial_bytes": 4})] == [4]
    unread = {"exists": True, "size": 10, "sha256": "", "partial_bytes": 0}
    assert sent.uploads(unread) == ()
    assert [step.step for step in sent.steps(unread)] == ["hash"]
    assert sent.diff({**unread, "sha256": SHA}) == ()
    there = Artifact(path="/m/x.gguf", sha256=SHA)
    wrong = {**unread, "sha256": "b" * 64}
    assert there.uploads(wrong) == ()
    assert [step.step for step in there.steps(wrong)] == ["hash"], (
        "the step that refuses it before a service is touched"
    )


def _release(**manifest: object) -> Release:
    return Release(service="main", release="0123456789ab", unit="u\n", candidate="c", manifest=manifest, beside=True)


def _state(**changes: object) -> dict[str, object]:
    unit = {"active": "active", "enabled": "enabled", "process": {"digest": "0123456789ab", "exe": "/usr/bin/x"}}
    return {
        "current": "0123456789ab",
        "gated": ["0123456789ab"],
        "installed": "u",
        "unit": unit,
        "manifest": {},
        **changes,
    }


def test_release_in_service_is_satisfied() -> None:
    assert _release().diff(_state()) == ()


@pytest.mark.parametrize(
    ("state", "field"),
    [
        (_state(current="ffffffffffff"), "release"),
        (_state(gated=[]), "release"),
        (_state(installed="tampered"), "unit"),
        (_state(unit={"active": "failed", "enabled": "enabled", "process": {}}), "active"),
        (_state(unit={"active": "active", "enabled": "disabled", "process": {"digest": "0123456789ab"}}), "enabled"),
        (_state(unit={"active": "active", "enabled": "enabled", "process": {"digest": "ffffffffffff"}}), "process"),
        (
            _state(
                unit={
                    "active": "active",
                    "enabled": "enabled",
                    "process": {"digest": "0123456789ab", "exe": "/usr/bin/x (deleted)"},
                }
            ),
            "process",
        ),
    ],
)
def test_release_that_is_not_in_service(state: dict[str, object], field: str) -> None:
    assert [change.field for change in _release().diff(state)] == [field]


def test_release_shows_which_options_changed() -> None:
    old = {"profile": "coding", "options": {"sampling.temperature": 0.6, "kv.k": "f16"}}
    new = _release(profile="general", options={"sampling.temperature": 1.0, "kv.k": "f16"})
    changes = new.diff(_state(current="ffffffffffff", manifest=old))
    assert [(change.field, change.found, change.wanted) for change in changes[1:]] == [
        ("profile", '"coding"', '"general"'),
        ("sampling.temperature", "0.6", "1.0"),
    ]


def test_release_is_rehearsed_only_beside_a_running_one() -> None:
    assert _release().steps(_release().absent())[1].arguments["beside"] is False
    assert _release().steps(_state(current="ffffffffffff"))[1].arguments["beside"] is True
