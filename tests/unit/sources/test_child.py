"""Children with limits: they end, with all that they have started."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from strixkit.sources.child import TooMuchError, TooSlowError, run

MIB = 1 << 20


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_code_and_both_outputs() -> None:
    done = run(
        python("import sys; print('a'); print('b', file=sys.stderr); sys.exit(3)"),
        os.environ,
        seconds=60,
        most_bytes=MIB,
    )
    assert (done.code, done.out, done.err) == (3, b"a\n", b"b\n")


def test_nobody_can_be_asked() -> None:
    code = (
        "import sys\nprint(repr(sys.stdin.read()))\ntry: open('/dev/tty')\nexcept OSError as error: print(error.errno)"
    )
    done = run(python(code), os.environ, seconds=60, most_bytes=MIB)
    assert done.out == b"''\n6\n"


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(600)",
        "import os, time; os.close(1); os.close(2); time.sleep(600)",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('x', flush=True); time.sleep(600)",
    ],
    ids=["silent", "closed", "stubborn"],
)
def test_too_slow(code: str) -> None:
    with pytest.raises(TooSlowError):
        run(python(code), os.environ, seconds=0.3, most_bytes=MIB)


def test_the_childs_own_children_end_with_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
        "print('x' * 3000000, flush=True)\n"
        "time.sleep(600)"
    )
    with pytest.raises(TooMuchError):
        run(python(code), os.environ, seconds=60, most_bytes=MIB)
    with suppress(psutil.NoSuchProcess):
        psutil.Process(int(note.read_text())).wait(timeout=60)


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        run(["/nowhere/git"], {}, seconds=1, most_bytes=MIB)
