"""What a person sees."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strixkit.config.host import Host
from strixkit.display.journal import lines as journal_lines
from strixkit.display.result import document, dump, failure, reboots, summary
from strixkit.display.text import change_line, clean, diff_lines
from strixkit.engine.values import Outcome
from strixkit.errors import RemoteError
from strixkit.fleet.run import Report, each
from strixkit.resources.base import Change, Risk

# Escape, C1 (CSI in one character), bidirectional override, lone surrogate, line separator.
EVIL = "a\x1b[2J\x9b31m\u202eb\ud800\u2028\r"


@given(st.text())
def test_a_box_cannot_steer_the_terminal(text: str) -> None:
    assert all(char.isprintable() or char in "\n\t" for char in clean(text))


@pytest.mark.parametrize(
    "char", ["\x1b", "\x07", "\r", "\x7f", *map(chr, range(0x80, 0xA0)), "\u202a", "\u202e", "\u2066"]
)
def test_controls_of_all_sorts_are_replaced(char: str) -> None:
    assert clean(f"a{char}b") == "a\N{REPLACEMENT CHARACTER}b"


def _printable(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text)


def test_every_line_of_a_run_is_clean() -> None:
    change = Change(resource=EVIL, field=EVIL, found=EVIL, wanted=EVIL, reason=EVIL, risk=Risk.RESTART)
    outcome = Outcome("box", [change], [change], error=EVIL, log=[EVIL], notes=[EVIL], applied=True)
    for applied in (True, False):
        assert _printable("\n".join(summary([Report(outcome, 1)], applied=applied)))
    planned = Outcome("box", [change, change.model_copy(update={"text": True})])
    assert _printable("\n".join(summary([Report(planned, 0)], applied=False)))


def test_an_entry_of_the_journal_is_one_clean_line() -> None:
    entries = [
        {"at": EVIL, "event": "begin", "who": "x\n2026 y began z", "what": EVIL},
        {"event": "end", "error": EVIL},
    ]
    assert len(journal_lines(entries)) == 2
    assert all(line.isprintable() for line in journal_lines(entries))


def test_json_is_ascii_whatever_a_box_sends() -> None:
    outcome = Outcome("box", error=EVIL, log=[EVIL], notes=[EVIL])
    for text in (document([Report(outcome, 1)]), failure(RemoteError(EVIL)), dump([{"what": EVIL}])):
        assert text.isascii()
        assert _printable(text)
    assert json.loads(document([Report(outcome, 1)]))["hosts"][0]["error"] == EVIL


def test_an_error_of_a_box_reaches_the_display_cleaned() -> None:
    def work(host: Host) -> Outcome:
        raise RemoteError(EVIL, host=host.name)

    reports = each([Host(name="box", address="x", runtime="debian", services={})], work)
    for applied in (False, True):
        text = "\n".join(summary(reports, applied=applied))
        assert EVIL not in text
        assert clean(EVIL) in text


def test_a_change_reads_from_to_and_risk() -> None:
    change = Change(resource="release:main", field="context.size", found="65536", wanted="262144", risk=Risk.RESTART)
    assert change_line(change) == "release:main  context.size: 65536 -> 262144  [restart]"


def test_a_text_change_is_shown_as_a_diff() -> None:
    change = Change(resource="file:/x", field="content", found="a\nb", wanted="a\nc", text=True)
    assert diff_lines(change)[-2:] == ["-b", "+c"]


def test_a_reboot_that_is_needed_is_the_last_line_and_no_failure() -> None:
    names = ("ttm.pages_limit (live)", "amd_iommu (live)")
    pending = [
        Change(resource="kernel_arguments:boot", field=name, found="absent", wanted="x", risk=Risk.REBOOT)
        for name in names
    ]
    done = Outcome("strix01", pending=pending)
    assert done.ok
    assert summary([Report(done, 0)], applied=True) == ["strix01  unchanged (0 round trips)"]
    line = "strix01  reboot needed for: ttm.pages_limit, amd_iommu (invoke deploy --host strix01 --reboot)"
    assert reboots([Report(done, 0)]) == [line]
    planned = summary([Report(done, 0)], applied=False)
    assert planned[0] == "strix01  ~ kernel_arguments:boot  ttm.pages_limit (live): absent -> x  [reboot]"
    assert planned[-1] == "strix01  no change but for a reboot"
    [host] = json.loads(document([Report(done, 0)]))["hosts"]
    assert [change["field"] for change in host["pending"]] == list(names)
    assert host["ok"]
    lost = Outcome("strix01", pending=pending, error="it did not come back", lost="did not come back")
    assert reboots([Report(lost, 1)]) == []
