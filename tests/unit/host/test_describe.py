"""From answers of a box to wishes: models by hash or by file, and runtimes that cannot be asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from roles.runtime import role
from strixkit.config.catalogue import load_runtime
from strixkit.config.host import Host, Provisioning, Service
from strixkit.config.source import ModelSource
from strixkit.errors import InputError, RemoteError
from strixkit.host import cache
from strixkit.host.context import HostContext, RuntimeState, environment_of
from strixkit.host.describe import Description
from strixkit.planner import gguf
from strixkit.planner.facts import Facts
from strixkit.resources.artifact import Artifact
from strixkit.resources.packages import Packages
from strixkit.resources.release import Release

DATA = Path(__file__).parents[2] / "data"
FACTS = DATA / "facts/framework-128gb.json"
MODEL = DATA / "gguf/tiny-pred-strix.gguf"
ON_BOX = "/srv/m.gguf"
HELP = (DATA / "help/llama.cpp-0.7.0.txt").read_text()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _host(source: ModelSource, runtime: str = "rocmfp4") -> Host:
    services = {"main": Service(profile="coding", model="tiny", source=source)}
    return Host(name="strix01", address="strix01", runtime=runtime, services=services)


def _boxed(identity: str) -> dict[str, Any]:
    size = MODEL.stat().st_size
    with MODEL.open("rb") as handle:
        header = gguf.summary(gguf.read_header(handle, size), size)
    return {"path": ON_BOX, "present": True, "size": size, "identity": identity, "header": header}


def _release(host: Host, answer: dict[str, Any]) -> Release:
    desired = Description(host, preview=True).desired({**json.loads(FACTS.read_text()), **answer})
    [release] = [resource for resource in desired.resources if isinstance(resource, Release)]
    return release


def test_another_file_at_the_same_place_is_another_release() -> None:
    host = _host(ModelSource(box=ON_BOX))
    first, same, other = (
        _release(host, {"models": [_boxed(f"{ON_BOX}:{stamp}")]}) for stamp in ("1:2:3", "1:2:3", "1:9:3")
    )
    assert first.release == same.release != other.release
    assert first.manifest["model"]["identity"] == f"{ON_BOX}:1:2:3"


def test_a_model_with_a_known_hash_is_told_by_its_hash_alone() -> None:
    host = _host(ModelSource(box=ON_BOX, sha256="a" * 64))
    first, other = (_release(host, {"models": [_boxed(f"{ON_BOX}:{stamp}")]}) for stamp in ("1:2:3", "1:9:3"))
    assert first.release == other.release
    assert "identity" not in first.manifest["model"]


def test_a_local_model_with_another_hash_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        Description(_host(ModelSource(controller=str(MODEL), sha256="a" * 64)))
    assert f"model file {MODEL} has sha256 {cache.sha256(MODEL)}, wanted {'a' * 64}" in caught.value.message
    assert caught.value.host == "strix01"
    Description(_host(ModelSource(controller=str(MODEL), sha256=cache.sha256(MODEL))))


def _runtime(**answer: Any) -> dict[str, Any]:
    return {**json.loads(FACTS.read_text()), "runtime": {"present": True, "identity": "f00", **answer}}


def test_a_runtime_that_its_owner_built_and_that_does_not_start_is_told_and_not_remembered() -> None:
    description = Description(_host(ModelSource(box=ON_BOX), runtime="rocmfp4-path"))
    broken = _runtime(error="/opt/x/llama-server --help failed (exit 127): libamdhip64.so.7: cannot open")
    with pytest.raises(InputError, match=r"libamdhip64\.so\.7") as caught:
        description.desired({**broken, "models": [_boxed("1")]})
    assert str(caught.value).startswith("strix01: runtime rocmfp4-path: /opt/x/llama-server")
    assert description.facts_request()["known"] == ["1"], "the model's header, and nothing of the runtime"


def test_a_package_that_is_half_installed_is_installed_and_the_reason_told() -> None:
    """A power cut in the middle of apt: the binary is there, its libraries are not."""
    facts = Facts.model_validate(json.loads(FACTS.read_text())["facts"])
    state = RuntimeState("debian", load_runtime("debian"), error="llama-server --help failed (exit 127): libllama.so.0")
    context = HostContext(_host(ModelSource(box=ON_BOX), runtime="debian"), facts, state, ())
    assert [type(resource) for resource in role.resources(context)] == [Packages]
    assert "libllama.so.0" in context.notes[0]
    assert not state.present


def test_what_a_runtime_answered_is_remembered_for_this_host_alone() -> None:
    host = _host(ModelSource(box=ON_BOX), runtime="rocmfp4-path")
    description = Description(host, preview=True)
    description.desired({**_runtime(help=HELP + "\n-cpent N  x\n--no-mmap  x\n", version="version: 7"), "models": []})
    assert description.facts_request()["known"] == ["f00"]
    assert Description(host.model_copy(update={"name": "strix02"})).facts_request()["known"] == []


HEAD_Q6 = "Qwen3.6-27B-MTP-ROCmFP4-STRIX-imatrix-embF16-headQ6.gguf"


@pytest.mark.parametrize(
    ("profile", "pinned", "model", "variant", "note"),
    [
        ("coding", None, "qwen3.6-27b-mtp", "embF16", ""),
        ("faithful", None, "qwen3.6-27b-mtp", "embF16-headQ6", ""),
        ("faithful", "embF16", "qwen3.6-27b-mtp", "embF16", "the inventory names embF16"),
        ("faithful", None, "tiny", "f32", "tiny has no such variant"),
    ],
)
def test_a_profiles_variant_is_a_wish(profile: str, pinned: str | None, model: str, variant: str, note: str) -> None:
    source = ModelSource(box=ON_BOX) if model == "tiny" else None
    services = {"main": Service(profile=profile, model=model, variant=pinned, source=source)}
    host = Host(name="strix01", address="strix01", runtime="rocmfp4", services=services)
    described = Description(host, preview=True)
    answer = {"models": [_boxed("a:1:2:3")]} if model == "tiny" else {}
    desired = described.desired({**json.loads(FACTS.read_text()), **answer})
    assert described.files["main"].variant == variant
    assert (described.files["main"].path.rpartition("/")[2] == HEAD_Q6) == (variant == "embF16-headQ6")
    said = [text for text in desired.notes if "wishes variant" in text]
    assert said == ([f"service main: profile faithful wishes variant embF16-headQ6, but {note}"] if note else [])


@pytest.mark.parametrize("header", [{}, {"version": 3}, {"version": "x", "metadata": [], "tensors": {}}])
def test_a_header_that_makes_no_sense_is_the_boxs_fault(header: dict[str, Any]) -> None:
    answer = {"models": [{**_boxed("1"), "header": {"nonsense": header, **header}}]}
    with pytest.raises(RemoteError, match=r"the header of /srv/m\.gguf makes no sense"):
        _release(_host(ModelSource(box=ON_BOX)), answer)


@pytest.mark.parametrize("device", ["Vulkan0", "ROCm0"])
def test_what_only_hip_reads_is_in_hips_units_only(device: str) -> None:
    """A variable without an effect says the wrong thing to who looks for the cause of a fault."""
    host = Host(
        name="strix",
        address="strix",
        runtime="rocmfp4",
        environment={"MINE": "1"},
        services={"main": Service(profile="coding", model="qwen3.6-27b-mtp")},
    )
    runtime = RuntimeState("rocmfp4", load_runtime("rocmfp4"))
    environment = environment_of(runtime, host, device)
    assert environment.pop("MINE") == "1"
    assert set(environment) == (
        {"HSA_OVERRIDE_GFX_VERSION", "GGML_HIP_ENABLE_UNIFIED_MEMORY"} if device == "ROCm0" else set()
    )


def test_an_unknown_distribution_is_refused_only_where_it_would_be_provisioned() -> None:
    answer = json.loads(FACTS.read_text())
    answer["facts"]["os"] = {"id": "debian", "version_id": "12", "codename": "bookworm"}
    services = {"main": Service(profile="coding", model="qwen3.6-27b-mtp")}
    host = Host(name="strix", address="strix", runtime="rocmfp4", services=services)
    with pytest.raises(InputError, match=r"found Debian 12, known are .*; nothing was done"):
        Description(host, preview=True).desired(answer)
    alone = host.model_copy(update={"provisioning": Provisioning(enabled=False)})
    assert Description(alone, preview=True).desired(answer).resources


@pytest.mark.parametrize("size", [64, 128])
def test_a_preview_with_a_reboot_plans_the_services_as_they_will_be_after_it(size: int) -> None:
    answer = json.loads((DATA / f"facts/bare/framework-{size}gb.json").read_text())
    services = {"main": Service(profile="coding", model="qwen3.6-27b-mtp")}
    host = Host(name="strix01", address="strix01", runtime="rocmfp4", services=services)
    now, then = (Description(host, preview=True, reboot=reboot).desired(answer) for reboot in (False, True))
    limit = {64: 54, 128: 108}[size]
    note = f"the services are planned with the GTT limit of {limit} GiB that the reboot brings"
    assert (note in now.notes, note in then.notes) == (False, True)
    [before], [after] = now.shown["services"], then.shown["services"]
    assert before.plan.budget_mib < after.plan.budget_mib <= limit * 1024
    assert then.complete
    arguments = [item for item in then.resources if item.kind == "kernel_arguments"]
    assert arguments == [item for item in now.resources if item.kind == "kernel_arguments"] != []


def test_a_deploy_that_may_reboot_lets_the_services_wait_for_it() -> None:
    answer = json.loads((DATA / "facts/bare/framework-128gb.json").read_text())
    services = {"main": Service(profile="coding", model="qwen3.6-27b-mtp", source=ModelSource(controller=str(MODEL)))}
    host = Host(name="strix01", address="strix01", runtime="rocmfp4", services=services)
    answer["runtime"] = {"present": True, "identity": "f00", "help": HELP}
    desired = Description(host, reboot=True).desired(answer)
    assert not desired.complete
    assert not [item for item in desired.resources if isinstance(item, Release)]
    assert any("planned after the reboot" in note for note in desired.notes)


def test_what_only_a_person_can_put_there_stops_nothing_else() -> None:
    """A bare box gets what is its own; runtime and model are told with what to do, and no release is planned."""
    host = _host(ModelSource(box=ON_BOX), runtime="rocmfp4-path")
    answer = {**json.loads(FACTS.read_text()), "models": [{"path": ON_BOX, "present": False}]}
    desired = Description(host).desired(answer)
    assert not desired.complete
    assert "llama-server is not on the box\n  next: build it there" in desired.lacks[0]
    assert f"{ON_BOX} is not on the box\n  next: copy" in desired.lacks[1]
    assert any(resource.id == "kernel_arguments:boot" for resource in desired.resources)
    assert not any(isinstance(resource, Release | Artifact) for resource in desired.resources)


def test_a_variant_that_is_made_on_the_box_is_told_with_the_command_that_makes_it() -> None:
    services = {"main": Service(profile="coding", model="tiny", variant="q8_0")}
    host = Host(name="strix01", address="strix01", runtime="rocmfp4", services=services)
    path = "/var/lib/strixkit/made/tiny-q8_0.gguf"
    facts = json.loads(FACTS.read_text())
    desired = Description(host).desired({**facts, "models": [{"path": path, "present": False}]})
    assert f"{path} is not on the box\n  next: invoke quantize --host strix01 --model tiny --variant q8_0" in "".join(
        desired.lacks
    )


def test_an_older_build_is_asked_once() -> None:
    """Kept builds are a part of every answer; what their servers say is not asked again and again."""
    inputs = {"definition": "another", "tools": {}, "base": {}}
    binary = {"present": True, "identity": "0ld", "help": HELP, "version": "version: 1 (0123456)"}
    there = {"id": "rocmfpx-0123456789ab-0123456789ab", "inputs": inputs, "binary": binary}
    description = Description(_host(ModelSource(box=ON_BOX), "rocmfpx"), only=("base", "runtime"))
    assert "0ld" not in description.facts_request()["known"]
    description.desired({**json.loads(FACTS.read_text()), "builds": [there]})
    assert "0ld" in description.facts_request()["known"]


def test_a_build_looks_at_nothing_of_the_services() -> None:
    """Their models may not be there yet, on this machine or on the box, and may be many GB to hash."""
    host = _host(ModelSource(controller="/nowhere.gguf"), runtime="rocmfpx")
    description = Description(host, only=("base", "runtime"))
    assert (description.facts_request()["models"], description.facts_request()["services"]) == ([], [])
    desired = description.desired(json.loads(FACTS.read_text()))
    assert desired.shown["services"] == ()
