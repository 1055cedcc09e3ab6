"""Builds native/ for the tests: once a session, into a cache folder where the next session finds what did not change.

python -m tests.native.build     # root: installs the Debian packages that it needs
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from strixkit.sandbox import image

NATIVE = Path(__file__).parents[2] / "native"
TOOLS = {"cmake": "cmake", "ninja": "ninja-build", "g++": "g++"}
HEADERS = {"nlohmann/json.hpp": "nlohmann-json3-dev", "doctest/doctest.h": "doctest-dev"}
CLANG = {"clang++": "clang"}
FUZZER = "libclang_rt.fuzzer-x86_64.a"


def fuzzer_runtime() -> str:
    """The Debian package of clang's sanitizer and fuzzer libraries; it has clang's version in its name."""
    version = subprocess.run(["clang++", "-dumpversion"], capture_output=True, text=True, check=True).stdout
    return f"libclang-rt-{version.split('.')[0]}-dev"


def has_fuzzer_runtime() -> bool:
    """Whether clang finds the library of libFuzzer."""
    found = subprocess.run(["clang++", f"-print-file-name={FUZZER}"], capture_output=True, text=True, check=True)
    return Path(found.stdout.strip()).is_absolute()


def lacking() -> list[str]:
    """Debian packages without which nothing can be built."""
    headers = [package for name, package in HEADERS.items() if not Path("/usr/include", name).exists()]
    return image.lacking(TOOLS) + headers


def lacking_for_fuzzing() -> list[str]:
    """The packages that fuzzing lacks besides."""
    clang = image.lacking(CLANG)
    return lacking() + (clang or ([] if has_fuzzer_runtime() else [fuzzer_runtime()]))


def build(variant: str, options: Sequence[str], targets: Sequence[str]) -> Path:
    """Build targets of native/ with warnings as errors and return the build folder.

    Two workers may ask at once: the second one waits, and then has nothing to do.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "strixkit"
    folder = cache / f"native-{hashlib.sha256(str(NATIVE).encode()).hexdigest()[:8]}-{variant}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        configure = ["cmake", "-S", str(NATIVE), "-B", str(folder), "-G", "Ninja", "-DSTRIX_WERROR=ON", *options]
        for command in (configure, ["cmake", "--build", str(folder), "--target", *targets]):
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if done.returncode != 0:
                raise AssertionError(f"{' '.join(command)}:\n{done.stdout[-5000:]}")
    return folder


def install() -> None:
    """Install what building and fuzzing need, by apt."""
    image.install(lacking_for_fuzzing(), print)
    image.install(lacking_for_fuzzing(), print)  # clang's library has its version in the name, known only now


if __name__ == "__main__":
    install()
