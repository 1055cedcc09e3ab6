"""Our own programs for boxes (native/): their sources as one archive, and what shapes a build of them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

from strixkit.config.directories import PROJECT
from strixkit.host.builds import HIP, VULKAN, Inputs, build_id, inputs_of
from strixkit.planner.facts import Facts

NAME = "strix-tools"
PROGRAMS = ("strix-verify", "strix-probe")
BACKENDS = (VULKAN, HIP)  # what is not there is left out
NATIVE = PROJECT / "native"
PARTS = ("CMakeLists.txt", "cmake", "rocmfp4", "gguf", "verify", "probe")
CONFIGURE = (
    *("cmake", "-S", "{source}", "-B", "{build}", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"),
    *("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache", "-DCMAKE_RUNTIME_OUTPUT_DIRECTORY={build}/bin"),
)
BUILD = ("cmake", "--build", "{build}", "-j", "{jobs}", "--target", *PROGRAMS)
JOB_MIB = 1024


def archive(folder: Path = NATIVE) -> bytes:
    """The sources as tar.gz: the same sources give the same bytes."""
    paths = sorted(path for part in PARTS for path in _files(folder / part))
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for path in paths:
            data = path.read_bytes()
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), mtime=0)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [item for item in path.rglob("*") if item.is_file()]


def wanted(sources: bytes, facts: Facts) -> tuple[str, Inputs]:
    """The id of the build of these sources on this host, and its inputs."""
    sha256 = hashlib.sha256(sources).hexdigest()
    shaped_by = json.dumps([sha256, CONFIGURE, BUILD, PROGRAMS])
    inputs = inputs_of(hashlib.sha256(shaped_by.encode()).hexdigest(), BACKENDS, facts)
    return build_id(NAME, sha256, inputs), inputs


def spec(sources: bytes, name: str, inputs: Inputs, user: str, sandbox: list[str]) -> dict[str, object]:
    """What the agent needs to make the build; see strixkit.resources.build."""
    return {
        "id": name,
        "name": NAME,
        "source": {
            "archive": base64.b64encode(sources).decode(),
            "sha256": hashlib.sha256(sources).hexdigest(),
        },
        "configure": [list(CONFIGURE)],
        "build": [list(BUILD)],
        "environment": {},
        "programs": list(PROGRAMS),
        "headers": [],
        "job_mib": JOB_MIB,
        "inputs": inputs.model_dump(mode="json"),
        "verify": {
            "commit": "",
            "devices": [],
            "software": True,
            "user": user,
            "sandbox": sandbox,
            "environment": {},
            "golden": None,
        },
        "jobs": 0,
    }
