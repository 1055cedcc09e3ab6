"""Quoting for sudo, secrets, and that a box cannot fool the session."""

from __future__ import annotations

import copy
import json
import pickle
import shlex
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strixkit.errors import ConnectError, RemoteError
from strixkit.remote import sudo
from strixkit.remote.bundle import bundle
from strixkit.remote.session import BOOTSTRAP, MAX_ANSWER, Session
from strixkit.secret import Secret


class Said:
    """A channel that has said something and then ended: the box's side of a conversation."""

    def __init__(self, data: bytes, status: int = 0, stderr: bytes = b"") -> None:
        self.data, self.status, self.stderr = data, status, stderr
        self.status_event = threading.Event()
        self.status_event.set()

    def sendall(self, data: bytes) -> None:
        pass

    def recv_ready(self) -> bool:
        return bool(self.data)

    def recv_stderr_ready(self) -> bool:
        return bool(self.stderr)

    def exit_status_ready(self) -> bool:
        return True

    def recv(self, size: int) -> bytes:
        found, self.data = self.data[:size], self.data[size:]
        return found

    def recv_stderr(self, size: int) -> bytes:
        found, self.stderr = self.stderr[:size], self.stderr[size:]
        return found

    def recv_exit_status(self) -> int:
        return self.status


def _session(*args, **kwargs) -> Session:
    return _over(Said(*args, **kwargs))


def _over(channel: Said) -> Session:
    return Session("box", lambda: (channel, lambda: None))  # type: ignore[arg-type]


@pytest.mark.parametrize("line", [b"welcome to my shell\n", b"[1]\n", b"\xff\xfe\n", b"null\n"])
def test_anything_but_an_answer_is_refused(line: bytes) -> None:
    with pytest.raises(RemoteError, match="not an answer of the agent"):
        _session(line).request("facts")


def test_an_endless_answer_is_refused() -> None:
    class Endless(Said):
        def recv(self, size: int) -> bytes:
            return b"x" * (8 << 20)

    with pytest.raises(RemoteError, match=f"more than {MAX_ANSWER >> 20} MiB"):
        _over(Endless(b"")).request("facts")


@pytest.mark.parametrize("line", [b"Welcome to strix01!\n{}\n", b"\nWelcome to strix01!\n", b"Welcome to strix01!"])
def test_a_shell_that_prints_is_named(line: bytes) -> None:
    with pytest.raises(RemoteError, match=r"'Welcome to strix01!'; the login shell(.|\n)*next: .*\.bashrc"):
        _session(line).request("facts")


NOT_STARTED = [
    (127, b"env: 'python3': No such file or directory\n", "no python3"),
    (127, b"env: can't execute 'python3': No such file or directory\n", "no python3"),
    (1, b"sudo: python3: command not found\n", "no python3"),
    (1, b"sudo: 'python3': command not found\n", "no python3"),
    (127, b"env: 'sudo': No such file or directory\n", "no sudo on the box"),
    (1, b"python3 is 3.7\n", "3.9 or newer"),
    (1, b"guest is not in the sudoers file.\n", "no right to sudo"),
    (1, b"I'm sorry guest. I'm afraid I can't do that\n", "no right to sudo"),
    (1, b"sudo: sorry, you must have a tty to run sudo\n", "you must have a tty"),
    (3, b"", "exit 3"),
    (-1, b"", "connection was lost"),
]
WITHOUT_PASSWORD = [
    (1, b"sudo: a password is required\n", "--prompt-sudo-password"),
    (1, b"sudo: interactive authentication is required\n", "--prompt-sudo-password"),
]
WITH_PASSWORD = [
    (1, b"Sorry, try again.\nsudo: no password was provided\n", "wrong password"),
    (1, b"sudo: 1 incorrect password attempt\n", "wrong password"),
    (1, b"sudo: Authentication failed, try again.\n", "wrong password"),
    (1, f"{sudo.PROMPT}wrong{sudo.PROMPT}".encode(), "wrong password"),
]


@pytest.mark.parametrize(("status", "stderr", "words"), NOT_STARTED + WITHOUT_PASSWORD)
def test_why_the_agent_did_not_start(status: int, stderr: bytes, words: str) -> None:
    with pytest.raises(ConnectError) as caught:
        _session(b"", status, stderr).request("facts")
    assert words in str(caught.value)


@pytest.mark.parametrize(("status", "stderr", "words"), NOT_STARTED + WITH_PASSWORD)
def test_why_the_agent_did_not_start_by_sudo_with_a_password(status: int, stderr: bytes, words: str) -> None:
    with pytest.raises(ConnectError) as caught:
        sudo.answer_prompt(Said(b"", status, sudo.PROMPT.encode() * (status != 1) + stderr), Secret("x"), "box")
    assert words in str(caught.value)
    assert words == "wrong password" or "wrong password" not in str(caught.value)


def test_what_a_shell_prints_before_sudo_is_passed_over() -> None:
    sudo.answer_prompt(Said(b"started\nWelcome!" + sudo.STARTED), Secret("x"), "box")


def test_a_shell_that_prints_without_end_is_given_up() -> None:
    with pytest.raises(ConnectError, match="last words were: xxx"):
        sudo.answer_prompt(Said(b"x" * (sudo.MOST_PRINTED + 2)), Secret("x"), "box")


class Closed(Said):
    """A channel that closes while the agent is sent."""

    def sendall(self, data: bytes) -> None:
        raise OSError("Socket is closed")


def test_a_channel_that_closes_while_the_agent_is_sent_says_why_too() -> None:
    with pytest.raises(ConnectError, match="no python3"):
        _over(Closed(b"", 127, b"env: 'python3': No such file or directory\n"))
    with pytest.raises(RemoteError, match=r"'backups only'; .*ForceCommand"):
        _over(Closed(b"backups only\n"))


def test_a_lost_connection_says_that_work_goes_on() -> None:
    hello = json.dumps({"event": "hello"}).encode() + b"\n"
    with pytest.raises(ConnectError, match="goes on there by itself"):
        _session(hello).request("apply")


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_no_word_of_a_command_reaches_the_shell_unquoted(words: list[str]) -> None:
    for password in (False, True):
        line = sudo.command(words, become=True, password=password)
        assert shlex.split(line)[-len(words) :] == words


def test_the_agent_runs_from_memory_and_answers() -> None:
    code = BOOTSTRAP % ("", len(bundle()))
    requests = json.dumps({"do": "observe", "questions": [{"ask": "path", "path": "/nonexistent"}]}) + "\nnot JSON\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], input=bundle() + requests.encode(), capture_output=True, check=True
    )
    hello, answer, error = [json.loads(line) for line in done.stdout.splitlines()]
    assert hello["event"] == "hello"
    assert answer["value"] == [{"type": "absent"}]
    assert error["ok"] is False


def test_a_secret_is_never_seen() -> None:
    secret = Secret("sk-1")
    assert "sk-1" not in f"{secret} {secret!r} {secret:>10} {[secret]}"
    assert secret.reveal() == "sk-1"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.copy(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
