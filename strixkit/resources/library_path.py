"""Kind `library_path`: folders that the dynamic loader knows, by a file in /etc/ld.so.conf.d and its cache."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from strixkit.resources.base import Answer, Change, Question, Resource, Step
from strixkit.resources.file import File
from strixkit.resources.path import AbsolutePath

SHOWN = 3  # so many names of libraries are said


class LibraryPath(Resource):
    """Libraries of the folders are found without RUNPATH or LD_LIBRARY_PATH; or the file is gone, and they are not.

    The file alone finds nothing: the loader reads its cache, which ldconfig makes (ld.so(8), ldconfig(8)). What
    somebody else's file names stays in the cache. A folder that is not there yet is no difference.
    """

    kind: ClassVar[str] = "library_path"
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    folders: tuple[AbsolutePath, ...] = Field(min_length=1)
    present: bool = True

    @property
    def path(self) -> str:
        """Where the file is."""
        return f"/etc/ld.so.conf.d/{self.name}.conf"

    @property
    def id(self) -> str:
        """`library_path:path`."""
        return f"{self.kind}:{self.path}"

    @property
    def file(self) -> File:
        """The wish for the file alone: a folder on each line."""
        content = "".join(f"{folder}\n" for folder in self.folders) if self.present else None
        return File(path=self.path, content=content, reason=self.reason)

    def question(self) -> Question:
        """The file, and what of the folders the cache lacks, or has though no file names the folder."""
        return {"ask": "library_path", "path": self.path, "folders": list(self.folders)}

    def absent(self) -> Answer:
        """No file, and no library."""
        return {"file": self.file.absent(), "missing": [], "stale": []}

    def refuse(self, answer: Answer) -> str | None:
        """As of any file."""
        return self.file.refuse(answer["file"])

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """Compare the file, and then the cache with the folders."""
        changes = [change.model_copy(update={"resource": self.id}) for change in self.file.diff(answer["file"])]
        if self.present and answer["missing"]:
            changes.append(self.change("loader's cache", f"without {_few(answer['missing'])}", "with all libraries"))
        if not self.present and answer["stale"]:
            changes.append(self.change("loader's cache", f"with {_few(answer['stale'])}", "without them"))
        return tuple(changes)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Write or remove the file, and let ldconfig make the cache."""
        file = self.file
        first = file.steps(answer["file"]) if file.diff(answer["file"]) else ()
        return (*first, Step(step="ldconfig", arguments={}))

    def undo(self) -> str:
        """Remove the file, or put it back, and make the cache again."""
        return f"{self.file.undo()}; ldconfig"


def _few(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
