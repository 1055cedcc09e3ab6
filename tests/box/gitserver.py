"""A git repository that the tests make, served to the boxes over http by git's own backend; and what lies in it.

The toy is a CMake project with a library and a program that answers as llama-server does to --version, --help and
--list-devices, compiled for real.
"""

from __future__ import annotations

import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path

from strixkit.sandbox import network

CMAKE = """\
cmake_minimum_required(VERSION 3.20)
project(toy CXX)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
foreach(what IN ITEMS "rev-list --count" "rev-parse --short")
  separate_arguments(words UNIX_COMMAND "git ${what} HEAD")
  execute_process(COMMAND ${words} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE said
                  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  list(APPEND version ${said})
endforeach()
list(GET version 0 number)
list(GET version 1 commit)
add_custom_command(OUTPUT gate.cpp COMMAND sh ${CMAKE_SOURCE_DIR}/gate.sh VERBATIM)
add_library(toy SHARED one.cpp two.cpp)
add_executable(llama-server main.cpp gate.cpp)
target_compile_definitions(llama-server PRIVATE VERSION="${number} \\(${commit}\\)")
target_link_libraries(llama-server PRIVATE toy)
"""
# With GATE in its environment a build waits there, for a file in the build folder, at most a minute.
GATE = """\
[ -z "$GATE" ] || for i in $(seq 600); do [ -e go ] && break; sleep 0.1; done
echo 'int gate() { return 0; }' > gate.cpp
"""
MAIN = """\
#include <cstdio>
#include <cstring>
int one();
int two();
int gate();
int main(int, char **argv) {
  if (argv[1] && !std::strcmp(argv[1], "--version")) std::fprintf(stderr, "version: %s\\n", VERSION);
  else if (argv[1] && !std::strcmp(argv[1], "--help")) std::puts("-m, --model FNAME   model path");
  else if (argv[1] && !std::strcmp(argv[1], "--list-devices")) std::puts("Available devices:");
  return one() + two() + gate() - 3;
}
"""
TOY = {
    "CMakeLists.txt": CMAKE,
    "gate.sh": GATE,
    "main.cpp": MAIN,
    "one.cpp": "#include <string>\nint one() { return static_cast<int>(std::string(1, 'a').size()); }\n",
    "two.cpp": "#include <vector>\nint two() { return static_cast<int>(std::vector<int>(2).size()); }\n",
}


class Repository:
    """A repository with the branch `main`; `url` is what a box reaches it by, while it is `reachable`.

    moved: URL from which it is redirected to `url`, or to `elsewhere`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = self.moved = self.elsewhere = ""
        self.reachable = True
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> str:
        """Run git in it."""
        who = ["-c", "user.name=toy", "-c", "user.email=toy@example.org"]
        done = subprocess.run(["git", *who, *words], cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, files: dict[str, str], message: str = "toy") -> str:
        """Write files and commit them; returns the commit."""
        for name, text in files.items():
            (self.folder / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.git("rev-parse", "HEAD")


class _Backend(http.server.BaseHTTPRequestHandler):
    """git-http-backend as a CGI program (RFC 3875), for fetching."""

    def __init__(self, repository: Repository, *rest: object) -> None:
        self.repository = repository
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if not self.repository.reachable:
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        path, _, query = self.path.partition("?")
        if path.startswith("/moved/"):
            self.send_response(HTTPStatus.FOUND)
            end = path.removeprefix("/moved")
            self.send_header("Location", f"{self.repository.elsewhere or self.repository.url}{end}?{query}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        length = self.headers.get("Content-Length", "0")
        environment = {
            "GIT_PROJECT_ROOT": str(self.repository.folder.parent),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": length,
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"],
            input=self.rfile.read(int(length)),
            env={**os.environ, **environment},
            capture_output=True,
            check=False,
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(HTTPStatus(int(fields.pop("Status", "200").split()[0])))
        for name, value in {**fields, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[Repository]:
    """A new repository, served until the end."""
    toy = Repository(folder / "toy")
    with http.server.ThreadingHTTPServer(("", 0), partial(_Backend, toy)) as server:
        here = f"http://{network.GATEWAY}:{server.server_address[1]}"
        toy.url, toy.moved = f"{here}/toy/.git", f"{here}/moved"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield toy
        finally:
            server.shutdown()
