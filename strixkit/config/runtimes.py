"""The schema of `profiles/runtimes/*.yaml`: a build of llama.cpp, and how it gets onto the box."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from strixkit.config.values import BoxPath, Environment, Section, matching
from strixkit.planner.run import Family

# Debian policy 5.6.1; dnf's names need `_` and capitals too.
Package = Annotated[str, matching(r"[A-Za-z0-9][A-Za-z0-9.+_-]+", "the name of a package")]
OptionName = Annotated[str, matching(r"[a-z]+\.[a-z0-9_]+", "a canonical option as in context.size")]
Spelling = Annotated[str, matching(r"--?[A-Za-z][A-Za-z0-9-]*", "a command-line flag as in -c or --ctx-size")]


class Recorded(Section):
    """What a binary of this runtime said about itself once: only for previews, while no binary has been asked."""

    version: str
    flags: dict[OptionName, Spelling]


class _Runtime(Section):
    """What all providers share.

    binary: llama-server on the box. family: whose memory behaviour it has (the planner's).
    loads: the tensor types it reads; `rocmfp4` means stock's and the fork's.
    headers: folders on the box with the headers of its ggml, for `invoke rehearse`; none if nobody knows.
    environment: of every server. environment_rocm: beside it, where the server's device is one of HIP's.
    """

    description: str
    binary: BoxPath
    family: Family
    loads: Literal["stock", "rocmfp4"]
    headers: tuple[BoxPath, ...] = ()
    environment: Environment = Field(default_factory=dict)
    environment_rocm: Environment = Field(default_factory=dict)
    recorded: Recorded


class PackageRuntime(_Runtime):
    """Packages of the distribution."""

    provider: Literal["package"]
    packages: tuple[Package, ...] = Field(min_length=1)


class PathRuntime(_Runtime):
    """A binary that the owner of the box has put there."""

    provider: Literal["path"]


Runtime = PackageRuntime | PathRuntime


class RuntimeFile(RootModel[Annotated[Runtime, Field(discriminator="provider")]]):
    """One file of `profiles/runtimes/`."""
