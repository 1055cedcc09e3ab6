"""Kind `kernel_arguments`: what the kernel is booted with; wanted, configured for the next boot, and live."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from strixkit.resources import grub_drop_in
from strixkit.resources.base import LIVE, Answer, Change, Question, Resource, Risk, Step
from strixkit.resources.command_line import plain, values

ABSENT = "absent"
NOT_OURS = "not set by strixkit"
NO_LONGER = "no longer wanted: as it was before"


def _argument_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", value):
        raise ValueError(f"{value!r} is not the name of a kernel argument")
    return value


def _argument_value(value: str) -> str:
    """Of characters that mean nothing to a shell, to GRUB and to the kernel's own quoting."""
    if not re.fullmatch(r"[A-Za-z0-9.,:_+@%/-]*", value):
        raise ValueError(f"{value!r} is not a value that a kernel argument may have here")
    return value


class Argument(BaseModel):
    """One kernel argument as wanted. value: None means that it must not be there.

    released: strixkit does not set it (any more): what others configured is in effect, value says nothing.
    unset: what /sys/module says of a module's parameter that nobody has set.
    """

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, AfterValidator(_argument_name)]
    value: Annotated[str, AfterValidator(_argument_value)] | None
    reason: str
    released: bool = False
    unset: str | None = None


class KernelArguments(Resource):
    """The arguments of all roles. `cmdline` and `parameters` are what is live, from the facts.

    Configured is what the boot loader's own entries say, and not what was written somewhere to get there.
    """

    kind: ClassVar[str] = "kernel_arguments"
    arguments: tuple[Argument, ...]
    cmdline: str = Field(default="", description="/proc/cmdline")
    parameters: dict[str, str] = Field(default_factory=dict, description="of /sys/module, as ttm.pages_limit")

    @model_validator(mode="after")
    def _one_wish_for_each(self) -> KernelArguments:
        names = [plain(argument.name) for argument in self.arguments]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"kernel arguments wanted twice: {', '.join(sorted(twice))}")
        return self

    @property
    def id(self) -> str:
        """There is one."""
        return f"{self.kind}:boot"

    @property
    def _set(self) -> dict[str, str]:
        return {argument.name: argument.value for argument in self._owned() if argument.value is not None}

    @property
    def _banned(self) -> list[str]:
        return [argument.name for argument in self._owned() if argument.value is None]

    def _owned(self) -> Iterator[Argument]:
        return (argument for argument in self.arguments if not argument.released)

    def _drop_in(self) -> str | None:
        reasons = [f"{argument.name}: {' '.join(argument.reason.split())}" for argument in self._owned()]
        return grub_drop_in.render(self._set, self._banned, reasons)

    def question(self) -> Question:
        """The loader's entries, what sets them, and options in modprobe.d of the names that are ours."""
        names = [plain(argument.name) for argument in self._owned()]
        return {"ask": self.kind, "names": names, "drop_in": grub_drop_in.PATH}

    def absent(self) -> Answer:
        """GRUB of a bare Debian or Ubuntu, configured as it was booted."""
        return {"loader": "grub", "entries": [self.cmdline], "text": None, "modprobe": [], "initramfs": ""}

    def refuse(self, answer: Answer) -> str | None:
        """What is in the way, only if something must change: /boot cannot be written, is full, or cannot be read."""
        if answer["loader"] == "none" or not self._to_configure(answer):
            return None
        return f"kernel arguments: {answer['obstacle']}" if answer.get("obstacle") else None

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """For each argument up to two changes: what is configured (a step makes it so), and what is live (a reboot).

        Without a boot loader that is known nothing can be made so, and nothing is said: the role has told why.
        """
        if answer["loader"] == "none":
            return ()
        return (*self._to_configure(answer), *self._live(answer))

    def live_differs(self) -> bool:
        """Whether a reboot is needed for what is set or must not be there, whatever is configured."""
        return any(self._live_of_owned())

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """What configures the next boot; a reboot is the engine's."""
        if not self._to_configure(answer):
            return ()
        steps = []
        if answer["modprobe"]:
            names = [plain(argument.name) for argument in self._owned()]
            steps.append(Step(step="modprobe", arguments={"names": names}))
        if answer["modprobe"] or answer["initramfs"]:
            steps.append(Step(step="initramfs", arguments={}))
        if any(self._in_loader(answer)):
            steps.append(Step(step="kernel_arguments", arguments=self._written(answer)))
        return tuple(steps)

    def _written(self, answer: Answer) -> dict[str, object]:
        if answer["loader"] == "grub":
            return {"loader": "grub", "path": grub_drop_in.PATH, "text": self._drop_in()}
        return {"loader": answer["loader"], "set": self._set, "banned": self._banned}

    def undo(self) -> str:
        """The drop-in's removal, for GRUB; the others are given back when they are `default` in the inventory."""
        return (
            f"rm -f {grub_drop_in.PATH} && update-grub   # then reboot; without GRUB: the files as they were are in "
            "/var/lib/strixkit/backup"
        )

    # What is configured

    def _to_configure(self, answer: Answer) -> tuple[Change, ...]:
        changes = [*self._in_loader(answer), *self._in_modprobe(answer)]
        if answer["initramfs"]:
            changes.append(self.change("initramfs", answer["initramfs"], "made again"))
        return tuple(changes)

    def _in_loader(self, answer: Answer) -> Iterator[Change]:
        seen = False
        for change in (*self._of_owned(answer), *self._given_back(answer)):
            seen = True
            yield change
        if not seen and answer["loader"] == "grub" and answer["text"] != self._drop_in():
            found, wanted = answer["text"] or "", self._drop_in() or ""
            yield self.change(grub_drop_in.PATH, found, wanted, text=True)
        elif not seen and answer.get("due"):
            yield self.change("grub.cfg", answer["due"], "made again")

    def _of_owned(self, answer: Answer) -> Iterator[Change]:
        for argument in self._owned():
            found = [values(entry, argument.name) for entry in answer["entries"]]
            if argument.value is None:
                wrong = [value for of_one in found for value in of_one]
                if wrong:
                    yield self._change(argument, _words(wrong), ABSENT)
            else:
                last = [of_one[-1] if of_one else None for of_one in found]
                if not last or any(value != argument.value for value in last):
                    yield self._change(argument, _words(last), argument.value)

    def _given_back(self, answer: Answer) -> Iterator[Change]:
        """Names that an earlier deploy set, or took away, and that are nobody's wish now."""
        owned = {plain(argument.name) for argument in self._owned()}
        reasons = {plain(argument.name): argument.reason for argument in self.arguments if argument.released}
        for name, value in _ours(answer).items():
            if name not in owned and (value is not None or name in reasons):
                reason = reasons.get(name, NO_LONGER)
                yield self.change(name, ABSENT if value is None else value, NOT_OURS, reason=reason)

    def _in_modprobe(self, answer: Answer) -> Iterator[Change]:
        reasons = {plain(argument.name): argument.reason for argument in self._owned()}
        for option in answer["modprobe"]:
            reason = f"kernel arguments are in one place; {reasons.get(option['name'], '')}".rstrip("; ")
            yield self.change(f"{option['name']} in {option['path']}", option["value"], ABSENT, reason=reason)

    # What is live

    def _live(self, answer: Answer) -> Iterator[Change]:
        yield from self._live_of_owned()
        ours = _ours(answer)
        for argument in self.arguments:
            if not argument.released:
                continue
            live = _last(self.cmdline, argument.name)
            name = plain(argument.name)
            if name in ours:
                if live is not None and live == ours[name]:
                    yield self._live_change(argument, live, NOT_OURS)
            else:
                after = {_last(entry, argument.name) for entry in answer["entries"]}
                if after and live not in after:
                    yield self._live_change(argument, _words([live]), _words(sorted(after, key=str)))

    def _live_of_owned(self) -> Iterator[Change]:
        for argument in self._owned():
            live = _last(self.cmdline, argument.name)
            effect = self.parameters.get(plain(argument.name))
            if argument.value is None:
                if live is not None:
                    yield self._live_change(argument, live or "set", ABSENT)
                elif argument.unset is not None and effect not in (None, argument.unset):
                    yield self._live_change(argument, str(effect), ABSENT)
            elif live != argument.value:
                yield self._live_change(argument, _words([live]), argument.value)
            elif effect is not None and effect not in as_told(argument.value):
                yield self._live_change(argument, f"{live} on the command line, {effect} in effect", argument.value)

    def _change(self, argument: Argument, found: str, wanted: str) -> Change:
        return self.change(argument.name, found, wanted, reason=argument.reason)

    def _live_change(self, argument: Argument, found: str, wanted: str) -> Change:
        return self.change(f"{argument.name}{LIVE}", found, wanted, Risk.REBOOT, reason=argument.reason)


def _last(text: str, name: str) -> str | None:
    found = values(text, name)
    return found[-1] if found else None


def as_told(value: str) -> tuple[str, str]:
    """How /sys/module may tell a value that is in effect.

    Before Linux 7.0 amdgpu parses its lockup_timeout in place, and what follows the first comma is gone from /sys
    (torvalds/linux@2d300ebfc411, and in stable kernels since). The command line then says what is in effect.
    """
    return value, value.partition(",")[0]


def _words(found: list[str | None] | list[str]) -> str:
    """Each once, in order; several where the kernels do not agree."""
    return " / ".join(dict.fromkeys(ABSENT if value is None else value or "set" for value in found)) or ABSENT


def _ours(answer: Answer) -> Mapping[str, str | None]:
    """Names that strixkit sets in the loader's configuration, with the value, or filters out (None)."""
    if answer["loader"] == "grub":
        text = answer["text"]
        return {**dict.fromkeys(grub_drop_in.owned_by(text)), **grub_drop_in.set_by(text)}
    return {plain(name): value for name, value in (answer.get("ours") or {}).items()}
