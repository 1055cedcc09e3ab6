"""Kinds `evaluation` and `no_logits`: what is run, what must have room, what is removed."""

from __future__ import annotations

from typing import Any

from strixkit.resources.evaluation import Evaluation, NoLogits

BASE: dict[str, Any] = {"id": "a" * 64, "user": "llama"}
VARIANT: dict[str, Any] = {"id": "b" * 64, "user": "llama", "base": BASE}
GB = 10**9


def base(needs: int = 12 * GB) -> Evaluation:
    return Evaluation(run="a" * 64, what="code, (base)", spec=BASE, needs=needs)


def variant() -> Evaluation:
    return Evaluation(run="b" * 64, what="code, q4", spec=VARIANT, needs=12 * GB, after=("evaluation:code, (base)",))


def test_a_finished_run_is_not_run_again() -> None:
    answer = {**base().absent(), "finished": True, "lacks_bytes": GB}
    assert base().diff(answer) == ()
    assert base().refuse(answer) is None


def test_the_logits_size_is_told_before() -> None:
    [change] = base().diff(base().absent())
    assert (change.found, change.wanted) == ("absent", "a result, and logits of at most 12.0 GB")
    [change] = variant().diff({**variant().absent(), "running": True})
    assert (change.found, change.wanted) == ("running", "a result")


def test_a_disk_without_room_is_refused() -> None:
    refusal = base().refuse({**base().absent(), "lacks_bytes": 3 * GB})
    assert refusal is not None
    assert "take up to 12.0 GB in /var/lib/strixkit/evaluations, and 3.0 GB too little is free" in refusal


def test_a_variant_asks_for_the_bases_logits_and_its_own_result() -> None:
    logits = [["a" * 64, 12 * GB]]
    assert variant().question() == {"ask": "evaluation", "run": "b" * 64, "logits": logits}
    assert base().question() == {"ask": "evaluation", "run": "a" * 64, "logits": logits}
    second = base().model_copy(update={"before": (("c" * 64, 5 * GB),)})
    assert second.question()["logits"] == [["c" * 64, 5 * GB], *logits]
    refusal = second.refuse({**base().absent(), "lacks_bytes": 3 * GB})
    assert refusal is not None
    assert "take up to 17.0 GB" in refusal
    assert "evaluation:code, (base)" in variant().requires()
    assert {"user:llama", "directory:/var/lib/strixkit/evaluations"} <= base().requires()


def test_logits_are_removed_when_there_are_some() -> None:
    wish = NoLogits(run="a" * 64, what="code", after=("evaluation:code, q4",))
    assert wish.requires() == {"evaluation:code, q4"}
    assert wish.diff(wish.absent()) == ()
    [change] = wish.diff({**wish.absent(), "logits_bytes": 2 * GB})
    assert (change.found, change.wanted) == ("2.0 GB", "removed")
    [step] = wish.steps(wish.absent())
    assert (step.step, step.arguments) == ("drop_logits", {"ids": ["a" * 64]})
