"""Kind `apt_repository`: a repository of apt with the one key that may sign it, and its pin; or that it is gone."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from strixkit.resources.base import Answer, Change, Question, Resource, Step


def _uri(value: str) -> str:
    if not value.startswith(("https://", "http://")) or any(c.isspace() or ord(c) < 33 for c in value):
        raise ValueError(f"{value!r} is not a URL of a repository")
    return value


Uri = Annotated[str, AfterValidator(_uri)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]


class AptRepository(Resource):
    """Key, deb822 source and pin of a repository, under our own names; the agent puts them there when all of it works.

    fingerprint: of the primary key, upper-case hex; apt trusts what the key signs, so the file may hold no other key.
    origin, priority: the pin, by the `Origin` of the repository's Release file.
    replaces: beginnings of URIs. Other files' entries for such repositories are taken out: apt refuses to name one
    repository with two keyrings.
    """

    kind: ClassVar[str] = "apt_repository"
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    uri: Uri
    suites: tuple[Word, ...] = Field(min_length=1)
    components: tuple[Word, ...] = Field(min_length=1)
    architectures: tuple[Word, ...] = ("amd64",)
    key_url: Uri
    fingerprint: str = Field(pattern=r"^([0-9A-F]{40}|[0-9A-F]{64})$")
    origin: str = Field(pattern=r"^[^\n,\"]+$")
    priority: int = 600
    replaces: tuple[Uri, ...] = ()
    present: bool = True

    @property
    def id(self) -> str:
        """`apt_repository:name`."""
        return f"{self.kind}:{self.name}"

    @property
    def keyring(self) -> str:
        """Where its key lies."""
        return f"/etc/apt/keyrings/{self.name}.gpg"

    @property
    def source(self) -> str:
        """The text of /etc/apt/sources.list.d/<name>.sources."""
        fields = {
            "Types": "deb",
            "URIs": self.uri,
            "Suites": " ".join(self.suites),
            "Components": " ".join(self.components),
            "Architectures": " ".join(self.architectures),
            "Signed-By": self.keyring,
        }
        return "".join(f"{name}: {value}\n" for name, value in fields.items())

    @property
    def pin(self) -> str:
        """The text of /etc/apt/preferences.d/<name>."""
        return f"Package: *\nPin: release o={self.origin}\nPin-Priority: {self.priority}\n"

    def requires(self) -> set[str]:
        """What is in the way goes first: a package may own files of the same repository."""
        return {"absent_packages:amdgpu-install"}

    def question(self) -> Question:
        """The keys in the keyring, the texts of source and pin, and other files that name the repository."""
        return {"ask": "apt_repository", "name": self.name, "replaces": list(self.replaces)}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"keys": None, "source": None, "pin": None, "elsewhere": {}}

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """Compare key, source and pin, each by itself."""
        changes = [
            self.change(f"in {path}", "; ".join(entries), "nothing of it")
            for path, entries in sorted(answer["elsewhere"].items())
        ]
        keys, fault = answer["keys"], answer.get("fault") or "no key"
        found = "absent" if keys is None else ", ".join(keys) or f"unreadable: {fault}"
        wanted = self.fingerprint if self.present else "absent"
        if found != wanted:
            changes.append(self.change("key", found, wanted))
        for field, text in (("source", self.source), ("pin", self.pin)):
            changes += self._text(field, answer[field], text)
        return tuple(changes)

    def _text(self, field: str, found: str | None, wanted: str) -> list[Change]:
        if not self.present:
            return [] if found is None else [self.change(field, found, "absent")]
        if found is None:
            return [self.change(field, "absent", wanted)]
        return [] if found == wanted.rstrip("\n") else [self.change(field, found, wanted, text=True)]

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Put all three in place, or take them away."""
        common = {"name": self.name, "replaces": list(self.replaces)}
        if not self.present:
            return (Step(step="no_apt_repository", arguments=common),)
        arguments = {
            **common,
            "key_url": self.key_url,
            "fingerprint": self.fingerprint,
            "uri": self.uri,
            "source": self.source,
            "pin": self.pin,
        }
        return (Step(step="apt_repository", arguments=arguments),)

    def undo(self) -> str:
        """Remove the three files; the packages stay as they are."""
        if not self.present:
            return "(strix_rocm in inventory.yaml names it again)"
        files = f"/etc/apt/sources.list.d/{self.name}.sources /etc/apt/preferences.d/{self.name} {self.keyring}"
        return f"rm {files}; apt-get update"
