"""A repository of apt that others offer: its key, its source and its pin, put in place only when all of it works.

A source that does not work must never stay on the box: every later `apt-get update` would fail for it.
"""

from __future__ import annotations

import http.client
import os
import shlex
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from typing import Any, Dict, List, Tuple

from strixkit.remote.agent import apt_faults, atomic, openpgp, sources
from strixkit.remote.agent.report import Report

KEYRINGS = "/etc/apt/keyrings"
SOURCES = "/etc/apt/sources.list.d"
PREFERENCES = "/etc/apt/preferences.d"
TRIAL = "/run/strixkit-apt"  # not in /run/strixkit, which is closed to the user that apt downloads as
DOWNLOAD_SECONDS = 60
UPDATE_SECONDS = 300
# The trial reads and writes nothing of the box's own apt, and runs none of its hooks. -c is read last, so it wins.
CONFIGURATION = """\
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{trial}/sources.list.d";
Dir::State::lists "{trial}/lists";
Dir::Cache "{trial}/cache";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "2";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


def files(name: str) -> Tuple[str, str, str]:
    """Keyring, source and pin of a repository."""
    name = os.path.basename(name)
    return "%s/%s.gpg" % (KEYRINGS, name), "%s/%s.sources" % (SOURCES, name), "%s/%s" % (PREFERENCES, name)


def observe(question: Dict[str, Any]) -> Dict[str, Any]:
    """The fingerprints that the keyring holds, the texts of source and pin, and who else names the repository."""
    keyring, source, pin = files(str(question["name"]))
    answer: Dict[str, Any] = {"keys": None, "source": atomic.read_text(source), "pin": atomic.read_text(pin)}
    if os.path.exists(keyring):
        answer["keys"], answer["fault"] = _keys(keyring)
    answer["elsewhere"] = sources.naming([str(item) for item in question["replaces"]], but=source)
    return answer


def _keys(path: str) -> Tuple[List[str], str]:
    try:
        with open(path, "rb") as handle:
            return openpgp.fingerprints(openpgp.binary(handle.read(openpgp.MOST_BYTES + 1))), ""
    except (OSError, openpgp.KeyFileError) as error:
        return [], str(error)


def put(step: Dict[str, Any], report: Report) -> None:
    """Fetch the key, try the source by itself, and then put key, pin and source in place, the source last."""
    keyring, source, pin = files(str(step["name"]))
    report("fetching %s" % step["key_url"])
    key = checked(fetch(str(step["key_url"])), str(step["fingerprint"]), str(step["key_url"]))
    report("trying %s" % step["uri"])
    try_alone(str(step["source"]), keyring, key, str(step["key_url"]))
    try_beside(step, source)
    _take_out_elsewhere(step, source, report)
    os.makedirs(KEYRINGS, mode=0o755, exist_ok=True)
    for path, data in ((keyring, key), (pin, str(step["pin"]).encode()), (source, str(step["source"]).encode())):
        report("writing %s" % path)
        atomic.write(path, data, 0o644)


def remove(step: Dict[str, Any], report: Report) -> None:
    """Take source, pin and key away, the source first: it must not be there without its key."""
    keyring, source, pin = files(str(step["name"]))
    _take_out_elsewhere(step, source, report)
    for path in (source, pin, keyring):
        report("removing %s" % path)
        atomic.remove(path)


def _take_out_elsewhere(step: Dict[str, Any], source: str, report: Report) -> None:
    """Two entries for one repository with two keyrings would be an error of every apt-get."""
    prefixes = [str(item) for item in step["replaces"]]
    for path in sources.naming(prefixes, but=source):
        copy = sources.take_out(path, prefixes)
        report("the repository is taken out of %s; as it was: %s" % (path, copy))


def checked(data: bytes, fingerprint: str, url: str) -> bytes:
    """The key as packets. Raises RuntimeError unless the wanted key is the only one: apt would trust all of them."""
    look = "look at it: curl -fsSL %s | gpg --show-keys" % shlex.quote(url)
    try:
        packets = openpgp.binary(data)
        found = openpgp.fingerprints(packets)
    except openpgp.KeyFileError as error:
        raise RuntimeError("%s: %s\n  next: %s" % (url, error, look)) from None
    if len(found) > 1:
        held = ", ".join(found)
        raise RuntimeError(
            "%s holds %d keys and apt would trust each of them; found %s, wanted %s alone\n  next: %s"
            % (url, len(found), held, fingerprint, look)
        )
    if found[0] != fingerprint:
        raise RuntimeError(
            "%s is another key: found fingerprint %s, wanted %s; nothing was put in place\n"
            "  next: %s; if its owner has announced a new key, its fingerprint belongs into roles/rocm/defaults.yaml"
            % (url, found[0], fingerprint, look)
        )
    return packets


def fetch(url: str) -> bytes:
    """Download a small file, through the proxy that apt uses. Raises RuntimeError in words."""
    proxies = _proxies()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies or None))
    try:
        with opener.open(url, timeout=DOWNLOAD_SECONDS) as answer:
            return _read(answer)
    except urllib.error.HTTPError as error:
        said = "the server says %d %s" % (error.code, error.reason)
    except (OSError, ValueError, http.client.HTTPException) as error:
        said = "it cannot be reached: %s" % str(getattr(error, "reason", None) or error).strip()
    raise RuntimeError("%s: %s\n  next: on the box: curl -v -o /dev/null %s" % (url, said, shlex.quote(url)))


def _read(answer: Any) -> bytes:
    """What it says, to one byte beyond what a key may have. A server that drips would keep each single wait short."""
    end = time.monotonic() + DOWNLOAD_SECONDS
    data = b""
    while len(data) <= openpgp.MOST_BYTES:
        piece = answer.read1(openpgp.MOST_BYTES + 1 - len(data))
        if not piece:
            break
        data += piece
        if time.monotonic() > end:
            raise TimeoutError("not whole after %d s" % DOWNLOAD_SECONDS)
    return data


def _proxies() -> Dict[str, str]:
    """What apt.conf says; apt takes the one for http for https too. Nothing: Python reads the environment."""
    words = ["apt-config", "shell", "http", "Acquire::http::Proxy", "https", "Acquire::https::Proxy"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    said = dict(word.split("=", 1) for word in shlex.split(done.stdout) if "=" in word)
    said.setdefault("https", said.get("http", ""))
    return {scheme: proxy for scheme, proxy in said.items() if proxy and proxy != "DIRECT"}


def try_alone(source: str, keyring: str, key: bytes, key_url: str) -> None:
    """Let apt read this source and no other. Raises RuntimeError that says what is wrong with it, and the next step."""
    shutil.rmtree(TRIAL, ignore_errors=True)
    for folder in ("sources.list.d", "lists", "cache/archives"):  # apt makes the folders below with their owner
        os.makedirs(os.path.join(TRIAL, folder), mode=0o755)
    try:
        atomic.write(TRIAL + "/key.gpg", key, 0o644)
        text = source.replace(keyring, TRIAL + "/key.gpg")
        atomic.write(TRIAL + "/sources.list.d/trial.sources", text.encode(), 0o644)
        atomic.write(TRIAL + "/apt.conf", CONFIGURATION.format(trial=TRIAL).encode(), 0o644)
        code, said = _apt_get(TRIAL + "/apt.conf", "update")
    finally:
        shutil.rmtree(TRIAL, ignore_errors=True)
    if code != 0:
        raise RuntimeError(apt_faults.explained(said, source, key_url))


def try_beside(step: Dict[str, Any], path: str) -> None:
    """Let apt parse the source together with all others, as they will be. Raises RuntimeError if it refuses them.

    It does when another file names the same repository with another keyring.
    """
    shutil.rmtree(TRIAL, ignore_errors=True)
    folder = TRIAL + "/sources.list.d"
    os.makedirs(folder, mode=0o755)
    try:
        for other in sources.all_files():
            _, text = sources.split(other, atomic.read_text(other, sources.MOST_BYTES) or "", step["replaces"])
            if other != path:
                atomic.write(os.path.join(folder, os.path.basename(other)), text.encode(), 0o644)
        atomic.write(os.path.join(folder, os.path.basename(path)), str(step["source"]).encode(), 0o644)
        text = 'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "%s";\n' % folder
        atomic.write(TRIAL + "/apt.conf", text.encode(), 0o644)
        code, said = _apt_get(TRIAL + "/apt.conf", "indextargets")
    finally:
        shutil.rmtree(TRIAL, ignore_errors=True)
    if code != 0:
        errors = " ".join(dict.fromkeys(line for line in said.splitlines() if line.startswith("E:")))[:600]
        raise RuntimeError(
            "apt would refuse its sources with %s among them; nothing was put in place\n  apt says: %s\n"
            "  next: on the box: grep -rn %s /etc/apt/sources.list /etc/apt/sources.list.d, and take it out there"
            % (os.path.basename(path), errors, shlex.quote(str(step["uri"])))
        )


def _apt_get(configuration: str, verb: str) -> Tuple[int, str]:
    try:
        done = subprocess.run(
            ["apt-get", "-q", "-c", configuration, verb],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, LC_ALL="C.UTF-8", DEBIAN_FRONTEND="noninteractive"),
            timeout=UPDATE_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        return 1, (error.stdout or b"").decode("utf-8", "replace") + "\nno answer within %d s" % UPDATE_SECONDS
    return done.returncode, done.stdout.decode("utf-8", "replace")
