"""The desired state, as data that all three tools are given."""

from __future__ import annotations

FOLDERS = [f"/opt/bench/{name}" for name in ("a", "b", "c", "d")]
ROOT = "/opt/bench"
FILES = {
    f"/opt/bench/{folder}/{number}.conf": f"folder = {folder}\nnumber = {number}\n" * 20
    for folder in "ab"
    for number in range(5)
}
PACKAGES = ["curl", "sudo", "iproute2", "ca-certificates"]
GROUP = "bench"
USER = "bench"
UNIT = "bench-sleep.service"
UNIT_TEXT = """[Unit]
Description=benchmark service

[Service]
ExecStart=/usr/bin/sleep infinity

[Install]
WantedBy=multi-user.target
"""
COUNT = 1 + len(FOLDERS) + len(FILES) + len(PACKAGES) + 3
