"""A runtime from source on a box: a real repository over http, real CMake, Ninja, g++ and ccache."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from strixkit import sandbox
from tests.box import builder, gitserver
from tests.box.builder import CACHE, Builder, Message

pytestmark = [pytest.mark.box]
TOOL = """\
cmake_minimum_required(VERSION 3.20)
project(tool CXX)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
add_executable(tool tool.cpp)
"""


def test_from_source_to_a_verified_folder(building: Builder, commit: str) -> None:
    spec = building.spec(commit)
    assert building.state(spec) == "absent"
    result = building.run(spec)
    assert result["ok"], result
    builder.finished(building, spec)
    begun = [point.removeprefix("0:build:build:toy:") for point in building.points()]
    phases = [point for point in begun if point.isalpha() and point != "done"]
    assert phases == ["fetch", "checkout", "configure", "compile", "collect", "verify", "place"]
    assert any(text.startswith("[7/7] ") for text in building.said())
    assert "$ cmake --build" in building.log(spec)
    assert building.lab.ssh(f"ls {CACHE}/work/{spec['id']}").split() == ["build.log", "state.json"]
    assert "Hits" in building.lab.ssh(f"CCACHE_DIR={CACHE}/ccache ccache --show-stats")


def test_nothing_of_a_source_runs_as_root_or_sees_the_network(building: Builder) -> None:
    """Configure and compile: who they are, what they reach, and what they may write to."""
    look = (
        "id -un; ls /proc/sys/net/ipv4/conf; "
        "for f in /var/lib/strixkit /etc {source} /var/cache/strixkit/build/mirrors /var/cache/strixkit/build/work; do "
        "touch $f/x 2>/dev/null && echo wrote $f; done; cat /proc/self/oom_score_adj; nice"
    )
    spec = building.spec(building.toy.git("rev-parse", "HEAD"), configure=[["sh", "-c", look], list(builder.CONFIGURE)])
    assert building.run(spec)["ok"]
    said = building.log(spec).split("oom_score_adj; nice\n")[1].splitlines()
    assert said[:6] == ["strixkit-build", "all", "default", "lo", "800", "10"]
    assert building.lab.ssh("systemctl list-units --all --plain --no-legend 'strixkit-build-*'").strip() == ""


def test_a_second_build_compiles_nothing_new(building: Builder, commit: str) -> None:
    """Another build of the same source takes its objects from ccache; a finished one stays as it is."""
    before = building.lab.ssh(f"CCACHE_DIR={CACHE}/ccache ccache --print-stats")
    spec = building.spec(commit, environment={"ANOTHER": "1"})
    assert building.run(spec)["ok"]
    after = building.lab.ssh(f"CCACHE_DIR={CACHE}/ccache ccache --print-stats")
    assert hits(after) - hits(before) == 4
    written = building.lab.ssh(f"stat -c %Y.%i /var/lib/strixkit/builds/{spec['id']}/*")
    assert building.run(spec)["ok"]
    assert building.lab.ssh(f"stat -c %Y.%i /var/lib/strixkit/builds/{spec['id']}/*") == written


def hits(statistics: str) -> int:
    rows = dict(line.split("\t") for line in statistics.splitlines())
    return int(rows["direct_cache_hit"]) + int(rows["preprocessed_cache_hit"])


def test_a_branch_that_moved_builds_the_locked_commit(building: Builder, commit: str) -> None:
    building.toy.commit({"one.cpp": "int one() { return 1; }\n"})
    building.forget(building.spec(commit))
    spec = building.spec(commit, environment={"MOVED": "1"})
    assert building.run(spec)["ok"]
    builder.finished(building, spec)


def test_a_branch_that_was_rewritten_may_still_have_the_commit(building: Builder, commit: str) -> None:
    """Nothing names it any more, and the server still gives it."""
    lost = building.toy.commit({"two.cpp": "int two() { return 2; }\n"})
    building.toy.git("reset", "--quiet", "--hard", commit)
    spec = building.spec(lost)
    assert building.run(spec)["ok"]
    builder.finished(building, spec)


def test_a_commit_that_is_gone(building: Builder, commit: str) -> None:
    gone = "ab" * 20
    error = building.run(building.spec(gone))["error"]
    assert f"the lock wants commit {gone} of main" in error
    assert f"main is at {building.toy.git('rev-parse', 'HEAD')} now" in error
    assert "invoke lock" in error
    spec = building.spec(gone)
    spec["source"]["ref"] = "no-such-branch"
    assert "there is no no-such-branch there" in building.run(spec)["error"]


def test_without_a_network(building: Builder, commit: str) -> None:
    """A repository that nobody reaches matters only when something of it is missing."""
    away = building.spec(commit)
    away["source"]["repository"] = "http://198.18.0.1:9/toy/.git"
    error = building.run(away)["error"]
    assert "cannot fetch http://198.18.0.1:9/toy/.git: fatal: " in error
    assert "unable to access" in error
    assert f"the lock wants commit {commit} of main, and this box does not have it yet" in error
    new = building.toy.commit({}, "new")
    building.toy.reachable = False
    try:
        assert "error: 503" in building.run(building.spec(new))["error"]
        assert building.run(building.spec(commit, environment={"HERE": "1"}))["ok"]
    finally:
        building.toy.reachable = True
    assert building.run(building.spec(new))["ok"]


def test_a_repository_that_has_moved(building: Builder, tmp_path: Path) -> None:
    """On its server; another one gets no request for an object, even if it has the commit."""
    new = building.toy.commit({}, "moved")
    spec = building.spec(new)
    spec["source"]["repository"] = building.toy.moved
    with gitserver.serving(tmp_path) as other:
        other.git("pull", "--quiet", str(building.toy.folder), "main")
        building.toy.elsewhere = other.url
        try:
            for _ in range(2):
                error = building.run(spec)["error"]
                assert f"{building.toy.moved} is redirected to another server, '{other.url}" in error
                assert "write it as repository:" in error
        finally:
            building.toy.elsewhere = ""
    assert building.run(spec)["ok"]


def test_a_repository_that_would_run_something(building: Builder, commit: str) -> None:
    spec = building.spec(commit)
    for url in ("ext::sh -c id", "--upload-pack=id", "http://x/ y"):
        spec["source"]["repository"] = url
        assert "not a repository" in building.run(spec)["error"]
    spec["id"] = "../toy"
    assert "is no id of a build" in building.run(spec)["error"]


def test_a_dirty_source_is_made_anew(building: Builder, commit: str) -> None:
    """Whoever wrote there: what is compiled is the commit."""
    spec = building.spec(commit, environment={"DIRTY": "1"})
    held = "0:build:build:toy:compile"
    builder.abandoned(building, spec, held, lambda: builder.kill_job(building))
    building.lab.ssh(f"cd {CACHE}/work/{spec['id']}/source && echo '#error dirty' > one.cpp && touch new.cpp")
    assert building.run(spec)["ok"]
    assert any("the source was changed (M one.cpp)" in text for text in building.said())
    builder.finished(building, spec)


def test_a_syntax_error(building: Builder) -> None:
    broken = building.toy.commit({"two.cpp": "int two() { return nonsense; }\n"})
    spec = building.spec(broken)
    result = building.run(spec)
    assert not result["ok"]
    assert f"cmake failed (exit 1)\n  log: {CACHE}/work/{spec['id']}/build.log" in result["error"]
    assert any("two.cpp:1:20: error: " in line for line in result["log"])
    assert building.state(spec) == "partial"


def test_a_compiler_that_is_killed_for_its_memory(building: Builder, commit: str) -> None:
    """The box's kernel enforces no limit, so the compiler proper kills itself; what g++ says of it is real."""
    building.lab.ssh(
        "mkdir -p /opt/killed && real=$(g++ -print-prog-name=cc1plus) && printf '#!/bin/sh\\n"
        '[ -e /opt/killed/now ] && kill -9 $$\\nexec %s "$@"\\n\' $real > /opt/killed/cc1plus && '
        "chmod +x /opt/killed/cc1plus && touch /opt/killed/now"
    )
    spec = building.spec(commit, environment={"CXXFLAGS": "-B/opt/killed"}, jobs=8)
    spec["configure"] = [[*builder.CONFIGURE, "-DCMAKE_CXX_COMPILER_WORKS=1"]]
    result = building.run(spec)
    assert "a compiler was killed for its memory (8 jobs" in result["error"]
    assert "which goes on with 4" in result["error"]
    assert "a compiler was killed for its memory (4 jobs" in building.run(spec)["error"]
    building.lab.ssh("rm /opt/killed/now")
    assert building.run(spec)["ok"]
    assert '"jobs": 2' in building.lab.ssh(f"cat /var/lib/strixkit/builds/{spec['id']}/build.json")


def test_a_full_disk(building: Builder, commit: str) -> None:
    spec = building.spec(commit, environment={"FULL": "1"})
    folder = f"{CACHE}/work/{spec['id']}"
    fill = [["sh", "-c", "head -c 16M /dev/zero > {build}/filler"], list(builder.BUILD)]
    spec["build"] = fill
    building.lab.ssh(f"mkdir -p {folder} && mount -t tmpfs -o size=4M none {folder}")
    try:
        result = building.run(spec)
        assert f"no space left on {folder}/build (" in result["error"]
        building.lab.ssh(f"dd if=/dev/zero of={folder}/rest bs=4k 2>/dev/null; true")
        assert f"no space left on {folder} (0 MiB are free)" in building.run(spec)["error"]
    finally:
        building.lab.ssh(f"umount {folder}")
    assert building.run(spec)["ok"]
    builder.finished(building, spec)


def test_a_repository_that_the_disk_has_no_room_for(building: Builder, commit: str) -> None:
    building.toy.git("reset", "--quiet", "--hard", commit)
    (building.toy.folder / "large").write_bytes(os.urandom(2 << 20))
    large = building.toy.commit({})
    building.toy.git("reset", "--quiet", "--hard", commit)
    mirrors = f"{CACHE}/mirrors"
    building.lab.ssh(f"mount -t tmpfs -o size=1M none {mirrors}")
    try:
        result = building.run(building.spec(large))
        assert f"no space left on {mirrors}/" in result["error"]
    finally:
        building.lab.ssh(f"umount {mirrors}")
    assert building.run(building.spec(large))["ok"]


def test_cancelled_where_nothing_compiles(building: Builder, commit: str) -> None:
    """There is no unit that could end, so the job itself is ended."""
    spec = building.spec(commit, environment={"GATE": ""}, job_mib=258)
    builder.abandoned(building, spec, "0:build:build:toy:verify", lambda: None)
    assert building.ask("cancel", who="anna@desk")["job"]
    assert building.ask("journal", limit=1)[0]["error"] == "the job was ended from outside"
    assert building.run(spec)["ok"]
    builder.finished(building, spec)


def test_cancelled(building: Builder, commit: str) -> None:
    spec = building.spec(commit, environment={"GATE": "cancel"})
    answers: list[Message] = []

    def cancel(message: Message) -> None:
        if str(message.get("text", "")).startswith("[") and not answers:
            answers.append(building.ask("cancel", who="anna@desk"))

    result = building.run(spec, on_message=cancel)
    assert result["error"].startswith("the build was cancelled by anna@desk")
    assert answers[0]["units"] == [f"strixkit-build-{spec['id']}.service"]
    assert building.ask("journal", limit=1)[0]["error"].startswith("the build was cancelled by anna@desk")
    assert building.ask("cancel", who="anna@desk") == {"job": "", "units": []}
    builder.open_gate(building, spec)
    assert building.run(spec)["ok"]
    builder.finished(building, spec)


def test_a_lost_connection_in_the_middle(building: Builder, commit: str) -> None:
    """The job goes on by itself; the next run attaches, and nothing is left to do."""
    spec = building.spec(commit, environment={"GATE": "connection"})
    builder.in_the_middle(building, spec, lambda: None)
    builder.open_gate(building, spec)
    building.attach()
    builder.finished(building, spec)


def test_a_killed_job_in_the_middle(building: Builder, commit: str) -> None:
    """The compile goes on without it, and the next run waits for that."""
    spec = building.spec(commit, environment={"GATE": "job"})
    builder.in_the_middle(building, spec, lambda: builder.kill_job(building))
    assert building.state(spec) == "running"
    assert building.run(spec, on_message=builder.opening(building, spec, "attached to"))["ok"]
    assert any(text.startswith("attached to") for text in building.said())
    assert building.log(spec).count("ninja: no work to do") == 1
    builder.finished(building, spec)


def test_a_power_cut_in_the_middle(building: Builder, commit: str) -> None:
    """What may not have reached the disk is not trusted: here object files have lost their content, not their date."""
    spec = building.spec(commit, environment={"GATE": "power"})
    builder.in_the_middle(building, spec, lambda: sandbox.power_cut(building.lab.box.name))
    sandbox.start(building.lab.box.name)
    assert building.state(spec) == "partial"
    objects = f"{CACHE}/work/{spec['id']}/build/CMakeFiles/toy.dir/*.o"
    assert building.lab.ssh(f"for f in {objects}; do truncate -s 0 $f; touch $f; echo $f; done").count(".o") == 2
    assert building.run(spec, on_message=builder.opening(building, spec, "["))["ok"]
    assert any("may not have reached the disk" in text for text in building.said())
    builder.finished(building, spec)


def test_a_configuration_that_failed_is_begun_anew(building: Builder, commit: str) -> None:
    """CMake keeps what it did not find; a library that is installed after that is found all the same."""
    keeps = ["sh", "-c", "[ -e {build}/kept ] && exit 3; touch {build}/kept; [ -e /opt/there ] || exit 1"]
    spec = building.spec(commit, configure=[keeps, list(builder.CONFIGURE)])
    assert "sh failed (exit 1)" in building.run(spec)["error"]
    building.lab.ssh("touch /opt/there")
    assert building.run(spec)["ok"]


def test_a_program_that_is_not_installed(building: Builder, commit: str) -> None:
    spec = building.spec(commit, configure=[["cmake-that-is-not-there"]])
    error = building.run(spec)["error"]
    assert "cmake-that-is-not-there does not start" in error
    building.lab.ssh("mv /usr/bin/cmake /usr/bin/cmake-away")
    try:
        assert "CMake is missing; packages: cmake" in building.run(building.spec(commit, job_mib=257))["error"]
    finally:
        building.lab.ssh("mv /usr/bin/cmake-away /usr/bin/cmake")


def test_an_archive_in_the_place_of_a_repository(building: Builder) -> None:
    """As the tools of native/ come: what is built is exactly what was sent."""
    spec = building.spec("0" * 40, programs=["tool"])
    spec["source"] = archive({"CMakeLists.txt": TOOL, "tool.cpp": "int main() { return 0; }\n"})
    spec["build"] = [["cmake", "--build", "{build}"]]
    result = building.run(spec)
    assert result["ok"], result
    assert building.state(spec) == "finished"
    spec["id"] += "x"
    spec["source"]["sha256"] = "0" * 64
    assert "was damaged on its way" in building.run(spec)["error"]


def archive(files: dict[str, str]) -> dict[str, str]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    data = buffer.getvalue()
    return {"archive": base64.b64encode(data).decode(), "sha256": hashlib.sha256(data).hexdigest()}


def test_what_nobody_waits_for_ends(building: Builder, commit: str) -> None:
    """Two compiles at once would share the memory that each was promised."""
    left = building.spec(commit, environment={"GATE": "left"})
    builder.in_the_middle(building, left, lambda: builder.kill_job(building))
    assert building.state(left) == "running"
    assert building.run(building.spec(commit, environment={"NEXT": "1"}))["ok"]
    assert building.state(left) == "partial"


def test_a_mirror_that_lost_its_content(building: Builder, commit: str) -> None:
    """As a power cut may leave it: names of objects, and nothing in them."""
    building.lab.ssh(f"find {CACHE}/mirrors/*/objects -type f -exec truncate --size=0 {{}} +")
    assert building.run(building.spec(commit, environment={"EMPTY": "all"}))["ok"]
    blob = building.toy.git("rev-parse", f"{commit}:main.cpp")
    loose = f"{blob[:2]}/{blob[2:]}"
    assert building.lab.ssh(f"truncate --size=0 {CACHE}/mirrors/*/objects/{loose}; echo done").strip() == "done"
    spec = building.spec(commit, environment={"EMPTY": "one"})
    result = building.run(spec)
    assert "the mirror was damaged and is removed; the same command again fetches it anew" in result["error"]
    assert building.run(spec)["ok"]
    builder.finished(building, spec)
