"""`invoke evaluate`: variants of a model on held-out texts, on a box, against the logits of their base."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import PurePosixPath
from typing import Any

from strixkit.config.catalogue import Model, load_model
from strixkit.config.evaluation import Card, Evaluation
from strixkit.config.host import Host, Service
from strixkit.config.profiles import load_profile
from strixkit.engine.converge import converge
from strixkit.engine.events import Emit
from strixkit.engine.values import Job
from strixkit.errors import InputError, RemoteError, StrixError
from strixkit.fleet.verbs import Access, open_host, who
from strixkit.host import heldout
from strixkit.host.context import RuntimeState
from strixkit.host.files import model_file
from strixkit.host.judging import BASE, Candidate, Judging, Wish
from strixkit.host.making import sources
from strixkit.resources.product import MADE
from strixkit.runtime.evaluated import Claimed, Evaluated, File, OnText
from strixkit.runtime.perplexity import Run, parse_divergence, parse_perplexity


def wish(
    host: Host,
    model_name: str,
    *,
    variants: Sequence[str] = (),
    base: str = "",
    chunks: int = 0,
    device: str = "",
    keep: bool = False,
) -> Wish:
    """What is asked for; a variant, or the base, may also be the path of a file on the box. Raises InputError.

    variants: none: those of the recipe that are on the box, or of a model without one all.
    chunks: 0: as the catalogue has it. device: "": that of the host's profile.
    """
    model = load_model(model_name)
    if model.evaluation is None:
        raise InputError(
            f"model {model_name} has no held-out texts", hint=f"`evaluation:` in profiles/models/{model_name}.yaml"
        )
    known = model.recipe.variants if model.recipe else model.variants
    found = [_candidate(host, model_name, model, name) for name in dict.fromkeys(variants or known)]
    against = _base(host, model_name, model, base)
    found = [one for one in found if one.paths != against.paths]
    names = [one.name for one in (against, *found)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"two files are called {twice[0]}", hint="--variants and --base: files of different names")
    if not found:
        raise InputError("the base alone is named; variants are compared with it", hint="--variants NAME,NAME")
    texts = tuple(heldout.text(name, text) for name, text in model.evaluation.texts.items())
    service = next(iter(host.services.values()))
    return Wish(
        model,
        against,
        tuple(found),
        texts,
        chunks or model.evaluation.chunks,
        device or load_profile(service.profile).device.name,
        keep,
        bool(variants),
    )


def _candidate(host: Host, model_name: str, model: Model, name: str) -> Candidate:
    if name.startswith("/"):
        return Candidate(PurePosixPath(name).stem, (name,), "is the path right?")
    variant = model.variant(name)
    file = model_file(host.name, Service(profile="", model=model_name, variant=name), model, name)
    ways = []
    if model.recipe is not None and name in model.recipe.variants:
        ways.append(f"invoke quantize --host {host.name} --model {model_name} makes it")
    if file.origin is not None or file.unlocked or file.source is not None:
        ways.append(f"invoke pull --host {host.name} --model {model_name} --variant {name} brings it")
    places = dict.fromkeys((f"{MADE}/{variant.file}", file.path))
    return Candidate(name, tuple(places), ", or ".join(ways) or f"put it there: {file.path}")


def _base(host: Host, model_name: str, model: Model, name: str) -> Candidate:
    """Named, or what the variants are made from; a file of this machine is sent. A split one is given as its first."""
    if name:
        return _candidate(host, model_name, model, name)
    if model.recipe is None:
        raise InputError(
            f"model {model_name} has no recipe, so nobody knows what its variants are made from",
            hint="--base NAME, or the path of a file on the box",
        )
    parts, unlocked = sources(model.recipe)
    if unlocked:
        raise InputError(f"lock.yaml does not say which file {unlocked[0]} is", hint=f"invoke lock --only {model_name}")
    file = parts[0]
    missing = f"invoke quantize --host {host.name} --model {model_name} fetches it; or --base names another file"
    return Candidate(PurePosixPath(file.path).name, (file.path,), missing, file if file.source else None)


def evaluate(host: Host, access: Access, emit: Emit, asked: Wish, *, model: str, hold_at: str = "") -> Evaluated:
    """Run what has not been run yet, and read all results. Raises StrixError."""
    judging = Judging(host, asked)
    with closing(open_host(host, access)) as session:
        outcome = converge(session, judging, Job(who(), f"evaluation of {model}", hold_at), emit)
        if not outcome.ok:
            log = "".join(f"\n  | {line}" for line in outcome.log)
            raise StrixError((outcome.error or "the evaluation is not complete") + log, host=host.name)
        kept = session.request("evaluations", ids=[run.id for run in judging.runs])
    runtime: RuntimeState = outcome.shown["runtime"]
    results = _results(host.name, judging, kept)
    # The base's run has its name in no file's: there is one of each text.
    hashes = {run.path: str(item.get("sha256", "")) for run, item in zip(judging.runs, kept, strict=True)}
    files = {name: File(path, hashes[path]) for name, path in judging.paths.items()}
    evaluation = asked.model.evaluation
    assert evaluation is not None
    return Evaluated(
        host.name,
        model,
        runtime.version or runtime.name,
        asked.device,
        files.pop(asked.base.name),
        files,
        tuple(_on_text(text, results, evaluation) for text in asked.texts),
        evaluation.card.note if evaluation.card else "",
    )


def _results(host: str, judging: Judging, kept: Any) -> dict[tuple[str, str], Run]:
    """By text and variant. The box has read its outputs already; what it says is read again here."""
    if not isinstance(kept, list) or len(kept) != len(judging.runs):
        raise RemoteError("the agent's answer makes no sense: it names other runs than were asked for", host=host)
    found = {}
    for run, item in zip(judging.runs, kept, strict=True):
        if not isinstance(item, dict) or not isinstance(item.get("output"), str):
            raise RemoteError(f"{run.text}, {run.variant}: nothing is kept of this run", host=host)
        result = (parse_perplexity if run.variant == BASE else parse_divergence)(item["output"])
        if not result.complete:
            raise RemoteError(f"{run.text}, {run.variant}: what is kept of this run is no result", host=host)
        found[run.text, run.variant] = result
    return found


def _on_text(text: heldout.Text, results: dict[tuple[str, str], Run], evaluation: Evaluation) -> OnText:
    runs = {variant: run for (name, variant), run in results.items() if name == text.name}
    base = runs.pop(BASE)
    return OnText(text.name, text.sha256, text.size, text.origin, base, runs, _claims(text.name, evaluation.card))


def _claims(text: str, card: Card | None) -> dict[str, Claimed]:
    if card is None:
        return {}
    return {name: Claimed(claim.ppl.get(text), claim.kld, claim.same_top) for name, claim in card.variants.items()}
