"""The repositories of a folder.

    FOLDER/OWNER/NAME/...            what `main` has now; datasets lie in FOLDER/datasets/OWNER/NAME
    FOLDER/OWNER/NAME@REF/...        what another branch or tag has

A commit is the hash of all that the ref has: it is another one after any change, and an old one is not found.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path

LARGE = (".gguf", ".safetensors", ".bin", ".dat")  # kept in LFS, as the hub's own .gitattributes has them
LARGE_BYTES = 10_000_000


@dataclass(frozen=True)
class Hashes:
    """Of one file: its SHA-256, and the hash that git has for it."""

    size: int
    sha256: str
    blob: str


@dataclass(frozen=True)
class Entry:
    """A file of a repository."""

    path: Path
    name: str
    hashes: Hashes

    @property
    def large(self) -> bool:
        """Whether the hub keeps it in LFS, and answers with a redirect."""
        return self.name.endswith(LARGE) or self.hashes.size > LARGE_BYTES


class Folder:
    """Reads them; hashes are kept by size, time of change and inode."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[tuple[str, int, int, int], Hashes] = {}
        self._lock = threading.Lock()

    def hashes(self, path: Path) -> Hashes:
        """Of a file as it is now."""
        stat = path.stat()
        key = (str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino)
        with self._lock:
            if key not in self._known:
                whole, blob = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % stat.st_size)
                with path.open("rb") as data:
                    while block := data.read(1 << 20):
                        whole.update(block)
                        blob.update(block)
                self._known[key] = Hashes(stat.st_size, whole.hexdigest(), blob.hexdigest())
            return self._known[key]

    def has(self, repo: str) -> bool:
        """Whether there is such a repository."""
        return (self.root / repo).is_dir()

    def entries(self, repo: str, ref: str) -> tuple[str, dict[str, Entry]] | None:
        """The commit and the files of a branch, tag or commit; None where the repository has none of this name."""
        owner, _, name = repo.rpartition("/")
        main = self.root / repo
        folders = {"main": main} | {
            path.name.partition("@")[2]: path for path in sorted((self.root / owner).glob(f"{name}@*"))
        }
        if ref in folders:
            return self._read(folders[ref])
        return next((found for found in map(self._read, folders.values()) if found[0] == ref), None)

    def _read(self, folder: Path) -> tuple[str, dict[str, Entry]]:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        entries = {
            name: Entry(path, name, self.hashes(path)) for path in paths for name in [str(path.relative_to(folder))]
        }
        text = "".join(f"{entry.hashes.blob} {name}\n" for name, entry in entries.items())
        return hashlib.sha1(text.encode()).hexdigest(), entries
