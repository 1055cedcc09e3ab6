"""From an inventory host and the agent's facts to wishes: catalogue, profiles, memory plan, roles."""

from __future__ import annotations

import importlib
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from strixkit.config.catalogue import load_model, load_runtime, runtime_names
from strixkit.config.distributions import Distribution, distribution_of, load_distributions
from strixkit.config.host import Host, Service
from strixkit.config.lock import locked_commit
from strixkit.config.profiles import load_profile
from strixkit.config.runtimes import GitRuntime
from strixkit.engine.values import Desired
from strixkit.errors import InputError, RemoteError
from strixkit.host import builds, cache, gtt
from strixkit.host.context import HostContext, ModelFile, RuntimeState, ServiceState, environment_of
from strixkit.host.facts_answer import facts_in
from strixkit.host.files import Wanted, model_file
from strixkit.host.making import Making, made_paths
from strixkit.host.measured import circumstances_of, measured_in
from strixkit.host.sharing import Held, Tenant, share_memory
from strixkit.planner import gguf
from strixkit.planner.facts import Facts
from strixkit.planner.profile import Profile
from strixkit.planner.shape import ModelShape, shape_from_header
from strixkit.planner.tensors import type_name
from strixkit.resources.base import Resource
from strixkit.resources.build import BUILDS
from strixkit.resources.download import Part
from strixkit.runtime.help import from_recorded, parse_help
from strixkit.sources.box import header_from

BEFORE_REBOOT = ("memory", "kernel")  # the roles that say whether a reboot is needed
TOOLS = ("llama-quantize", "llama-imatrix", "llama-perplexity")
LOADABLE = {"stock": gguf.STOCK_TYPES, "rocmfp4": gguf.ROCMFP4_TYPES}


class Description:
    """Implements `strixkit.engine.converge.Describe` for one host.

    profiles: service name -> profile that is wanted instead of the inventory's (`invoke switch`).
    preview: nothing is done; use what the catalogue recorded of a runtime that is not there, and say so.
    replan: running releases do not keep their choice.
    reboot: a reboot is allowed. A preview plans the services as they will be after it.
    only: these roles alone (`invoke build`), and nothing of the services is looked at; None: all.
    packed: the runtime as another box has built it, instead of a build here.
    pull_later: files that the box would fetch are left to the run that fetches them on all boxes together.
    parts: path -> the box's part of such a run. wanted: a model and variant instead of those of the services.
    sent: a file on the controller that is sent instead of being fetched. making: what `invoke quantize` makes.
    """

    def __init__(
        self,
        host: Host,
        *,
        profiles: dict[str, str] | None = None,
        preview: bool = False,
        replan: bool = False,
        reboot: bool = False,
        only: Collection[str] | None = None,
        packed: builds.Packed | None = None,
        pull_later: bool = False,
        parts: dict[str, Part] | None = None,
        wanted: Wanted | None = None,
        sent: Path | None = None,
        making: Making | None = None,
    ) -> None:
        self.host = host
        self.making = making
        self.pull_later = pull_later
        self.parts = parts or {}
        self.sent = sent
        self.only = only
        self.packed = packed
        self.replan = replan
        self.reboot = reboot
        self.preview = preview
        self.runtime = load_runtime(host.runtime)
        self.commit = locked_commit(self.runtime) or "" if isinstance(self.runtime, GitRuntime) else ""
        self.profiles = {name: (profiles or {}).get(name, service.profile) for name, service in host.services.items()}
        self.loaded = {name: load_profile(profile) for name, profile in self.profiles.items()}
        self.headers: dict[str, gguf.Header] = {}  # of the services' models, as far as there are files
        with_models = only is None or "model" in only
        if wanted is not None:
            self.files = {"": self._file(Service(profile="", model=wanted.model, variant=wanted.variant), None)}
        else:
            services = host.services.items() if with_models else ()
            self.files = {name: self._file(service, self.loaded[name]) for name, service in services}

    def facts_request(self) -> dict[str, Any]:
        """The runtime's binary and the model files, and what of them the controller knows already."""
        if isinstance(self.runtime, GitRuntime):
            runtime: dict[str, Any] = {"builds": [builds.slug(self.host.runtime)]}
        else:
            runtime = {"runtime": self.runtime.binary, "headers": list(self.runtime.headers)}
        asked = {"tools": [*TOOLS], "made": made_paths(self.making)} if self.making else {}
        return {
            **runtime,
            **asked,
            "models": sorted({file.path for file in self.files.values() if file.source is None}),
            "services": sorted(self.files) if self.only is None else [],
            "known": cache.known(self.host.name),
        }

    def desired(self, answer: dict[str, Any]) -> Desired:
        """The wishes. Raises InputError (nothing was touched) or RemoteError."""
        if answer.get("uid", 0) != 0:
            raise InputError(
                "the agent does not run as root", host=self.host.name, hint="set ansible_become: true in inventory.yaml"
            )
        facts = facts_in(answer, self.host.name)
        distribution = self._distribution(facts)
        runtime = self._runtime(answer, facts)
        context = HostContext(self.host, facts, runtime, (), distribution=distribution)
        context.parts, context.pull_later, context.making = self.parts, self.pull_later, self.making
        self._see_files(answer)
        then = self._after_reboot(context) if self.only is None else facts
        planned_on = then if self.reboot else facts
        context.may_reboot = self.reboot and not self.preview  # nothing waits in a preview
        brought = _gtt_bytes(then) >> 30 if then is not facts else None
        if self.only is None:
            context.services = tuple(self._services(planned_on, answer, runtime, brought))
        if self.only is None and _gtt_bytes(then) < _gtt_bytes(planned_on):
            self._services(then, answer, runtime, brought)  # the next boot must not leave a service with too little
        # Two services may have the same file.
        context.files = tuple({file.path: file for file in self.files.values()}.values())
        by_role = self._by_role(context, self.only)
        if context.runtime.recorded:
            context.notes.append(
                f"runtime {context.runtime.name}: flags as recorded in the catalogue "
                f"({self.runtime.recorded.version}); the binary itself is asked before anything is stopped"
            )
        if self.preview and planned_on is not facts:
            gib = _gtt_bytes(planned_on) >> 30
            context.notes.append(f"the services are planned with the GTT limit of {gib} GiB that the reboot brings")
        context.notes += [note for state in context.services for note in state.notes(self.host.name)]
        if facts.simulated:
            context.notes.append(f"SIMULATED facts (from /etc/strixkit/facts.d): {', '.join(facts.simulated)}")
        shown = {
            **context.shown,
            "rehearsal": runtime.rehearsal,
            "facts": facts,
            "services": context.services,
            "runtime": context.runtime,
            "roles": by_role,
            "provenance": answer.get("made", []),
        }
        resources = tuple(resource for wished in by_role.values() for resource in wished)
        return Desired(
            resources,
            context.complete,
            tuple(context.notes),
            tuple(context.lacks),
            tuple(dict.fromkeys(context.later)),
            shown=shown,
        )

    def _by_role(self, context: HostContext, only: Collection[str] | None = None) -> dict[str, tuple[Resource, ...]]:
        """What each role wishes, in their order: a later one sees what an earlier one noted in the context."""
        roles = importlib.import_module("roles")
        names = [*roles.ORDER, *(roles.ON_DEMAND if only else ())]
        names = [name for name in names if self.host.provisioning.enabled or name not in roles.PROVISIONING]
        names = [name for name in names if only is None or name in only]
        return {name: tuple(importlib.import_module(f"roles.{name}.role").resources(context)) for name in names}

    def _after_reboot(self, context: HostContext) -> Facts:
        """The facts as a reboot will make them, as far as services are planned on them: the limit of GTT."""
        if not self.host.provisioning.enabled:
            return context.facts
        facts, scratch = context.facts, replace(context, may_reboot=True, arguments=[], notes=[])
        self._by_role(scratch, only=BEFORE_REBOOT)
        gib = gtt.wished(facts, self.host.provisioning, self.host.name)
        if not scratch.reboots or facts.gpu is None or gib is None or facts.gpu.gtt_total_bytes == gib << 30:
            return facts
        return facts.model_copy(update={"gpu": facts.gpu.model_copy(update={"gtt_total_bytes": gib << 30})})

    def _distribution(self, facts: Facts) -> Distribution | None:
        """Which release it is; nobody needs to know where only services are deployed."""
        if not self.host.provisioning.enabled:
            return None
        try:
            return distribution_of(facts.os, load_distributions())
        except InputError as error:
            raise InputError(error.message, host=self.host.name, hint=error.hint) from error

    def _runtime(self, answer: dict[str, Any], facts: Facts) -> RuntimeState:
        if not isinstance(self.runtime, GitRuntime):
            why_not = answer.get("rehearsal")
            rehearsal = None if why_not is None else str(why_not)
            state = RuntimeState(self.host.runtime, self.runtime, self.runtime.binary, rehearsal=rehearsal)
            return self._asked(state, answer.get("runtime") or {})
        name, entry = self.host.runtime, self.runtime
        found = builds.finished_in(answer, self.host.name)
        source, fit = builds.source_state(name, entry, self.commit, facts, found)
        for item in found:  # what older builds say is not asked again either
            if item.binary.get("help") and item is not fit:
                self._remember(item.binary)
        if fit is None and self.packed is not None:
            source = replace(source, build=self.packed.build, why="", packed=self.packed)
        binary = f"{BUILDS}/{source.build}/{entry.binary}"
        state = RuntimeState(name, entry, binary, source, rehearsal=fit.rehearsal if fit else None)
        return self._asked(state, fit.binary if fit else {})

    def _asked(self, state: RuntimeState, answer: dict[str, Any]) -> RuntimeState:
        """The state with what the binary has answered, or with what the catalogue recorded of it for a preview."""
        error = str(answer.get("error", ""))
        if answer.get("present") and not error:
            identity = str(answer["identity"])
            key = cache.box_key("runtime", self.host.name, identity)
            known = cache.get(key)
            if known is None:
                if not answer.get("help"):
                    raise _forgotten(key, self.host.name)
                known = self._remember(answer)
            version = next((line for line in known["version"].splitlines() if line.startswith("version")), "")
            tools = answer.get("tools") or {}
            return replace(
                state,
                identity=identity,
                version=version,
                capabilities=parse_help(known["help"]),
                tools=tuple(str(name) for name in tools.get("present", [])),
                quantize_help=str(tools.get("quantize_help", "")),
            )
        if self.preview:
            capabilities = from_recorded(self.runtime.recorded.flags)
            return replace(state, capabilities=capabilities, recorded=True, error=error)
        return replace(state, error=error)

    def _remember(self, answer: dict[str, Any]) -> dict[str, str]:
        """Keep what a binary has said of itself; returns it."""
        said = {"help": str(answer["help"]), "version": str(answer.get("version", ""))}
        cache.put(cache.box_key("runtime", self.host.name, str(answer.get("identity", ""))), said)
        return said

    def _file(self, service: Service, profile: Profile | None) -> ModelFile:
        model = load_model(service.model)
        variant = model.wished(service.variant, profile.variant if profile else None)
        return model_file(self.host.name, service, model, variant, sent=self.sent)

    def _see_files(self, answer: dict[str, Any]) -> None:
        """What the box says of the files that are on it."""
        boxed = {str(item["path"]): item for item in answer.get("models", [])}
        for name, file in self.files.items():
            there = boxed.get(file.path, {})
            missing = file.source is None and not self.preview and not there.get("present")
            if file.origin is not None and not there.get("present"):
                self._check_loadable(file)
            identity, made = str(there.get("identity", "")), there.get("provenance")
            self.files[name] = replace(file, identity=identity, missing=missing, provenance=made)

    def _check_loadable(self, file: ModelFile) -> None:
        """Raises InputError before anything is fetched that the runtime could not load."""
        loadable = {gguf.TYPES[number].name for number in LOADABLE[self.runtime.loads]}
        unknown = [name for name in file.model.tensor_types if name not in loadable]
        if unknown:
            raise InputError(
                f"runtime {self.host.runtime} cannot load model {file.name}: it does not know {', '.join(unknown)}",
                host=self.host.name,
                hint=f"in inventory.yaml strix_runtime: {_runtime_for(unknown)}; nothing was fetched",
            )

    def _services(
        self, facts: Facts, answer: dict[str, Any], runtime: RuntimeState, gtt_gib: int | None
    ) -> list[ServiceState]:
        """gtt_gib: the limit of GTT that a reboot brings; None where it brings none."""
        boxed = {str(item["path"]): item for item in answer.get("models", [])}
        running = {name: self._held(item) for name, item in (answer.get("services") or {}).items()}
        seen = [item for held in running.values() for item in held.measured]
        tenants = []
        for name, service in self.host.services.items():
            file = self.files[name]
            there = boxed.get(file.path, {})
            declared = (name, service.model, file.variant)
            shape = self._shape(name, file, there)
            environment = environment_of(runtime, self.host, self.loaded[name].device.name)
            alike = circumstances_of(runtime.identity, shape, self.loaded[name], environment) if shape else ""
            measured = measured_in(seen, alike)
            held = running.get(name, Held())
            tenants.append(Tenant(name, self.loaded[name], shape, held, declared, alike, measured, _other_shapes(file)))
        try:
            shares = share_memory(facts, self.runtime.family, tuple(tenants), replan=self.replan, gtt_gib=gtt_gib)
        except InputError as error:
            raise InputError(error.message, host=self.host.name, hint=error.hint) from error
        return [
            ServiceState(
                tenant.name,
                self.host.services[tenant.name],
                self.profiles[tenant.name],
                tenant.profile,
                self.files[tenant.name],
                shares.get(tenant.name),
                tenant.held,
            )
            for tenant in tenants
        ]

    def _held(self, answer: dict[str, Any]) -> Held:
        try:
            return Held.model_validate(answer)
        except ValidationError as error:
            raise RemoteError(f"what a service holds makes no sense: {error}", host=self.host.name) from error

    def _shape(self, service: str, file: ModelFile, boxed: dict[str, Any]) -> ModelShape | None:
        """From the controller's file, the box's file, or the catalogue; None while there is none of them."""
        header = _local_header(file, self.host.name) if file.source else self.header_of(file.path, boxed)
        if header is None:
            return file.entry.shape
        self.headers[service] = header
        unknown = gguf.unknown_types(header, LOADABLE[self.runtime.loads])
        if unknown:
            types = ", ".join(f"{type_name(number)} ({len(names)} tensors)" for number, names in unknown.items())
            raise InputError(
                f"runtime {self.host.runtime} cannot load {file.source or file.path}: it does not know {types}",
                host=self.host.name,
                hint="set strix_runtime: rocmfp4 in inventory.yaml; nothing was stopped",
            )
        return shape_from_header(header)

    def header_of(self, path: str, boxed: dict[str, Any]) -> gguf.Header | None:
        """The header of a file on the box, from its answer or as it is known already; None when it is not there."""
        if boxed.get("error"):
            raise InputError(f"model {path}: {boxed['error']}", host=self.host.name)
        if not boxed.get("present"):
            return None
        key = cache.box_key("model", self.host.name, str(boxed.get("identity")))
        known = cache.get(key)
        if known is None:
            if not boxed.get("header"):
                raise _forgotten(key, self.host.name)
            header = header_from(self.host.name, path, boxed["header"])
            cache.put(key, dict(boxed["header"]))
            return header
        return gguf.from_summary(known)


def _runtime_for(types: list[str]) -> str:
    """Runtimes of the catalogue that know tensor types."""
    known = {name: LOADABLE[load_runtime(name).loads] for name in runtime_names()}
    fit = [name for name, found in known.items() if {*types} <= {gguf.TYPES[number].name for number in found}]
    return " or ".join(fit) or "one that does"


def _gtt_bytes(facts: Facts) -> int:
    return facts.gpu.gtt_total_bytes if facts.gpu else 0


def _other_shapes(file: ModelFile) -> dict[str, ModelShape]:
    """The catalogue's shapes of the model's other variants, which a plan may offer."""
    shapes = {name: variant.shape for name, variant in file.model.variants.items() if name != file.variant}
    return {name: shape for name, shape in shapes.items() if shape is not None}


def _forgotten(key: str, host: str) -> RemoteError:
    """The box was told that an answer is known here, and it is not: the file of the cache is damaged."""
    cache.forget(key)
    return RemoteError("this machine's cache was damaged and is mended", host=host, hint="the same command again")


def _local_header(file: ModelFile, host: str) -> gguf.Header:
    assert file.source is not None
    path = Path(file.source)
    size = path.stat().st_size
    try:
        with path.open("rb") as handle:
            header = gguf.read_header(handle, size)
            gguf.check_size(header, size)
    except gguf.GgufError as error:
        raise InputError(f"model file {path}: {error}", host=host) from error
    return header
