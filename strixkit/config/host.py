"""A host of the inventory, from its merged variables."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from strixkit.config.document import Document, Key
from strixkit.config.source import ModelSource
from strixkit.config.validate import validate
from strixkit.config.values import (
    Address,
    Environment,
    HostName,
    LockupTimeout,
    Name,
    Port,
    Section,
    ServiceName,
    User,
    UserPath,
)

# YAML 1.1 reads `off` as false and 7.2 as a number; what the person wrote is meant.
YAML_OFF = BeforeValidator(lambda value: "off" if value is False else value)
YAML_NUMBER = BeforeValidator(lambda value: str(value) if isinstance(value, float) else value)
Gib = Annotated[int, Field(ge=1, le=1024)]

DEFAULT_SERVICE = "main"
DEFAULT_PROFILE = "coding"
# What the project is for.
DEFAULT_RUNTIME = "rocmfp4"
DEFAULT_MODEL = "qwen3.6-27b-mtp"


class Service(Section):
    """One llama-server on a host. `port` and `listen` override the profile's; `source` overrides the catalogue's."""

    profile: str
    model: str
    variant: str | None = None
    port: int | None = None
    listen: str | None = None
    source: ModelSource | None = None


class Provisioning(Section):
    """How the box itself is set up: kernel arguments, drivers, tuning. `default` always means: as without strixkit.

    gtt_gib: the GPU's limit of system memory in GiB; None takes the rule of roles/memory.
    gtt_force: more than nine tenths of the memory is meant.
    rocm: None takes the distribution's rule (roles/rocm).
    """

    enabled: bool = True
    gtt_gib: int | Literal["default"] | None = None
    gtt_force: bool = False
    iommu: Literal["off", "default"] = "off"
    lockup_timeout: str | None = None
    rocm: Literal["none", "7.2", "distribution", "10.0"] | None = None
    tuning: Literal["tuned", "power-profiles", "none"] = "tuned"


class Host(Section):
    """A machine to deploy to. `address`, `user`, `port`, `identity_file` and `known_hosts` are for ssh.

    become: whether to use sudo; None leaves it to the ssh user (root needs none).
    groups: all groups that hold the host, the outermost first.
    """

    name: HostName
    groups: tuple[str, ...] = ()
    address: str
    user: str | None = None
    port: int | None = None
    identity_file: str | None = None
    known_hosts: str | None = None
    become: bool | None = None
    runtime: str
    environment: dict[str, str] = Field(default_factory=dict)
    provisioning: Provisioning = Provisioning()
    services: dict[str, Service]


class ServiceVariables(Section):
    """A mapping in `strix_services`."""

    profile: Name | None = None
    model: Name | None = None
    variant: Name | None = None
    port: Port | None = None
    listen: Address | None = None
    source: ModelSource | None = None


class HostVariables(Section):
    """The variables that mean something here; the rest of an Ansible inventory is none of our business."""

    ansible_host: Address | None = None
    ansible_user: User | None = None
    ansible_port: Port | None = None
    ansible_ssh_private_key_file: UserPath | None = None
    ansible_become: bool | None = None
    strix_known_hosts: UserPath | None = None
    strix_runtime: Name = DEFAULT_RUNTIME
    strix_model: Name = DEFAULT_MODEL
    strix_profile: Name = DEFAULT_PROFILE
    strix_environment: Environment = Field(default_factory=dict)
    strix_provision: bool = True
    strix_gtt_gib: Gib | Literal["default"] | None = None
    strix_gtt_force: bool = False
    strix_iommu: Annotated[Literal["off", "default"], YAML_OFF] = "off"
    strix_lockup_timeout: LockupTimeout | Literal["default"] | None = None
    strix_rocm: Annotated[Literal["none", "7.2", "distribution", "10.0"] | None, YAML_NUMBER] = None
    strix_tuning: Literal["tuned", "power-profiles", "none"] = "tuned"
    strix_services: dict[ServiceName, ServiceVariables | None] = Field(default={DEFAULT_SERVICE: None}, min_length=1)


def host_from(name: str, groups: tuple[str, ...], variables: Document) -> Host:
    """The host with these merged variables. Raises InputError for unknown `strix_` names and for bad values."""
    known = HostVariables.model_fields
    ours = {key: value for key, value in variables.values.items() if key in known or key.startswith("strix_")}
    document = replace(variables, values=ours, subject=f"host {name}")
    for key, value in ours.items():
        _refuse_templates(document, (key,), value)
    mine = validate(document, HostVariables)
    host = Host(
        name=name,
        groups=groups,
        address=mine.ansible_host or name,
        user=mine.ansible_user,
        port=mine.ansible_port,
        identity_file=mine.ansible_ssh_private_key_file,
        known_hosts=mine.strix_known_hosts,
        become=mine.ansible_become,
        runtime=mine.strix_runtime,
        environment=mine.strix_environment,
        provisioning=Provisioning(
            enabled=mine.strix_provision,
            gtt_gib=mine.strix_gtt_gib,
            gtt_force=mine.strix_gtt_force,
            iommu=mine.strix_iommu,
            lockup_timeout=mine.strix_lockup_timeout,
            rocm=mine.strix_rocm,
            tuning=mine.strix_tuning,
        ),
        services={service: _service(found, mine) for service, found in mine.strix_services.items()},
    )
    _refuse_same_ports(document, host)
    return host


def _service(found: ServiceVariables | None, host: HostVariables) -> Service:
    found = found or ServiceVariables()
    return Service(
        profile=found.profile or host.strix_profile,
        model=found.model or host.strix_model,
        variant=found.variant,
        port=found.port,
        listen=found.listen,
        source=found.source,
    )


def _refuse_templates(document: Document, key: Key, value: Any) -> None:
    if isinstance(value, dict):
        for name, below in value.items():
            _refuse_templates(document, (*key, name), name)
            _refuse_templates(document, (*key, name), below)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_templates(document, (*key, index), item)
    elif isinstance(value, str) and ("{{" in value or "{%" in value):
        raise document.error(key, "a Jinja template is not supported here, wanted a plain value")


def _refuse_same_ports(document: Document, host: Host) -> None:
    """Each of several services needs a port of its own: that of the profiles would mostly be the same."""
    taken: dict[int, str] = {}
    for name, service in host.services.items():
        key = ("strix_services", name, "port")
        if service.port is None:
            if len(host.services) > 1:
                message = "missing, and each of several services on a host needs its own"
                raise document.error(key, message)
            continue
        if service.port in taken:
            raise document.error(key, f"service {taken[service.port]!r} has port {service.port} already")
        taken[service.port] = name
