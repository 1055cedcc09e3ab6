"""Words of a unit file, read back by the real systemd: what a process gets is what was quoted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from strixkit.runtime.systemd import environment_line, exec_line
from tests.box.lab import Lab

pytestmark = pytest.mark.box

ODD = st.sampled_from(
    [*"\"'%$\\ \t\n\r;#{}()`|&<>*?[]~!=-+@:é漢😀\x01\x7f", "$(id)", "${HOME}", "%n", "%%", "\\x41", "\\n"]
)
WORDS = st.lists(
    st.one_of(ODD, st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)), max_size=8
)
PRINT = "import json,os,sys;json.dump([sys.argv[1:],os.environ.get('VALUE')],open('/run/quoting.json','w'))"
UNIT = """[Service]
Type=oneshot
Environment={environment}
ExecStart={command}
"""


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1)
    return Lab(box, client, tiny_model)


# Each example starts a real unit, so there are few; each has many words.
@settings(
    max_examples=25, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True
)
@given(st.lists(WORDS.map("".join), min_size=15, max_size=30), WORDS.map("".join))
def test_words_and_values_arrive_as_they_were(lab: Lab, words: list[str], value: str) -> None:
    command = exec_line(["/usr/bin/python3", "-c", PRINT, *words])
    text = UNIT.format(environment=environment_line("VALUE", value), command=command)
    lab.ssh(
        "rm -f /run/quoting.json; cat > /run/systemd/system/quoting.service && systemctl daemon-reload && "
        "systemctl start quoting.service",
        stdin=text,
    )
    assert json.loads(lab.ssh("cat /run/quoting.json")) == [words, value]
