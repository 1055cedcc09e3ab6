"""Flags, arguments, quoting, and causes: against real help, real logs, and the model card."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from strixkit.config.catalogue import load_runtime
from strixkit.config.profiles import load_profile
from strixkit.errors import InputError, RemoteError
from strixkit.planner.options import Options, options_from
from strixkit.planner.run import CacheTypes, Run
from strixkit.runtime.argv import render
from strixkit.runtime.completion import parse
from strixkit.runtime.help import Capabilities, from_recorded, parse_help
from strixkit.runtime.log import cause
from strixkit.runtime.options import CANONICAL
from strixkit.runtime.systemd import environment_line, exec_line, quote

DATA = Path(__file__).parent.parent.parent / "data"
# The model card's run configuration, word by word.
CARD = """-m MODEL --alias qwen3.6-27b-rocmfp4-mtp --host 0.0.0.0 --port 8080
  -dev Vulkan0 -ngl 999 -fa on
  -c 262144 -b 2048 -ub 256 -t 16 -tb 16
  -ctk f16 -ctv f16
  -cpent 256 -ctxcp 32 --cache-reuse 256
  --temp 0.6 --top-p 0.95 --top-k 20 --min-p 0.0
  --presence-penalty 0.0 --repeat-penalty 1.0
  --spec-type draft-mtp --spec-draft-device Vulkan0 --spec-draft-ngl all
  --spec-draft-type-k f16 --spec-draft-type-v f16
  --spec-draft-n-max 3 --spec-draft-n-min 0 --spec-draft-p-min 0.0 --spec-draft-p-split 0.1
  --reasoning on --reasoning-format deepseek
  --chat-template-kwargs '{"preserve_thinking": true}'
  --jinja --parallel 1 --metrics --no-mmap"""
# The card leaves the prompt cache to the build; a plan always says it.
PLANNED = CARD.replace("--cache-reuse 256", "--cache-reuse 256 --cache-ram 8192")


@pytest.fixture(scope="module")
def upstream() -> Capabilities:
    return parse_help((DATA / "help/llama.cpp-0.7.0.txt").read_text())


@pytest.fixture(scope="module")
def fork() -> Capabilities:
    return from_recorded(load_runtime("rocmfp4").recorded.flags)


@pytest.fixture(scope="module")
def options() -> Options:
    run = Run(
        family="rocmfp4",
        hip=False,
        context=262144,
        parallel=1,
        batch=2048,
        micro=256,
        kv=CacheTypes("f16", "f16"),
        draft_kv=CacheTypes("f16", "f16"),
        draft_max=3,
        checkpoints=32,
        checkpoint_every=256,
    )
    return {"model.path": "MODEL", **options_from(load_profile("coding"), run, cores=16)}


def test_the_fork_gets_the_cards_command_line(options: Options, fork: Capabilities) -> None:
    assert list(render(options, fork).argv) == shlex.split(PLANNED)


def test_upstream_gets_it_translated(options: Options, upstream: Capabilities) -> None:
    words = PLANNED.replace("-cpent 256", "-cms 256").replace("--no-mmap", "--load-mode none")
    assert list(render(options, upstream).argv) == shlex.split(words)


def test_the_record_of_debians_runtime_agrees_with_its_binary(upstream: Capabilities) -> None:
    recorded = load_runtime("debian").recorded.flags
    assert set(recorded) == {option.name for option in CANONICAL}
    assert [flag for flag in recorded.values() if upstream.find(flag) is None] == []


def test_every_entry_of_the_real_help_is_read(upstream: Capabilities) -> None:
    text = (DATA / "help/llama.cpp-0.7.0.txt").read_text()
    entries = [line for line in text.splitlines() if line.startswith("-") and not line.startswith("-----")]
    assert len({id(flag) for flag in upstream.flags.values()}) == len(entries) == 258
    assert upstream.flags["-fa"].values == ("on", "off", "auto")
    assert upstream.flags["--no-jinja"] is upstream.flags["--jinja"]
    assert "draft-mtp" in upstream.flags["--spec-type"].values
    assert upstream.flags["-dev"].values == ()
    assert upstream.find("-cpent", "--no-mmap") is None


def test_an_unknown_flag_is_refused_unless_optional(options: Options, upstream: Capabilities) -> None:
    without = Capabilities({name: flag for name, flag in upstream.flags.items() if name != "--cache-reuse"})
    with pytest.raises(InputError, match=r"cache\.reuse: this binary does not know --cache-reuse"):
        render(options, without)
    rendered = render(options, without, optional=["cache.reuse"])
    assert rendered.omitted == ("cache.reuse",)
    assert "--cache-reuse" not in rendered.argv


def test_a_value_that_the_binary_does_not_list_is_refused(options: Options, upstream: Capabilities) -> None:
    with pytest.raises(InputError, match=r"kv\.k = q4_0_rocmfp4: this binary's -ctk takes only f32, f16"):
        render({**options, "kv.k": "q4_0_rocmfp4"}, upstream)


def test_an_unknown_option_offers_the_nearest(upstream: Capabilities) -> None:
    with pytest.raises(InputError, match=r"did you mean cache\.reuse"):
        render({"cache.reuze": 1}, upstream)


def test_switched_off_things(options: Options, upstream: Capabilities) -> None:
    off: Options = {
        "template.jinja": False,
        "server.metrics": False,
        "device.flash_attention": False,
        "load.mmap": True,
    }
    assert render(off, upstream).argv == ("-fa", "off", "--no-jinja", "--load-mode", "mmap")


@pytest.mark.parametrize(
    ("log", "kind"),
    [
        ("port-in-use", "port-in-use"),
        ("bad-host", "port-in-use"),
        ("rocmfp4", "unknown-tensor-type"),
        ("unknown-architecture", "unknown-architecture"),
        ("truncated", "truncated-model"),
        ("not-a-gguf", "not-a-gguf"),
        ("zeros", "not-a-gguf"),
        ("empty", "not-a-gguf"),
        ("file-missing", "model-missing"),
        ("gpu-out-of-memory", "out-of-memory"),
        ("out-of-memory-cpu", "out-of-memory"),
        ("out-of-memory-vulkan", "out-of-memory"),
        ("no-such-device", "no-such-device"),
        ("unknown-flag", "unknown-flag"),
        ("unknown-flag-no-mmap", "unknown-flag"),
        ("bad-value", "bad-value"),
        ("bad-number", "bad-value"),
        ("no-mtp", "no-mtp-head"),
    ],
)
def test_the_cause_of_a_real_failure(log: str, kind: str) -> None:
    found = cause((DATA / f"log/{log}.txt").read_text(errors="replace"))
    assert found is not None
    assert found.kind == kind


@pytest.mark.parametrize(
    "line",
    [
        "llama-server-main.service: A process of this unit has been killed by the OOM killer.",
        "llama-server-main.service: Failed with result 'oom-kill'.",
        "llama-server-main.service: systemd-oomd killed 1 process(es) in this unit.",
    ],
)
def test_what_systemd_says_of_a_server_without_memory(line: str) -> None:
    """The server itself is killed in the middle of its own lines."""
    start = (DATA / "log/start-ok.txt").read_text().splitlines()[:40]
    found = cause("\n".join([*start, line]))
    assert found is not None
    assert found.kind == "out-of-memory"
    assert line in found.words


def test_a_good_start_has_no_cause() -> None:
    assert cause((DATA / "log/start-ok.txt").read_text()) is None


def test_a_real_completion() -> None:
    completion = parse(json.loads((DATA / "log/completion.json").read_text()))
    assert (completion.reasoning.strip(), completion.content.strip()) == ("abcdefghijklm", "nopqrstuvwxyz")
    assert completion.timings.acceptance == 1.0


@pytest.mark.parametrize("answer", [{}, {"choices": []}, {"choices": [{"message": "x"}]}, {"choices": "x"}])
def test_nonsense_instead_of_a_completion(answer: dict[str, object]) -> None:
    with pytest.raises(RemoteError):
        parse(answer)


def test_quoting_by_example() -> None:
    assert quote("plain-1.0/x") == "plain-1.0/x"
    assert quote('a "b" $c %d \\') == '"a \\"b\\" $$c %%d \\\\"'
    assert exec_line(["x", "%d/api-key", "%d"], raw=frozenset({"%d/api-key"})) == 'x %d/api-key "%%d"'
    assert environment_line("A", "b c%$") == '"A=b c%%$"'
    with pytest.raises(InputError):
        quote("a\0b")


def test_a_runtime_that_is_missing_is_no_missing_model() -> None:
    assert cause("runtime rocmfp4-path: /opt/x/llama-server is not on the box") is None
    found = cause("model qwen: /srv/m.gguf is not on the box")
    assert found is not None
    assert found.kind == "model-missing"
