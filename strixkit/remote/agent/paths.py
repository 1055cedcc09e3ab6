"""Where the agent keeps its things on the box."""

from __future__ import annotations

STATE = "/var/lib/strixkit"  # survives a reboot: journal, releases, recorded hashes
RUN = "/run/strixkit"  # gone with a reboot: the running job, its lock
JOURNAL = STATE + "/journal.jsonl"
HASHES = STATE + "/hashes.json"
INCOMING = STATE + "/incoming"
SERVICES = STATE + "/services"
LOCAL_FACTS = "/etc/strixkit/facts.d"
CREDENTIALS = "/etc/strixkit/credentials"
UNITS = "/etc/systemd/system"
WANTS = UNITS + "/multi-user.target.wants"  # where enabled units are linked
TRIAL_UNITS = "/run/systemd/system.control"  # wins over UNITS, and is gone with a reboot
CANDIDATE_UNITS = "/run/systemd/system"
