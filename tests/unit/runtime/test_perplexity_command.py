"""llama-perplexity's command lines and the size of its logits."""

from __future__ import annotations

from strixkit.runtime.perplexity_command import Settings, logits_bytes, most_chunks


def test_the_size_of_logits_that_were_written() -> None:
    assert logits_bytes(264, 9) == 1248572  # tests/data/perplexity/base.txt
    assert logits_bytes(263, 9) == 1248572  # rows are of an even number
    assert logits_bytes(248320, 100) == 12_664_728_820  # "126.6 MB per chunk" of the 27B


def test_command_lines() -> None:
    base = Settings("/x/llama-perplexity", "Vulkan0", 100).base("/m.gguf", "/t.txt", "/b.kld")
    common = "/x/llama-perplexity -m /m.gguf -f /t.txt -c 512 -b 512"
    assert " ".join(base) == f"{common} -dev Vulkan0 -ngl 999 --chunks 100 --kl-divergence-base /b.kld"
    variant = Settings("/x/llama-perplexity", "", 7).variant("/m.gguf", "/t.txt", "/b.kld")
    assert " ".join(variant) == f"{common} -dev none -ngl 0 --chunks 7 --kl-divergence-base /b.kld --kl-divergence"


def test_no_more_chunks_than_bytes() -> None:
    assert most_chunks(5000, 100) == 9
    assert most_chunks(500_000, 100) == 100
