"""What a chat template supports, by its text; whatever the text is, in time that grows with its length only."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planner_cases import TINY, entry, head

from strixkit.planner.gguf import KEPT_STRING_BYTES, Array, read_header
from strixkit.planner.template import KEY, TemplateFacts, template_facts


def facts(text: str) -> TemplateFacts:
    found = template_facts({KEY: text})
    assert found is not None
    return found


def test_the_tiny_models_own() -> None:
    found = template_facts(read_header(TINY.read_bytes()).metadata)
    assert found is not None
    assert (found.preserve_thinking, found.enable_thinking, found.reasoning_content) == (True, True, True)
    assert (found.reasoning_tags, found.tools) == (("<think>",), False)


@pytest.mark.parametrize(
    ("text", "name", "there"),
    [
        ("{%- if preserve_thinking is defined %}x{% endif %}", "preserve_thinking", True),
        ("{# preserve_thinking is not supported #}", "preserve_thinking", False),
        ("preserve_thinking", "preserve_thinking", False),
        ("{{ 'preserve_thinking' }}", "preserve_thinking", False),
        ('{{ "it\'s" }}{{ preserve_thinking }}', "preserve_thinking", True),
        ("{{ '}}' }}{% if tools %}{% endif %}", "tools", True),
        ("{{ '\\'' }}{% if tools %}{% endif %}", "tools", True),
        ("{% if my_tools %}{% endif %}", "tools", False),
        ("{{- '# tools you may call' }}", "tools", False),
        ("{{ message['reasoning_content'] }}", "reasoning_content", True),
        ("{{ message.reasoning_content }}", "reasoning_content", True),
        ("{% if not enable_thinking", "enable_thinking", True),
    ],
)
def test_a_variable_counts_and_a_word_does_not(text: str, name: str, there: bool) -> None:
    assert getattr(facts(text), name) is there


@pytest.mark.parametrize("text", ["<think>", "{{ '<think>\\n' }}", '{% set x = "<think>" %}'])
def test_reasoning_tags_are_found_in_text_and_strings(text: str) -> None:
    assert facts(text).reasoning_tags == ("<think>",)
    assert facts(f"{{# {text} #}}".replace("#}", "#}", 1)).reasoning_tags == ()


@pytest.mark.parametrize("size", [10_000, 60_000, KEPT_STRING_BYTES])
def test_a_long_template_is_kept_beside_a_large_vocabulary(size: int) -> None:
    text = "{% if tools %}".ljust(size, "x")
    metadata = {
        "tokenizer.ggml.tokens": [f"token{n}" for n in range(100_000)],
        "tokenizer.ggml.token_type": [1] * 100_000,
        KEY: text,
        f"{KEY}.tool_use": "x",
    }
    data = head(0, len(metadata)) + b"".join(entry(key, value) for key, value in metadata.items()) + bytes(32)
    found = template_facts(read_header(data).metadata)
    assert found == TemplateFacts(characters=size, tools=True, others=("tool_use",))


def test_one_that_is_too_long_says_so_and_none_is_none() -> None:
    found = template_facts({KEY: Array("byte", 2 << 20)})
    assert found is not None
    assert (found.readable, found.characters) == (False, 2 << 20)
    assert template_facts({}) is None
    assert template_facts({KEY: 3}) is None


@given(st.text(alphabet="{}%#'\"\\ a", max_size=200))
def test_any_text(text: str) -> None:
    facts(text)


@pytest.mark.parametrize(
    "piece", ["{{", "{%", "{#", "{{'", '{{"', "{{\\'", "\\", "{{ a }}", "{%'%}", "'\"", "{{'\\", "{", "a"]
)
def test_a_hostile_text_costs_little(piece: str) -> None:
    text = piece * (KEPT_STRING_BYTES // len(piece))
    start = time.perf_counter()
    facts(text)
    facts("{{" + text)
    assert time.perf_counter() - start < 3
