"""What an answer about model files means: which of the catalogue each is, whether it differs, what a name prunes."""

from __future__ import annotations

from typing import Any

import pytest

from strixkit.display.models import document, lines
from strixkit.errors import InputError
from strixkit.fleet.models import chosen, in_answer, work_of
from strixkit.host.models import Known, Models, catalogue, which
from strixkit.resources.model_file import CheckedModel, NoModel

A, B = "a" * 64, "b" * 64
FOLDER = "/var/lib/strixkit/models"
CATALOGUE = [Known("big", "q4", "big.gguf", A), Known("big", "q6", "big-q6.gguf"), Known("tiny", "f32", "tiny.gguf")]


def row(name: str, sha256: str = "", **more: Any) -> dict[str, Any]:
    base = {"path": f"{FOLDER}/{name}", "size": 1000, "link": "", "sha256": sha256, "checked": None}
    return {**base, "used_by": [], "wanted": False, **more}


def half(sha256: str, seconds: float) -> dict[str, Any]:
    path = f"/var/lib/strixkit/incoming/{sha256}"
    return {"path": path, "bytes": 5, "seconds": seconds, "running": False, "sha256": sha256, "wanted": False}


def found(*files: dict[str, Any], halves: tuple[dict[str, Any], ...] = ()) -> Models:
    answer = {"files": files, "halves": halves, "free_bytes": 5_000_000_000, "total_bytes": 9_000_000_000, "now": 0.0}
    return in_answer("box", answer, CATALOGUE)


def test_which_file_of_the_catalogue() -> None:
    rows = [
        row("renamed.gguf", A),
        row("big-q6.gguf"),
        row(f"tiny-{B[:12]}.gguf", B),
        row(f"big-{A[:12]}.gguf"),
        row("other.gguf", B),
    ]
    said = [(item.known.text if item.known else "", item.by, item.differs) for item in found(*rows).files]
    assert said == [
        ("big (q4)", "sha256", ""),
        ("big (q6)", "name", ""),
        ("tiny (f32)", "name", ""),
        ("big (q4)", "name", ""),
        ("", "", ""),
    ]


def test_a_part_of_a_split_is_known_by_its_name_and_held_against_the_lock() -> None:
    known = [Known("big", "", "bf16-00002-of-00002.gguf", A)]
    answer = {"files": [row(f"bf16-{'c' * 12}-00002-of-00002.gguf", B)], "halves": [], "free_bytes": 1}
    [part] = in_answer("box", {**answer, "total_bytes": 2}, known).files
    assert part.known == known[0]
    assert part.differs == f"DIFFERS: sha256 {B[:12]}, the catalogue's is {A[:12]}"


def test_a_half_of_which_nobody_knows_the_sha256_is_no_file_of_the_catalogue() -> None:
    assert found(halves=(half("", 60),)).halves[0].known is None


def test_what_was_not_read_is_not_said_to_be_right() -> None:
    good = {"verdict": "good", "faults": [], "full": False, "at": 1.0}
    link = row("l.gguf", link="/elsewhere")
    assert lines(found(row("a.gguf", A, checked=good), link), verified=True)[-1] == "box: all of them are right"
    assert lines(found(link), verified=True)[-1] == "box: no file to read"
    text = lines(found(row("a.gguf", A, checked=good), row("new.gguf", B)), verified=True)
    assert text[-2:] == ["box: not read: models/new.gguf", "  next: invoke models --host box --verify"]
    text = lines(found(row("a\n\udcff.gguf", A)), verified=True)
    assert text[-1] == "  next: give them names of printable characters on the box, then the same command again"
    assert not [line for line in text if not line.isprintable()]


def test_what_differs() -> None:
    rows = [row("big.gguf", B), row(f"big-{A[:12]}.gguf", B)]
    assert [item.differs for item in found(*rows).files] == [
        f"DIFFERS: sha256 {B[:12]}, the catalogue's is {A[:12]}",
        f"DIFFERS: sha256 {B[:12]}, its name says {A[:12]}",
    ]


def test_names_of_prune() -> None:
    models = found(
        row("used.gguf", used_by=["main/one"]),
        row("a\n.gguf"),
        row("read.gguf", used_by=["process llama-quantize"]),
        row("wanted.gguf", wanted=True),
        row("hand.gguf"),
        row("sub/twice.gguf"),
        row("twice.gguf"),
        row(f"old-{B[:12]}.gguf", B),
        halves=(half(A, 2 * 3600), half(B, 60)),
    )
    assert chosen(models, "hand.gguf") == [(f"{FOLDER}/hand.gguf", 1000)]
    assert chosen(models, f"{FOLDER}/twice.gguf") == [(f"{FOLDER}/twice.gguf", 1000)]
    assert chosen(models, "unused") == [
        (f"{FOLDER}/old-{B[:12]}.gguf", 1000),
        (f"/var/lib/strixkit/incoming/{A}", 5),
    ]
    assert chosen(models, B) == [(f"/var/lib/strixkit/incoming/{B}", 5)]
    for name, words in [
        ("used.gguf", "is used by main/one, so it stays; nothing was removed"),
        ("a\n.gguf", "has unprintable characters in its name"),
        ("read.gguf", "is used by process llama-quantize, so it stays"),
        ("wanted.gguf", "is used by a service of inventory.yaml, so it stays"),
        ("twice.gguf", "twice.gguf is .*/sub/twice.gguf and "),
        ("hnd.gguf", "unknown file 'hnd.gguf'; did you mean 'hand.gguf'"),
    ]:
        with pytest.raises(InputError, match=words):
            chosen(models, name)


def test_flags_that_go_against_each_other() -> None:
    for words in [(False, True, ""), (True, False, "unused")]:
        with pytest.raises(InputError):
            work_of(*words)


def test_lines_and_json_show_no_control_characters_and_the_faults() -> None:
    bad = {"verdict": "bad", "faults": ["\x1b[2Jtruncated"], "full": False, "at": 1.0}
    models = found(row("x\x1b.gguf", B, checked=bad), halves=(half(A, 3 * 86400),))
    text = lines(models, verified=True)
    assert not [line for line in text if not line.isprintable()]
    assert any("BAD:" in line and "truncated" in line for line in text)
    assert "box: 1 of 1 are not right" in text
    assert any(line.startswith(f"  incoming/{A[:12]}...") and line.endswith("came 3 days ago") for line in text)
    assert document(models)["files"][0]["faults"] == ["BAD: \x1b[2Jtruncated"]
    assert document(models)["prunable"] == [{"path": f"/var/lib/strixkit/incoming/{A}", "size": 5}]


def test_the_catalogue_of_the_project_is_known_with_all_variants() -> None:
    names = {(item.model, item.variant) for item in catalogue() if item.variant}
    assert {("qwen3.6-27b-mtp", "embF16"), ("qwen3.6-27b-mtp", "embF16-headQ6"), ("tiny", "f32")} <= names


def test_the_kinds() -> None:
    checked = {"verdict": "good", "faults": [], "full": False, "at": 10.0}
    there = {"exists": True, "link": "", "sha256": A, "checked": checked, "used_by": []}
    once = CheckedModel(path="/x.gguf", build="b", user="llama", sandbox=())
    again = once.model_copy(update={"since": 5.0})
    assert once.diff(once.absent()) == ()
    assert once.diff(there) == ()
    assert once.diff({**there, "sha256": ""})
    assert once.diff({**there, "checked": None})
    assert again.diff(there)
    assert again.diff({**there, "checked": {**checked, "full": True}}) == ()
    assert again.diff({**there, "checked": {**checked, "full": True, "at": 4.0}})
    gone = NoModel(path="/x.gguf", size="1 GB")
    assert gone.diff(gone.absent()) == ()
    assert gone.refuse({**there, "used_by": ["main/one"]}) == "/x.gguf is used by main/one, so it stays"
    assert gone.refuse(there) is None
    assert [step.step for step in gone.steps(there)] == ["remove_model"]


def test_what_variants_are_made_of_is_of_the_catalogue() -> None:
    names = {(item.model, item.name) for item in catalogue() if not item.variant}
    assert {("tiny", name) for name in ("tiny-soft.gguf", "tiny.imatrix", "tiny_calibration.txt")} <= names
    known, by = which("/var/lib/strixkit/models/tiny-soft-1616cb12b3f2.gguf", "", catalogue())
    assert (known and known.text, by) == ("tiny: tiny-soft.gguf", "name")
