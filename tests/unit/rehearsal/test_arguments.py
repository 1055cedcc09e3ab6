"""What a rehearsal changes of the service's command line, and what it leaves alone."""

from __future__ import annotations

from strixkit.rehearsal.arguments import rehearsal_arguments, rehearsal_environment
from strixkit.rehearsal.build import Device


def test_only_what_a_rehearsal_needs_is_replaced() -> None:
    words = ["-m", "/models/27b.gguf", "--alias", "qwen", "--host", "0.0.0.0", "--port", "8080", "-dev", "Vulkan0"]
    words += ["-c", "262144", "--api-key-file", "%d/key", "--no-mmap", "-ctk", "f16", "--jinja"]
    assert rehearsal_arguments(words, "/tmp/hollow.gguf", 18100) == [
        *["--alias", "qwen", "-dev", "Vulkan0", "-c", "262144", "-ctk", "f16", "--jinja"],
        *["-m", "/tmp/hollow.gguf", "--host", "127.0.0.1", "--port", "18100", "--no-warmup", "-lv", "4"],
    ]


def test_a_value_joined_to_its_flag_takes_no_word_after_it() -> None:
    assert rehearsal_arguments(["--port=1", "--jinja"], "m", 2)[0] == "--jinja"


def test_upstreams_way_to_load_is_left_to_the_environment() -> None:
    assert "--load-mode" not in rehearsal_arguments(["--load-mode", "none", "-b", "1"], "m", 2)
    environment = rehearsal_environment({"A": "1"}, Device("/d/backend.so", "/d/preload.so"), "ROCm0", 100, 50)
    assert environment["LLAMA_ARG_LOAD_MODE"] == "mmap"
    assert environment["A"] == "1"


def test_real_devices_are_hidden_and_the_rehearsals_is_named() -> None:
    environment = rehearsal_environment({}, Device("/d/backend.so", "/d/preload.so"), "Vulkan0", 100, 50)
    assert environment["GGML_VK_VISIBLE_DEVICES"] == ""
    assert environment["HIP_VISIBLE_DEVICES"] == "-1"
    assert environment["REHEARSAL_DEVICE"] == "Vulkan0"
    assert (environment["REHEARSAL_TOTAL_MIB"], environment["REHEARSAL_FREE_MIB"]) == ("100", "50")
    assert environment["GGML_BACKEND_PATH"] == "/d/backend.so"
