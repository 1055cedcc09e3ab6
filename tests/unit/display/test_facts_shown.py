"""The table of a host's facts."""

from __future__ import annotations

import json
from pathlib import Path

from strixkit.display.facts import document, lines
from strixkit.display.result import dump
from strixkit.fleet.facts import Known
from strixkit.planner.facts import Facts, Setting
from tests import trees


def shown(facts: Facts) -> list[str]:
    return lines([Known("box", facts)])


def row(facts: Facts, label: str) -> str:
    [line] = [line for line in shown(facts) if f" {label}  " in line]
    return line.partition(label)[2].strip()


def test_memory_of_a_bare_box() -> None:
    facts = trees.facts_of("strix-128gb-bare")
    assert row(facts, "soldered") == "128 GiB, inferred from MemTotal and carve-out"
    assert row(facts, "carve-out") == "0.50 GiB, taken by the BIOS"
    assert row(facts, "GTT ceiling") == "62.54 GiB, 50 % of MemTotal"
    assert row(facts, "ttm.pages_limit") == "16395205 pages = 62.54 GiB, live"
    assert "SIMULATED" not in "\n".join(shown(facts))


def test_every_group_and_tree() -> None:
    for name in trees.names():
        facts = trees.facts_of(name)
        groups = [line.split()[0] for line in shown(facts)[1:] if line.startswith("  ") and line[2] != " "]
        assert groups == ["machine", "memory", "GPU", "kernel", "software"]
        assert row(facts, "arguments") == facts.cmdline
    assert row(trees.facts_of("debian-6.12-no-cwsr-fix"), "KFD") == (
        "110501: cwsr_size not told, ctl_stack_size not told"
    )
    assert row(trees.facts_of("no-amdgpu"), "soldered") == "unknown: no GPU is seen, so no carve-out"
    assert row(trees.facts_of("strix-128gb-ready"), "IOMMU") == "no groups: off"


def test_what_is_simulated_is_marked_and_nothing_else() -> None:
    facts = trees.facts_of("strix-128gb-bare")
    simulated = facts.model_copy(
        update={"simulated": ("gpu.gtt_total_bytes", "kfd", "module_parameters.ttm.pages_limit")}
    )
    marked = {
        line.split("  ")[-2].strip() and line[12:30].strip() for line in shown(simulated) if line.endswith("SIMULATED")
    }
    assert marked == {"GTT ceiling", "KFD", "ttm.pages_limit", "parameters"}
    whole = facts.model_copy(update={"simulated": ("gpu",)})
    marked = {line[12:30].strip() for line in shown(whole) if line.endswith("SIMULATED")}
    assert marked == {"soldered", "carve-out", "GTT ceiling", "GTT used", "card", "busy"}
    assert shown(whole)[-1] == "  SIMULATED: from /etc/strixkit/facts.d and not from the machine"


def test_a_box_cannot_steer_the_terminal() -> None:
    facts = trees.facts_of("strix-128gb-bare").model_copy(
        update={"hostname": "\x1b[2Jx\nbox2", "settings": (Setting(path="/\x9b", name="\u202e", value="\r"),)}
    )
    text = "\n".join(shown(facts))
    assert all(char.isprintable() or char == "\n" for char in text)
    assert not any(line.startswith("box2") for line in text.splitlines())
    assert dump(document([Known("box", facts)])).isascii()


def test_json_of_a_host_and_of_one_that_failed() -> None:
    facts = trees.facts_of("strix-64gb-bare")
    known = [Known("a", facts, saved=Path("a b.json")), Known("b", None, "no route", 1)]
    first, second = json.loads(dump(document(known)))["hosts"]
    assert (first["ok"], first["dimm_gib"], first["saved"]) == (True, 64, "a b.json")
    assert Facts.model_validate(first["facts"]) == facts
    assert second == {"host": "b", "ok": False, "error": "no route", "facts": None, "dimm_gib": None, "saved": ""}
    last = lines(known)[-2:]
    assert last == ["a  saved; next: invoke plan --host a --facts 'a b.json'", "b  ERROR: no route"]
