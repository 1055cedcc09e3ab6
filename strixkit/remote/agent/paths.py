"""Where the agent keeps its things on the box."""

from __future__ import annotations

import os

STATE = "/var/lib/strixkit"  # survives a reboot: journal, releases, recorded hashes
RUN = "/run/strixkit"  # gone with a reboot: the running job, its lock
JOURNAL = STATE + "/journal.jsonl"
HASHES = STATE + "/hashes.json"
CHECKED = STATE + "/checked.json"  # what strix-verify has said of model files
BACKUP = STATE + "/backup"  # files of others, as they were before a step changed them
SERVICES = STATE + "/services"
PROBE = STATE + "/probe.json"  # the newest run of strix-probe on each backend
BUILDS = STATE + "/builds"  # one folder for each finished build, immutable, named by its id
BUILD_CACHE = "/var/cache/strixkit/build"  # of the user that compiles: mirrors, work folders, ccache
INCOMING = STATE + "/incoming"  # one folder for each file that is being fetched, named by its sha256
MADE = STATE + "/made"  # what tools of the runtime have made, each with its provenance beside it
PACKS = "/var/cache/strixkit/packs"  # builds as one file, on the way to other boxes
LOCAL_FACTS = "/etc/strixkit/facts.d"
CREDENTIALS = "/etc/strixkit/credentials"
HUB_TOKEN = CREDENTIALS + "/huggingface"  # root's alone; goes to the hub and nowhere else
UNITS = "/etc/systemd/system"
WANTS = UNITS + "/multi-user.target.wants"  # where enabled units are linked
TRIAL_UNITS = "/run/systemd/system.control"  # wins over UNITS, and is gone with a reboot
CANDIDATE_UNITS = "/run/systemd/system"


def partial(target: str, sha256: str) -> str:
    """Where a file is received: beside its target, so that one rename puts it in place."""
    return os.path.join(os.path.dirname(target), ".strixkit-%s.partial" % os.path.basename(sha256))
