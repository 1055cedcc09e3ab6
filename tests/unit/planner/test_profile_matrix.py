"""Every profile of the project on every captured box: it fits, or it says in a few words what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from strixkit.config.catalogue import load_model
from strixkit.config.profiles import load_profile, profile_names
from strixkit.display.matrix import HEAD, lines
from strixkit.errors import InputError
from strixkit.host.facts_file import load_facts
from strixkit.host.profiles import profile_matrix
from strixkit.planner.matrix import Cell, Row, matrix

FACTS = Path(__file__).parents[2] / "data/facts"
FILES = sorted(FACTS.glob("*.json"))
BOXES = [f"framework-{size}gb" for size in (128, 96, 64, 32)]
PROFILES = ["coding", "faithful", "fast", "general", "long-context", "small"]
MODEL, RUNTIME = "qwen3.6-27b-mtp", "rocmfp4"
TOO_SMALL = {("coding", BOXES[3]), ("general", BOXES[3]), ("faithful", BOXES[3])}


@pytest.fixture(scope="module")
def cells() -> dict[tuple[str, str], Cell]:
    return {(cell.profile, cell.box): cell for cell in profile_matrix(FILES, MODEL, RUNTIME)}


def test_all_profiles_and_boxes_are_there_the_largest_first(cells: dict[tuple[str, str], Cell]) -> None:
    assert profile_names() == PROFILES
    assert list(cells) == [(profile, box) for profile in PROFILES for box in BOXES]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("profile", PROFILES)
def test_each_resolves_or_says_why_not(cells: dict[tuple[str, str], Cell], profile: str, box: str) -> None:
    cell, wishes = cells[profile, box], load_profile(profile)
    assert (cell.choice is None) == ((profile, box) in TOO_SMALL)
    if cell.choice is None:
        assert "MiB more" in cell.why
        assert len(cell.why) < 120
    else:
        assert cell.choice.kv in wishes.kv.types
        assert wishes.context.least <= cell.choice.context <= wishes.context.want
        assert (cell.start_mib or 0) <= (cell.full_mib or 0) <= cell.budget_mib
        assert cell.why == ""


def test_what_the_profiles_promise(cells: dict[tuple[str, str], Cell]) -> None:
    choices = {key: cell.choice for key, cell in cells.items() if cell.choice}
    assert choices["long-context", BOXES[2]].context == 262144 > choices["coding", BOXES[2]].context
    assert choices["small", BOXES[3]].context >= 32768
    assert {choices["fast", box].kv for box in BOXES} == {"f16"}
    variants = {profile: cell.variant for (profile, _), cell in cells.items()}
    assert (variants["fast"], variants["faithful"]) == ("embF16", "embF16-headQ6")
    assert cells["faithful", BOXES[0]].start_mib == pytest.approx(
        (cells["coding", BOXES[0]].start_mib or 0) + 350.5, 0.1
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_a_variant_that_is_wished_for_exists(profile: str) -> None:
    wish = load_profile(profile).variant
    assert wish is None or wish in load_model(MODEL).variants


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_facts_that_nobody_captured_say_so(path: Path) -> None:
    source = json.loads(path.read_text())["source"]
    assert source.startswith("values of a published capture" if "128" in path.name else "estimate")


def test_a_line_for_each_cell_and_each_refusal(cells: dict[tuple[str, str], Cell]) -> None:
    text = lines(list(cells.values()), MODEL, RUNTIME)
    assert len(text) == 2 + len(cells) + len(TOO_SMALL)
    assert text[1].split() == list(HEAD)
    assert "faithful does not fit framework-32gb: context 32768 with f16 KV needs" in text[-2]
    assert sum(line.startswith("coding ") for line in text) == 2


def test_two_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    copy = tmp_path / FILES[0].name
    copy.write_bytes(FILES[0].read_bytes())
    boxes = {cell.box for cell in profile_matrix([FILES[0], copy, FILES[0]], MODEL, RUNTIME)}
    assert boxes == {str(FILES[0]), str(copy)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "no 'facts' in it"),
        ("nonsense", "facts.json: no JSON: Expecting value"),
        ('{"facts": {}}', "facts.hostname: Field"),
    ],
)
def test_a_bad_facts_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "facts.json"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        profile_matrix([path], MODEL, RUNTIME)


def test_no_file_no_shape_no_name_are_bad_input() -> None:
    for files, model, words in [
        ([], MODEL, "no facts file"),
        (FILES, "tiny", "no shape"),
        (FILES, "x", "unknown model"),
    ]:
        with pytest.raises(InputError, match=words):
            profile_matrix(files, model, RUNTIME)


def test_a_profile_that_contradicts_itself_is_named() -> None:
    coding = load_profile("coding")
    bad = coding.model_copy(update={"context": coding.context.model_copy(update={"least": 10**6})})
    shape = load_model(MODEL).variant().shape
    assert shape is not None
    with pytest.raises(InputError, match=r"profile bad: context\.least is 1000000"):
        matrix([Row("bad", bad, "embF16", shape)], {"box": load_facts(FILES[0])}, "rocmfp4")
