"""Which lines only set a variable: a real shell must agree that nothing else is gone with them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from strixkit.remote.agent import backup, paths, variables

NAME = "HSA_OVERRIDE_GFX_VERSION"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "BACKUP", str(tmp_path / "backup"))


class Report:
    """Takes what a step says."""

    def __call__(self, text: str) -> None:
        """Progress."""

    def note(self, text: str) -> None:
        """A note."""


@pytest.mark.parametrize(
    "line",
    [
        f"{NAME}=11.0.0",
        f"export {NAME}=11.0.0",
        f'  export  {NAME}="11.0.0"  ',
        f"{NAME}='11.0.0' # for the old card",
        f"export {NAME}=11.0.0;",
        f"{NAME}=",
        f'{NAME}=1"1.0".0',
    ],
)
def test_lines_that_only_set_it(line: str, tmp_path: Path) -> None:
    file = tmp_path / "x.sh"
    file.write_bytes(f"A=1\n{line}\nexport B=2\n# caf\xe9".encode("latin-1"))
    file.chmod(0o755)
    before = file.read_bytes()
    assert variables.observe({"path": str(file), "name": NAME})["lines"] == [line.strip()]
    variables.unset({"path": str(file), "name": NAME}, Report())
    assert file.read_bytes() == "A=1\nexport B=2\n# caf\xe9".encode("latin-1")
    assert file.stat().st_mode & 0o777 == 0o755
    assert [Path(copy).read_bytes() for copy in backup.kept(str(file))] == [before]
    variables.unset({"path": str(file), "name": NAME}, Report())
    assert len(backup.kept(str(file))) == 1


@pytest.mark.parametrize(
    "line",
    [
        f"# export {NAME}=11.0.0",
        f"[ -e /dev/kfd ] && export {NAME}=11.0.0",
        f"export {NAME}=11.0.0 OTHER=1",
        f"{NAME}=11.0.0 rocminfo",
        f"export {NAME}=$(cat /etc/gfx)",
        f'{NAME}="$X"',
        f"{NAME}=11.0.0; rm x",
        f"MY_{NAME}=11.0.0",
        f"{NAME}_2=11.0.0",
        f'{NAME}="two\nlines"',
        f"{NAME}=11.0.0 \\",
    ],
)
def test_lines_that_do_more_are_left_to_their_owner(line: str, tmp_path: Path) -> None:
    file = tmp_path / "x.sh"
    file.write_text(f"{line}\nexport B=2\n")
    assert variables.observe({"path": str(file), "name": NAME}) == {"lines": []}
    variables.unset({"path": str(file), "name": NAME}, Report())
    assert file.read_text() == f"{line}\nexport B=2\n"


@pytest.mark.parametrize(
    "text",
    [
        f"export OTHER=1 \\\n  {NAME}=11.0.0\nexport B=2\n",
        f"test -e /dev/kfd &&\n  export {NAME}=11.0.0\nexport B=2\n",
        f"if test -e /dev/kfd; then\n  export {NAME}=11.0.0\nfi\nexport B=2\n",
        f"gpu() {{\n{NAME}=11.0.0\n}}\n",
        f"cat <<END\n{NAME}=11.0.0\nEND\n",
    ],
)
def test_a_line_that_is_a_part_of_a_command_is_left_to_its_owner(text: str, tmp_path: Path) -> None:
    """Without it the rest would be another script, or none: every login would end there."""
    file = tmp_path / "x.sh"
    file.write_text(text)
    assert variables.observe({"path": str(file), "name": NAME}) == {"lines": []}
    variables.unset({"path": str(file), "name": NAME}, Report())
    assert file.read_text() == text


def test_of_a_link_what_it_points_to_is_edited(tmp_path: Path) -> None:
    file, link = tmp_path / "kept-elsewhere", tmp_path / "environment"
    file.write_text(f"A=1\n{NAME}=11.0.0\n")
    link.symlink_to(file.name)
    variables.unset({"path": str(link), "name": NAME}, Report())
    assert link.is_symlink()
    assert file.read_text() == "A=1\n"
    assert len(backup.kept(str(link))) == 1


def test_an_export_goes_with_its_assignment(tmp_path: Path) -> None:
    file = tmp_path / "x.sh"
    file.write_text(f"{NAME}=11.0.0\nexport {NAME}\nexport B=2\n")
    variables.unset({"path": str(file), "name": NAME}, Report())
    assert file.read_text() == "export B=2\n"
    said = subprocess.run(["sh", "-uc", f". {file}; env"], capture_output=True, text=True, check=True).stdout
    assert "B=2" in said.splitlines()
    assert NAME not in said


def test_no_file_sets_nothing(tmp_path: Path) -> None:
    assert variables.observe({"path": str(tmp_path / "gone"), "name": NAME}) == {"lines": []}
