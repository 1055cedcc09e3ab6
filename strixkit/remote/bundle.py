"""The agent as one zip file in memory: its own modules, and those that it shares with the controller."""

from __future__ import annotations

import functools
import io
import zipfile
from pathlib import Path

from strixkit.rehearsal.sources import PACKED, sources

PACKAGE = Path(__file__).resolve().parent.parent
SHARED = (
    "__init__.py",
    "remote/__init__.py",
    "planner/__init__.py",
    "planner/gguf.py",
    "planner/limits.py",
    "resources/__init__.py",
    "resources/command_line.py",
    "runtime/__init__.py",
    "runtime/buffers.py",
    "runtime/log.py",
    *(f"runtime/perplexity{part}.py" for part in ("", "_command", "_faults", "_progress")),
    "runtime/quantize.py",
    "runtime/tokens.py",
    *(f"rehearsal/{name}.py" for name in ("__init__", "arguments", "build", "child", "errors", "model")),
    *(f"rehearsal/{name}.py" for name in ("server", "sources")),
)
MAIN = "import sys\nfrom strixkit.remote.agent.main import main\nsys.exit(main())\n"


@functools.cache
def bundle() -> bytes:
    """Return the zip; the same sources always give the same bytes."""
    names = [
        *SHARED,
        *(path.relative_to(PACKAGE).as_posix() for path in sorted((PACKAGE / "remote/agent").rglob("*.py"))),
    ]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py"), MAIN)
        for name in names:
            entry = zipfile.ZipInfo(f"strixkit/{name}")
            archive.writestr(entry, (PACKAGE / name).read_bytes(), zipfile.ZIP_DEFLATED)
        for name, text in sources().items():
            entry = zipfile.ZipInfo(f"strixkit/rehearsal/{PACKED}/{name}")
            archive.writestr(entry, text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
