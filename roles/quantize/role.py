"""Variants of a model made on the box by its recipe: sources, calibration text, importance matrix, quantised files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from roles.model.role import WHY_USER
from roles.quantize import commands
from roles.quantize.ready import check_types, tools_there
from strixkit.host.context import USER, HostContext, environment_of
from strixkit.host.making import TEXTS, Input, Making
from strixkit.host.sandbox import sandbox
from strixkit.resources.artifact import Artifact
from strixkit.resources.base import Resource
from strixkit.resources.directory import Directory
from strixkit.resources.download import FETCHER, INCOMING, Download, gigabytes
from strixkit.resources.product import MADE, Product
from strixkit.resources.user import User

# An imatrix has two vectors for each matrix: 20 MB of a source of 54.7 GB. Of a tiny model they are more.
IMATRIX_SHARE, IMATRIX_LEAST = 2000, 1 << 20


def resources(host: HostContext) -> Iterator[Resource]:
    """Nothing is fetched before the runtime is known to have the tools and the types."""
    making = host.making
    assert making is not None
    check_types(host, making)
    if not (yield from tools_there(host)):
        return
    if making.unlocked:
        what = f"model {making.model}: lock.yaml does not say which file {' and '.join(making.unlocked)} is"
        host.lack(what, f"invoke lock --only {making.model}")
        return
    yield Directory(path=MADE, reason="what is made on the box")
    yield Directory(path=TEXTS, reason="texts that models are measured on")
    yield from _inputs(making)
    yield from _products(host, making)


def _inputs(making: Making) -> Iterator[Resource]:
    files = [*making.source, *making.texts, *([making.published] if making.published else [])]
    if any(file.origin for file in files):
        yield User(name=FETCHER, home=INCOMING, reason=WHY_USER)
        yield Directory(path=INCOMING, reason="files that are on their way, each in a folder of its own")
    for file in dict.fromkeys(files):
        reason = f"model {making.model}: its variants are made of it"
        if file.origin is not None:
            yield Download(
                path=file.path,
                sha256=file.sha256,
                size=file.size,
                url=file.origin.url,
                token=file.origin.token,
                origin=file.origin.text,
                reason=reason,
            )
        else:
            yield Artifact(path=file.path, sha256=file.sha256, size=file.size, source=file.source, reason=reason)


@dataclass(frozen=True)
class Part:
    """What a product is made of, under its name in the command. key: of one that is made; else sha256."""

    name: str
    path: str
    size: int
    sha256: str = ""
    key: str = ""
    origin: str = ""
    resource: str = ""


@dataclass
class _Products:
    """Products in their order; each needs room beside all before it."""

    host: HostContext
    making: Making
    needs: list[tuple[str, int, str]] = field(default_factory=list)

    def product(
        self, tool: str, file: str, size: int, parts: Sequence[Part], words: Sequence[str], **more: Any
    ) -> Product:
        """more: `expected`, `device`, `about` and `reason`."""
        runtime = self.host.runtime
        folder = runtime.binary.rpartition("/")[0]
        argv = [f"{folder}/llama-{tool}", *words] if words else []
        shaped_by = {
            "tool": tool,
            "words": list(words),
            "inputs": [[part.name, part.sha256 or part.key] for part in parts],
            # Text files are joined by ourselves.
            "runtime": runtime.identity if words else "",
        }
        key = hashlib.sha256(json.dumps(shaped_by, sort_keys=True).encode()).hexdigest()
        spec = {
            "tool": tool,
            "argv": argv,
            "inputs": [
                {"name": part.name, "path": part.path, "sha256": part.sha256, "key": part.key, "origin": part.origin}
                for part in parts
            ],
            "expected": more["expected"],
            "user": USER,
            "sandbox": sandbox(),
            "environment": environment_of(runtime, self.host.host, more.get("device", "")),
            "runtime": self._runtime() if words else {},
            "about": {"model": self.making.model, **more.get("about", {})},
        }
        path = f"{MADE}/{file}"
        needs = tuple(self.needs)
        self.needs.append((path, size, ""))
        return Product(
            path=path,
            key=key,
            size=size,
            needs=needs,
            spec=spec,
            after=tuple(part.resource for part in parts),
            reason=more["reason"],
        )

    def _runtime(self) -> dict[str, str]:
        runtime = self.host.runtime
        source = runtime.source
        return {
            "name": runtime.name,
            "version": runtime.version,
            "identity": runtime.identity,
            "commit": source.commit if source else "",
            "build": source.build if source else "",
        }


def _products(host: HostContext, making: Making) -> Iterator[Product]:
    found = _Products(host, making)
    found.needs += [(file.path, file.size, file.sha256) for file in (*making.source, *making.texts)]
    total = sum(file.size for file in making.source)
    source = [
        _part("source" if not number else f"source{number + 1}", file) for number, file in enumerate(making.source)
    ]
    imatrix = [_part("imatrix", making.published)] if making.published else []
    wish = making.recipe.imatrix
    if making.with_imatrix and wish is not None and not imatrix:
        text = found.product(
            "join",
            wish.calibration.file,
            max(1, sum(file.size for file in making.texts)),
            [_part(f"text{number}", file) for number, file in enumerate(making.texts, 1)],
            (),
            expected={},
            reason="the text that the importance matrix is measured on",
        )
        yield text
        gpu = host.facts.gpu
        if gpu is not None and wish.gpu_layers and total > gpu.gtt_total_bytes:
            host.notes.append(
                f"the source of {gigabytes(total)} is more than the GPU may map ({gigabytes(gpu.gtt_total_bytes)}): "
                "llama-imatrix will probably not load it; strix_gtt_gib in inventory.yaml raises the limit"
            )
        measured = found.product(
            "imatrix",
            wish.file,
            max(IMATRIX_LEAST, total // IMATRIX_SHARE),
            [*source, _made("text", text)],
            commands.imatrix(wish),
            expected={"chunks": wish.chunks, "tensors": wish.tensors},
            device=wish.device,
            reason=f"how much each weight of {making.model} matters",
        )
        yield measured
        imatrix = [_made("imatrix", measured)]
    for name in making.variants:
        made = making.recipe.variants[name]
        expected = made.expected
        size = (
            total if expected.size_gb is None else int(expected.size_gb * 1e9 * (1 + expected.tolerance_percent / 100))
        )
        yield found.product(
            "quantize",
            making.entry.variants[name].file,
            size,
            [*source, *(imatrix if made.imatrix else ())],
            commands.quantize(made),
            expected=expected.model_dump(mode="json"),
            about={"variant": name, "type": made.type},
            reason=f"variant {name} of {making.model}",
        )


def _part(name: str, file: Input) -> Part:
    kind = "download" if file.origin else "artifact"
    return Part(name, file.path, file.size, file.sha256, "", file.text, f"{kind}:{file.path}")


def _made(name: str, product: Product) -> Part:
    return Part(name, product.path, product.size, "", product.key, "made here", product.id)
