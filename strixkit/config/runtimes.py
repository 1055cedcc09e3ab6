"""The schema of `profiles/runtimes/*.yaml`: a build of llama.cpp, and how it gets onto the box."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, RootModel, ValidationInfo, field_validator

from strixkit.config.names import suggestion
from strixkit.config.repository import RefName, RepositoryUrl
from strixkit.config.values import CONTROL, BoxPath, Environment, EnvironmentName, Section, matching
from strixkit.planner.run import Family

# Debian policy 5.6.1; dnf's names need `_` and capitals too.
Package = Annotated[str, matching(r"[A-Za-z0-9][A-Za-z0-9.+_-]+", "the name of a package")]
OptionName = Annotated[str, matching(r"[a-z]+\.[a-z0-9_]+", "a canonical option as in context.size")]
Spelling = Annotated[str, matching(r"--?[A-Za-z][A-Za-z0-9-]*", "a command-line flag as in -c or --ctx-size")]
Program = Annotated[str, matching(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}", "the name of a program, without '/'")]
SourcePath = Annotated[
    str, matching(rf"(?!/)(?!(.*/)?\.\.(/|$))[^{CONTROL}-][^{CONTROL}]*", "a path in the source, without '..'")
]
Backend = Literal["hip", "vulkan"]
PLACEHOLDERS = ("source", "build", "jobs", "ccache")


def _known_placeholders(text: str) -> str:
    if "\0" in text:
        raise ValueError("the text holds a NUL character, which no argument can carry")
    for name in re.findall(r"\{([a-z_]+)\}", text):
        if name not in PLACEHOLDERS:
            known = ", ".join(f"{{{placeholder}}}" for placeholder in PLACEHOLDERS)
            raise ValueError(f"unknown placeholder {{{name}}}{suggestion(name, PLACEHOLDERS)} (known: {known})")
    return text


# `${name}` is a reference to a variable of CMake's, which nothing here needs: a placeholder is meant.
Template = Annotated[str, AfterValidator(_known_placeholders)]
Command = Annotated[tuple[Template, ...], Field(min_length=1)]


class Recorded(Section):
    """What a binary of this runtime said about itself once: only for previews, while no binary has been asked."""

    version: str
    flags: dict[OptionName, Spelling]


class _Runtime(Section):
    """What all providers share.

    family: whose memory behaviour it has (the planner's).
    loads: the tensor types it reads; `rocmfp4` means stock's and the fork's.
    environment: of every server. environment_rocm: beside it, where the server's device is one of HIP's.
    recorded: in a file it may be the name of the runtime whose record is meant.
    """

    description: str
    family: Family
    loads: Literal["stock", "rocmfp4"]
    environment: Environment = Field(default_factory=dict)
    environment_rocm: Environment = Field(default_factory=dict)
    recorded: Recorded


class _Installed(_Runtime):
    """A binary at a known place.

    binary: llama-server on the box.
    headers: folders on the box with the headers of its ggml, for `invoke rehearse`; none if nobody knows.
    """

    binary: BoxPath
    headers: tuple[BoxPath, ...] = ()


class PackageRuntime(_Installed):
    """Packages of the distribution. tool_packages: what has llama-imatrix and llama-perplexity, for who needs them."""

    provider: Literal["package"]
    packages: tuple[Package, ...] = Field(min_length=1)
    tool_packages: tuple[Package, ...] = ()


class PathRuntime(_Installed):
    """A binary that the owner of the box has put there."""

    provider: Literal["path"]


class GitRuntime(_Runtime):
    """A build on the box, of the commit that lock.yaml has for this repository and ref.

    backends: what it must be able to compute on, beside the CPU.
    configure, build: commands in order, each a list of words; no shell reads them. In a word, and in a value of
        `environment_build`, {source} {build} {ccache} are folders on the box, {jobs} the number of compile jobs.
    programs: what is kept of {build}/bin, beside the libraries there.
    binary: llama-server among the programs, by its name: its folder is known on the box only.
    headers: folders in the source with the headers of its ggml.
    job_mib: MiB of memory that one compile job may take at worst.
    """

    provider: Literal["git"]
    repository: RepositoryUrl
    ref: RefName
    backends: tuple[Backend, ...]
    configure: tuple[Command, ...] = ()
    build: tuple[Command, ...] = Field(min_length=1)
    environment_build: dict[EnvironmentName, Template] = Field(default_factory=dict)
    programs: tuple[Program, ...] = Field(min_length=1)
    binary: Program
    headers: tuple[SourcePath, ...] = ()
    job_mib: int = Field(ge=1)

    @field_validator("binary")
    @classmethod
    def _among_programs(cls, name: str, info: ValidationInfo) -> str:
        programs = info.data.get("programs", (name,))  # without them, the error about them says enough
        if name not in programs:
            raise ValueError(f"{name!r} is not among the programs{suggestion(name, programs)}")
        return name


Runtime = PackageRuntime | PathRuntime | GitRuntime


class RuntimeFile(RootModel[Annotated[Runtime, Field(discriminator="provider")]]):
    """One file of `profiles/runtimes/`."""
