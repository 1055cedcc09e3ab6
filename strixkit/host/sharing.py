"""How the services of a host share its memory: the order of the inventory is their priority."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydantic import Field, JsonValue, ValidationError

from strixkit.errors import InputError
from strixkit.planner.budget import NOTHING, Need
from strixkit.planner.choice import MemoryPlan, plan
from strixkit.planner.facts import Answered, Facts
from strixkit.planner.kept import Kept, memory_wishes, wishes_digest
from strixkit.planner.limits import MOST_BYTES
from strixkit.planner.measured import Measured
from strixkit.planner.parts import MIB
from strixkit.planner.profile import Profile
from strixkit.planner.run import Family
from strixkit.planner.shape import ModelShape
from strixkit.planner.sharing import Neighbour, Sizes, holds, neighbours_of


class Held(Answered):
    """The agent's answer for a service: what it holds, and how its current release was planned."""

    running: bool = False
    host_bytes: int = Field(default=0, ge=0, le=MOST_BYTES)
    device_bytes: int = Field(default=0, ge=0, le=MOST_BYTES)
    release: str = ""
    memory: Sizes = Sizes()
    choice: dict[str, JsonValue] = Field(default_factory=dict)
    wishes: str = ""
    measured: tuple[JsonValue, ...] = ()

    @property
    def need(self) -> Need:
        """What it holds now."""
        measured = Need(self.device_bytes / MIB, self.host_bytes / MIB)
        return holds(self.memory.start, measured) if self.running else NOTHING

    def kept(self, wishes: str) -> Kept | None:
        """The choice of the current release, if it was planned with these wishes."""
        if self.wishes != wishes:
            return None
        try:
            return Kept.model_validate(self.choice)
        except ValidationError:
            return None


@dataclass(frozen=True)
class Tenant:
    """A service of the host that wants memory. `shape` is None while its model is not known.

    declared: name, model, variant. variants: shapes of the model's other variants, by name.
    circumstances, measured: see `strixkit.host.measured`.
    """

    name: str
    profile: Profile
    shape: ModelShape | None
    held: Held
    declared: tuple[str, ...]
    circumstances: str = ""
    measured: Measured = field(default_factory=dict)
    variants: Mapping[str, ModelShape] = field(default_factory=dict)


@dataclass(frozen=True)
class Share:
    """What a service gets, and the digests of what it was planned with and of what a measurement of it is good for."""

    plan: MemoryPlan
    wishes: str
    circumstances: str


def share_memory(
    facts: Facts, family: Family, tenants: tuple[Tenant, ...], *, replan: bool = False, gtt_gib: int | None = None
) -> dict[str, Share]:
    """Plan all services of one host, in the order of the inventory; without those whose model is not known.

    A service is planned with what those before it leave: they have their planned worst, whether they run or not.
    Those behind it count with the worst that they were planned with if they run or keep their choice. Nothing is
    promised to the others: they are planned later and get what is left.

    replan: keep no choice. gtt_gib: the limit of GTT that a reboot brings, for what is said of it.
    Raises InputError, service named, if nothing fits.
    """
    kept: dict[str, Kept] = {}
    shares: dict[str, Share] = {}
    known = [(tenant, tenant.shape) for tenant in tenants if tenant.shape is not None]
    services = [(*tenant.declared, _memory_wishes(tenant, family)) for tenant in tenants]
    wishes = {}
    for tenant, shape in known:
        with _named(tenant):
            wishes[tenant.name] = wishes_digest(facts, shape, tenant.profile, family, services)
        choice = None if replan else tenant.held.kept(wishes[tenant.name])
        if choice is not None:
            kept[tenant.name] = choice
    for tenant, shape in known:
        others = neighbours_of(_neighbour(t, shares, kept) for t in tenants if t is not tenant)
        running, keep = tenant.held.need, kept.get(tenant.name)
        with _named(tenant):
            found = plan(
                facts,
                shape,
                tenant.profile,
                family,
                others=others,
                running=running,
                keep=keep,
                measured=tenant.measured,
                variants=tenant.variants,
                gtt_gib=gtt_gib,
            )
        shares[tenant.name] = Share(found, wishes[tenant.name], tenant.circumstances)
    return shares


def _memory_wishes(tenant: Tenant, family: Family) -> dict[str, JsonValue] | None:
    if tenant.shape is None:
        return None
    with _named(tenant):
        return memory_wishes(tenant.profile, tenant.shape, family)


def _neighbour(other: Tenant, shares: dict[str, Share], kept: dict[str, Kept]) -> Neighbour:
    worst = NOTHING
    if other.name in shares:
        worst = shares[other.name].plan.sizes.worst
    elif other.held.running or other.name in kept:
        worst = other.held.memory.worst
    return Neighbour(worst, other.held.need)


@contextmanager
def _named(tenant: Tenant) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"service {tenant.name}: {error.message}", hint=error.hint) from error
