"""The kind `download`: what is different, what makes it so, and when there is no room."""

from __future__ import annotations

from strixkit.resources.download import Download, Part, Peer

SHA, OTHER = "a" * 64, "b" * 64
FILE = Download(
    path="/var/lib/strixkit/models/m.gguf", sha256=SHA, size=16_500_000_000, url="https://hub/m", origin="o/m"
)
THERE = {"exists": True, "type": "file", "size": FILE.size, "sha256": SHA}


def test_one_that_is_there_and_was_read_is_unchanged() -> None:
    assert FILE.diff(THERE) == ()
    assert FILE.refuse(THERE) is None


def test_one_that_was_never_read_is_read_and_not_fetched() -> None:
    [change] = FILE.diff({**THERE, "sha256": ""})
    assert (change.field, change.found, change.wanted) == ("sha256", "not read yet", SHA)
    [step] = FILE.steps({**THERE, "sha256": ""})
    assert (step.step, step.arguments) == ("hash", {"path": FILE.path, "sha256": SHA})


def test_one_that_is_not_there_is_fetched_alone() -> None:
    [change] = FILE.diff(FILE.absent())
    assert (change.found, change.wanted) == ("absent", "16.5 GB from o/m")
    [step] = FILE.steps(FILE.absent())
    assert step.step == "fetch"
    assert (step.arguments["pieces"], step.arguments["peers"], step.arguments["port"]) == ("all", [], 0)


def test_what_has_arrived_is_said() -> None:
    assert FILE.diff({**FILE.absent(), "have_bytes": 3_200_000_000})[0].found == "3.2 GB have arrived"
    assert FILE.diff({**FILE.absent(), "running": True})[0].found == "being fetched"


def test_another_file_at_its_place_is_replaced() -> None:
    [change] = FILE.diff({**THERE, "sha256": OTHER})
    assert (change.found, change.wanted) == (OTHER, f"{SHA}, 16.5 GB from o/m")
    assert FILE.steps({**THERE, "sha256": OTHER})[0].step == "fetch"


def test_no_room_is_refused_with_what_could_go() -> None:
    answer = {**FILE.absent(), "lacks_bytes": 4_000_000_000, "unused": [["old.gguf", 16_900_000_000]]}
    text = FILE.refuse(answer)
    assert text == (
        "/var/lib/strixkit/models/m.gguf has 16.5 GB, and 4.0 GB too little is free: "
        "no release uses old.gguf (16.9 GB); invoke models --host NAME lists and prunes"
    )
    assert "make room" in str(FILE.refuse({**answer, "unused": []}))


def test_a_folder_at_its_place_is_in_the_way() -> None:
    assert "is a directory, wanted a file" in str(FILE.refuse({**THERE, "type": "directory"}))


def test_the_part_goes_along_and_its_secret_is_not_shown() -> None:
    peer = Peer(name="box02", addresses=("192.168.1.12",), port=8179)
    part = Part(pieces="0-3", peers=(peer,), port=8179, secret="5ec2e7")
    with_part = FILE.model_copy(update={"part": part})
    [step] = with_part.steps(FILE.absent())
    assert step.arguments["secret"] == "5ec2e7"
    assert step.arguments["peers"] == [{"name": "box02", "addresses": ["192.168.1.12"], "port": 8179}]
    assert "5ec2e7" not in repr(with_part)
