"""A ProxyCommand's program: both directions, its words, its end."""

from __future__ import annotations

import time

from strixkit.remote.proxy import ProxyCommand


def test_both_directions_by_the_rules_of_the_shell() -> None:
    proxy = ProxyCommand("sh -c \"echo '$((1 + 1))'; exec cat\"")
    proxy.settimeout(5)
    assert proxy.recv(100) == b"2\n"
    proxy.sendall(b"x")
    assert proxy.recv(100) == b"x"
    proxy.close()
    proxy.close()


def test_a_program_that_ends_is_an_end_and_its_words_are_kept() -> None:
    proxy = ProxyCommand("sh -c 'echo one >&2; echo two >&2; echo >&2'")
    proxy.settimeout(5)
    assert proxy.recv(100) == b""
    assert proxy.said() == "two"
    proxy.close()
    assert proxy.said() == ""


def test_a_program_that_does_not_want_to_end_is_ended() -> None:
    proxy = ProxyCommand("sh -c 'trap \"\" TERM; echo; exec sleep 60'")
    proxy.recv(1)
    begin = time.monotonic()
    proxy.close()
    assert time.monotonic() - begin < 10
