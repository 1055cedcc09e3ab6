"""The kinds that set up the box itself: what they find different, what they do, and that a satisfied wish is quiet."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from strixkit.resources.absent_module import AbsentModule
from strixkit.resources.absent_packages import AbsentPackages
from strixkit.resources.apt_repository import AptRepository
from strixkit.resources.base import Resource, Risk, Step
from strixkit.resources.daemon import Daemon
from strixkit.resources.library_path import LibraryPath
from strixkit.resources.power_profile import PowerProfile
from strixkit.resources.unset_variable import UnsetVariable

KEY, OTHER = "A" * 40, "B" * 40


def repository(**fields: Any) -> AptRepository:
    given: dict[str, Any] = {
        "name": "strixkit-rocm",
        "uri": "https://repo.radeon.com/rocm/apt/7.2.4",
        "suites": ("noble",),
        "components": ("main",),
        "key_url": "https://repo.radeon.com/rocm/rocm.gpg.key",
        "fingerprint": KEY,
        "origin": "repo.radeon.com",
    }
    return AptRepository(**{**given, **fields})


def there(wanted: AptRepository, **changes: Any) -> dict[str, Any]:
    source, pin = wanted.source.rstrip("\n"), wanted.pin.rstrip("\n")
    return {"keys": [KEY], "fault": "", "source": source, "pin": pin, "elsewhere": {}, **changes}


def test_a_repository_is_three_files_with_one_key() -> None:
    wanted = repository()
    assert wanted.source == (
        "Types: deb\nURIs: https://repo.radeon.com/rocm/apt/7.2.4\nSuites: noble\nComponents: main\n"
        "Architectures: amd64\nSigned-By: /etc/apt/keyrings/strixkit-rocm.gpg\n"
    )
    assert wanted.pin == "Package: *\nPin: release o=repo.radeon.com\nPin-Priority: 600\n"
    assert wanted.diff(there(wanted)) == ()
    assert [change.field for change in wanted.diff(wanted.absent())] == ["key", "source", "pin"]


@pytest.mark.parametrize(
    ("changes", "field", "found"),
    [
        ({"keys": [OTHER]}, "key", OTHER),
        ({"keys": [KEY, OTHER]}, "key", f"{KEY}, {OTHER}"),
        ({"keys": [], "fault": "it holds no key"}, "key", "unreadable: it holds no key"),
        ({"keys": None}, "key", "absent"),
        ({"source": "Types: deb"}, "source", "Types: deb"),
        ({"pin": None}, "pin", "absent"),
        ({"elsewhere": {"/etc/apt/rocm.list": ["deb x"]}}, "in /etc/apt/rocm.list", "deb x"),
    ],
)  # fmt: skip
def test_what_of_a_repository_differs(changes: dict[str, Any], field: str, found: str) -> None:
    [change] = repository().diff(there(repository(), **changes))
    assert (change.field, change.found) == (field, found)


def test_a_repository_that_is_to_go() -> None:
    gone = repository(present=False)
    assert gone.diff(gone.absent()) == ()
    assert {change.wanted for change in gone.diff(there(gone))} == {"absent"}
    [step] = gone.steps(there(gone))
    assert step.step == "no_apt_repository"


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "../x"},
        {"uri": "https://x y"},
        {"uri": "file:/etc"},
        {"uri": "https://x\nSigned-By: /x"},
        {"suites": ("noble\nTrusted: yes",)},
        {"suites": ()},
        {"components": ("main [trusted=yes]",)},
        {"fingerprint": "CA8B"},
        {"fingerprint": KEY.lower()},
        {"origin": 'x"\nPin-Priority: 1001'},
    ],
)
def test_nothing_but_the_fields_gets_into_the_files(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        repository(**fields)


def test_packages_in_the_way_and_what_goes_with_them() -> None:
    wish = AbsentPackages(label="x", names=("amdvlk", "rocminfo=5.7.*"))
    assert wish.diff(wish.absent()) == ()
    changes = wish.diff({"found": {"amdvlk": "2025.1"}, "along": ["games"]})
    assert [(change.field, change.found, change.wanted) for change in changes] == [
        ("amdvlk", "2025.1", "absent"),
        ("with them", "games", "absent"),
    ]
    assert wish.steps({})[0].arguments == {"packages": ["amdvlk", "rocminfo=5.7.*"], "purge": True}
    assert shlex.split(wish.undo()) == ["apt-get", "install", "amdvlk", "rocminfo"]


@pytest.mark.parametrize("name", ["-o=x", "a b", "x=$(id)", "x=1;y", "x="])
def test_odd_names_in_the_way_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        AbsentPackages(label="x", names=(name,))


def test_a_variable_is_taken_out_line_by_line() -> None:
    wish = UnsetVariable(path="/etc/profile.d/x.sh", name="HSA_OVERRIDE_GFX_VERSION")
    assert wish.diff(wish.absent()) == ()
    [change] = wish.diff({"lines": ["export HSA_OVERRIDE_GFX_VERSION=11.0.0"]})
    assert change.found == "export HSA_OVERRIDE_GFX_VERSION=11.0.0"


@pytest.mark.parametrize("enabled", ["", "masked"])
def test_a_daemon_that_cannot_start_is_left_alone(enabled: str) -> None:
    assert Daemon(name="tlp.service", running=False).diff({"enabled": enabled, "active": "inactive"}) == ()


@pytest.mark.parametrize(
    ("running", "state", "fields"),
    [
        (False, ("enabled", "active"), ["enabled", "active"]),
        # D-Bus would start it.
        (False, ("disabled", "inactive"), ["enabled"]),
        (False, ("masked", "active"), ["active"]),
        (True, ("enabled", "active"), []),
        (True, ("masked", "inactive"), ["enabled", "active"]),
        (True, ("enabled", "failed"), ["active"]),
    ],
)
def test_daemons(running: bool, state: tuple[str, str], fields: list[str]) -> None:
    wish = Daemon(name="tuned.service", running=running)
    assert [change.field for change in wish.diff({"enabled": state[0], "active": state[1]})] == fields


def test_a_profile_counts_only_when_it_took() -> None:
    tuned = PowerProfile(by="tuned", profile="accelerator-performance")
    assert tuned.diff({"profile": "accelerator-performance", "verified": True}) == ()
    [change] = tuned.diff({"profile": "accelerator-performance", "verified": False})
    assert change.field == "verified"
    [change] = tuned.diff({"profile": "balanced", "verified": False})
    assert (change.found, change.wanted) == ("balanced", "accelerator-performance")
    # power-profiles-daemon has no word of its own for it.
    assert PowerProfile(by="power-profiles", profile="performance").diff({"profile": "performance"}) == ()


def test_a_profile_is_switched_when_its_daemon_runs() -> None:
    daemon = Daemon(name="tuned.service", running=True, package="tuning")
    profile = PowerProfile(by="tuned", profile="accelerator-performance")
    assert profile.requires() == {daemon.id}
    assert daemon.requires() == {"packages:tuning"}
    assert {step.phase for step in (*daemon.steps({}), *profile.steps({}))} == {Step.START}


def test_a_loaded_module_waits_for_a_reboot() -> None:
    wish: Resource = AbsentModule(name="amdttm")
    assert wish.diff({"loaded": []}) == ()
    [change] = wish.diff({"loaded": ["amdttm"]})
    assert change.risk is Risk.REBOOT
    assert wish.steps({"loaded": ["amdttm"]}) == ()


def test_nothing_goes_that_is_on_hold_or_of_which_apt_cannot_say_what_goes_along() -> None:
    wanted = AbsentPackages(label="x", names=("amdvlk",), reason="slow")
    found = {"found": {"amdvlk": "1"}, "along": ["b"]}
    assert wanted.refuse({**found, "held": []}) is None
    assert wanted.refuse({**found, "held": ["b"]}) == "what goes is on hold: b (slow); on the box: apt-mark unhold b"
    assert wanted.refuse({**found, "fault": "E: no", "held": []}) == (
        "apt does not say what would go with amdvlk: E: no; on the box: dpkg --configure -a && "
        "apt-get --fix-broken install"
    )
    assert str(wanted.refuse({**found, "fault": "E: no", "held": ["b"]})).endswith(
        "E: no (on hold: b); on the box: apt-mark unhold b"
    )


LIBRARIES = LibraryPath(name="strixkit-rocm", folders=("/opt/rocm/lib", "/opt/x"))
NO_LIBRARIES = LIBRARIES.model_copy(update={"present": False})


def loader(*, file: bool, missing: Sequence[str] = (), stale: Sequence[str] = ()) -> dict[str, Any]:
    content = b"/opt/rocm/lib\n/opt/x\n"
    there = {"type": "file", "owner": "root", "group": "root", "mode": 0o644}
    there |= {"sha256": hashlib.sha256(content).hexdigest(), "text": content.decode()}
    return {"file": there if file else {"type": "absent"}, "missing": list(missing), "stale": list(stale)}


@pytest.mark.parametrize(
    ("wish", "answer", "found", "steps"),
    [
        (LIBRARIES, {"file": False}, {"presence": "absent"}, ["write", "ldconfig"]),
        (LIBRARIES, {"file": True, "missing": ("a",)}, {"loader's cache": "without a"}, ["ldconfig"]),
        (LIBRARIES, {"file": True, "missing": "abcde"}, {"loader's cache": "without a, b, c and 2 more"}, ["ldconfig"]),
        # Of a release before this one, say: not in the way of what is there.
        (LIBRARIES, {"file": True, "stale": ("a",)}, {}, []),
        (LIBRARIES, {"file": True}, {}, []),
        (NO_LIBRARIES, {"file": False}, {}, []),
        (NO_LIBRARIES, {"file": True}, {"presence": "file"}, ["remove", "ldconfig"]),
        (NO_LIBRARIES, {"file": False, "stale": ("a",)}, {"loader's cache": "with a"}, ["ldconfig"]),
        # What another file names.
        (NO_LIBRARIES, {"file": False, "missing": ("a",)}, {}, []),
    ],
)  # fmt: skip
def test_a_folder_of_libraries_counts_when_the_loaders_cache_has_them(
    wish: LibraryPath, answer: dict[str, Any], found: dict[str, str], steps: list[str]
) -> None:
    given = loader(**answer)
    changes = wish.diff(given)
    assert {change.field: change.found for change in changes} == found
    assert {change.resource for change in changes} <= {"library_path:/etc/ld.so.conf.d/strixkit-rocm.conf"}
    if changes:
        assert [step.step for step in wish.steps(given)] == steps


def test_a_bare_machine_knows_no_folder_of_libraries() -> None:
    assert [change.field for change in LIBRARIES.diff(LIBRARIES.absent())] == ["presence"]
    assert NO_LIBRARIES.diff(NO_LIBRARIES.absent()) == ()
    assert "a directory" in str(LIBRARIES.refuse({"file": {"type": "directory", "owner": "root"}}))


@pytest.mark.parametrize("fields", [{"name": "../x"}, {"folders": ()}, {"folders": ("lib",)}, {"folders": ("/a\n/b",)}])
def test_nothing_but_folders_gets_into_the_loaders_file(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LibraryPath(**{"name": "x", "folders": ("/opt/x",), **fields})
