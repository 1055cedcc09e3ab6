"""An ssh_config of a test's own. ssh reads the account's, whatever $HOME says, unless it is told another by -F."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def write(folder: Path, config: str) -> dict[str, str]:
    """Write `folder`/ssh_config; returns the environment in which `ssh` is the real one with that file."""
    program = folder / "bin/ssh"
    real = shutil.which("ssh")
    (folder / "ssh_config").write_text(config)
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/ssh_calls\nexec {real} -F {folder}/ssh_config "$@"\n')
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
