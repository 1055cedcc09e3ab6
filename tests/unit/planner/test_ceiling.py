"""The decode ceiling: what a step moves, and published speeds, none of which may be above it."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planner_cases import strix_27b

from strixkit.errors import InputError
from strixkit.planner.ceiling import acceptance_of_share, ceiling, tokens_per_step
from strixkit.planner.gguf import TYPES, Header, read_header
from strixkit.planner.run import CacheTypes

F16 = CacheTypes.of("f16")
MEASURED = 215.0  # GB/s that strangers measured on a Strix Halo: hogeheer499's strix-halo-guide
PEAK = 256.0
DRAFTING = Path(__file__).parents[2] / "data/drafting/kyuz0.csv"
Q8_0 = 8


def header_27b(output: str = "q4_0_rocmfp4_fast") -> Header:
    data, size = strix_27b(output)
    return read_header(data, size)


HEADER = header_27b()


def test_a_plain_token_reads_every_weight_once() -> None:
    header = header_27b()
    found = ceiling(header, PEAK, context=0, kv=F16)
    main = [t for t in header.tensors if t.name != "token_embd.weight" and not t.name.startswith("blk.64.")]
    assert found.traffic.weights == sum(tensor.nbytes for tensor in main)
    assert found.traffic.kv == found.traffic.drafting == 0
    # 48 layers: a convolution of 3 x 10240 and a state of 128 x 6144 floats, read and written
    assert found.traffic.state == 2 * 48 * 4 * (3 * 10240 + 128 * 6144)
    assert found.tokens == 1
    assert found.tokens_per_second == pytest.approx(PEAK * 1e9 / found.traffic.total)


def test_the_context_is_read_by_the_layers_that_attend() -> None:
    header = header_27b()
    assert ceiling(header, PEAK, context=1000, kv=F16).traffic.kv == 1000 * 16 * 2 * 1024 * 2
    q8 = ceiling(header, PEAK, context=1000, kv=CacheTypes.of("q8_0"))
    assert q8.traffic.kv == 1000 * 16 * 2 * 1024 / 32 * 34


def test_a_draft_reads_the_block_its_cache_and_the_head() -> None:
    header = header_27b()
    sizes = {tensor.name: tensor.nbytes for tensor in header.tensors}
    block = sum(size for name, size in sizes.items() if name.startswith("blk.64."))
    found = ceiling(header, PEAK, context=1000, kv=F16, drafts=3, acceptance=0.9)
    assert found.traffic.drafting == 3 * (block + sizes["output.weight"] + 1000 * 2 * 1024 * 2)
    assert found.traffic.state == ceiling(header, PEAK, context=0, kv=F16).traffic.state / 2 * 5
    narrow = ceiling(header, PEAK, context=1000, kv=F16, drafts=3, draft_kv=CacheTypes.of("q8_0"))
    assert narrow.traffic.drafting < found.traffic.drafting
    assert narrow.traffic.kv == found.traffic.kv


def test_tokens_of_a_step() -> None:
    assert tokens_per_step(0, 0.9) == 1
    assert tokens_per_step(3, 0) == 1
    assert tokens_per_step(3, 1) == 4
    assert tokens_per_step(3, 0.5) == (1 - 0.5**4) / (1 - 0.5)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.885, 1.0])
def test_the_logged_share_and_the_acceptance_of_each_token(share: float) -> None:
    acceptance = acceptance_of_share(3, share)
    assert tokens_per_step(3, acceptance) == pytest.approx(1 + 3 * share, abs=1e-9)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_what_is_no_share(share: float) -> None:
    with pytest.raises(InputError):
        acceptance_of_share(3, share)


@pytest.mark.parametrize(
    ("context", "said", "part"),
    [(0, 33.0, 0.72), (140_000, 18.0, 0.64)],
)
def test_the_model_card(context: int, said: float, part: float) -> None:
    """Its run: f16 caches, 3 drafts, of which 0.87 to 0.90 were accepted."""
    acceptance = acceptance_of_share(3, 0.885)
    found = ceiling(header_27b(), MEASURED, context=context, kv=F16, drafts=3, acceptance=acceptance)
    assert said / found.tokens_per_second == pytest.approx(part, abs=0.01)


def test_what_the_card_says_that_the_better_head_costs() -> None:
    """ "Decode is 5-7 % slower at short context, and the gap shrinks at long context." The ceiling says 8 and 5 %."""
    slower = []
    for context in (0, 140_000):
        speeds = [
            ceiling(header_27b(head), MEASURED, context=context, kv=F16, drafts=3, acceptance=0.9).tokens_per_second
            for head in ("q4_0_rocmfp4_fast", "q6_k")
        ]
        slower.append(1 - speeds[1] / speeds[0])
    assert slower[0] == pytest.approx(0.08, abs=0.01)
    assert slower[1] < slower[0]


def test_plain_speeds_that_were_published() -> None:
    """A Q8 of the same model without drafts, taken as Q8_0 throughout: 83 % of the ceiling."""
    header = header_27b()
    kind = TYPES[Q8_0]
    eight_bits = header._replace(
        tensors=tuple(
            t._replace(type_id=Q8_0, nbytes=t.shape[0] * t.shape[1] // kind.block * kind.size)
            if TYPES[t.type_id].block > 1
            else t
            for t in header.tensors
        )
    )
    with DRAFTING.open() as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == "Qwen3.6-27B" and row["backend"] == "ROCm"]
    speed = fmean(float(row["plain_tokens_per_s"]) for row in rows)
    assert len(rows) == 18
    found = ceiling(eight_bits, MEASURED, context=200, kv=F16)
    assert speed / found.tokens_per_second == pytest.approx(0.83, abs=0.01)


def test_of_experts_only_those_in_use_are_read() -> None:
    header = header_27b()
    experts = header.metadata | {"general.architecture": "qwen35moe"}
    experts = {key.replace("qwen35.", "qwen35moe."): value for key, value in experts.items()}
    experts |= {"qwen35moe.expert_count": 256, "qwen35moe.expert_used_count": 8}
    renamed = tuple(t._replace(name=t.name.replace("ffn_up.", "ffn_up_exps.")) for t in header.tensors)
    found = ceiling(header._replace(metadata=experts, tensors=renamed), PEAK, context=0, kv=F16, drafts=1)
    dense = ceiling(header, PEAK, context=0, kv=F16, drafts=1)
    one = next(tensor.nbytes for tensor in header.tensors if tensor.name == "blk.0.ffn_up.weight")
    assert dense.traffic.weights - found.traffic.weights == pytest.approx(64 * one * (1 - 8 / 256))
    assert dense.traffic.drafting - found.traffic.drafting == pytest.approx(one * (1 - 8 / 256))


@pytest.mark.parametrize(
    "wrong", [{"gbps": 0.0}, {"gbps": float("nan")}, {"context": -1}, {"acceptance": 1.5}, {"drafts": -1}]
)
def test_numbers_that_make_no_sense(wrong: dict[str, float]) -> None:
    values = {"gbps": PEAK, "context": 0, "kv": F16, **wrong}
    with pytest.raises(InputError):
        ceiling(header_27b(), values.pop("gbps"), **values)  # type: ignore[arg-type]


def test_a_model_without_the_block_does_not_draft() -> None:
    header = header_27b()
    plain = header._replace(
        metadata=header.metadata | {"qwen35.nextn_predict_layers": 0, "qwen35.block_count": 64},
        tensors=tuple(tensor for tensor in header.tensors if not tensor.name.startswith("blk.64.")),
    )
    with pytest.raises(InputError, match="no MTP block"):
        ceiling(plain, PEAK, context=0, kv=F16, drafts=1)


@given(
    context=st.integers(0, 262144),
    drafts=st.integers(0, 6),
    acceptance=st.floats(0, 1),
    gbps=st.floats(1, 1000),
)
def test_what_makes_it_slower_and_faster(context: int, drafts: int, acceptance: float, gbps: float) -> None:
    found = ceiling(HEADER, gbps, context=context, kv=F16, drafts=drafts, acceptance=acceptance)
    longer = ceiling(HEADER, gbps, context=context + 1000, kv=F16, drafts=drafts, acceptance=acceptance)
    accepted = ceiling(HEADER, gbps, context=context, kv=F16, drafts=drafts, acceptance=(1 + acceptance) / 2)
    assert longer.tokens_per_second < found.tokens_per_second
    assert accepted.tokens_per_second >= found.tokens_per_second
    assert 1 <= found.tokens <= drafts + 1
    # Drafting reads more in a step, and never makes a token cheaper than its share of the step.
    plain = ceiling(HEADER, gbps, context=context, kv=F16)
    assert found.traffic.total >= plain.traffic.total
    assert found.tokens_per_second <= (drafts + 1) * plain.tokens_per_second
