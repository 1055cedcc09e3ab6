"""The command line: every verb, in the order of `invoke --list`. The tasks are in strixkit/commands/."""

from __future__ import annotations

from invoke import Collection

from strixkit.commands.boxes import ask, demo, key, sandbox, trust
from strixkit.commands.deploying import audit, deploy, plan, rollback, switch
from strixkit.commands.looking import doctor, facts, inspect, journal, probe, profiles, rehearse
from strixkit.commands.making import build, evaluate, lock, models, pull, quantize

ns = Collection(
    deploy,
    plan,
    audit,
    doctor,
    facts,
    inspect,
    lock,
    profiles,
    rehearse,
    build,
    pull,
    models,
    quantize,
    probe,
    evaluate,
    switch,
    rollback,
    trust,
    key,
    ask,
    journal,
    demo,
    sandbox,
)
