"""`invoke demo`: the main job on an embedded box, by the same code as on a real one."""

from __future__ import annotations

import time
from pathlib import Path

from strixkit.display.answer import lines
from strixkit.display.events import renderer
from strixkit.display.plan import show
from strixkit.display.result import summary
from strixkit.errors import StrixError
from strixkit.fleet import verbs
from strixkit.fleet.run import each
from strixkit.host.cache import folder
from strixkit.sandbox import client
from strixkit.sandbox.tinymodel import write_tiny_model

BOX = "box01"
QUESTION = "Say the alphabet."
INVENTORY = Path(__file__).resolve().parent.parent.parent / "inventory.yaml"


# At temperature 32 it is unsure enough for copies of it to differ: what the recipe of `tiny` starts from.
MODELS = {"tiny.gguf": 1.0, "tiny-soft.gguf": 32.0}


def model() -> Path:
    """Make the tiny model once, as it is served and as its recipe has it; returns the path of the first."""
    found = folder() / "models"
    for name, temperature in MODELS.items():
        if not (found / name).is_file():
            found.mkdir(parents=True, exist_ok=True)
            print(f"making the tiny model {found / name}")
            write_tiny_model(found / name, temperature=temperature)
    return found / "tiny.gguf"


def run(*, keep: bool) -> None:
    """Box, model, deploy, question; says what is real and what is not. Raises StrixError."""
    from strixkit.config.inventory import load_inventory

    begun = time.monotonic()
    model()
    was_up = any(box["name"] == BOX and box["pid"] for box in client.boxes())
    if was_up:
        print(f"{BOX} is up already: deploying to it, and leaving it up")
    else:
        print(f"booting {BOX}: a systemd-nspawn machine with its own systemd, sshd and apt")
        client.up([BOX])
    host = load_inventory(INVENTORY).select(BOX)[0]
    access = verbs.Access()
    with renderer(quiet=False) as emit:
        reports = each([host], lambda item: verbs.deploy(item, access, emit, what="demo", profiles={}))
    print("\n".join(summary(reports, applied=True)))
    if reports[0].exit_code:
        raise StrixError("the demo's deploy failed", hint="the lines above say why; invoke sandbox ssh to look around")
    show(reports[0].outcome, unit=False)
    print(f"\nasking: {QUESTION}")
    print("\n".join(lines(verbs.ask(host, access, service="main", text=QUESTION))))
    print(f"\n{time.monotonic() - begun:.0f} s in all. The model only recites; server, systemd and drafts are real.")
    if keep or was_up:
        print(f"{BOX} stays up; go on with: . .venv/bin/activate; invoke ask --host {BOX} --text Hello")
        print("to look around in it: invoke sandbox ssh; to end it: invoke sandbox down")
    else:
        client.run("down", BOX)
