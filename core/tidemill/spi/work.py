"""What an executor is handed, and what it hands back: small frozen values.

All durations are seconds (float); all paths are absolute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from tidemill.spi.errors import SpiError

INPUTS = "\x1etide-inputs\x1e"
"""Stands for the folder of inputs in the texts of a `Work`, until the executor, which
alone knows that folder, puts it there (`Work.located`). Two record separators: nothing
that a person types."""


@dataclass(frozen=True, slots=True)
class ScriptAction:
    """Run `text` with `interpreter`: as the argument behind `-c`, or, if `in_file` is
    set, from a file whose path is the last argument."""

    text: str
    interpreter: tuple[str, ...] = ("sh", "-e")
    in_file: bool = False


@dataclass(frozen=True, slots=True)
class ArgvAction:
    """Run a program with these arguments; no shell is involved."""

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that must be there when the step starts: the content of `source` at
    `path`, which is relative to the folder of inputs (`$TIDE_INPUTS`)."""

    path: str
    source: Path


@dataclass(frozen=True, slots=True)
class OutputFile:
    """Files to collect from the workdir when the step has succeeded."""

    name: str
    glob: str


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file that an earlier attempt put out: `name` as it was given to
    `StepIO.save_file`, `source` where its content can be read."""

    name: str
    source: Path
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt of one step, complete: nothing is left to look up.

    `id` is unique for the attempt, and safe as a file name. `env` holds every variable
    of the step (`TIDE_*`, its own and those that its script refers to); an executor adds
    only `TIDE_OUTPUT`, `TIDE_INPUTS`, `TMPDIR` and what its kind must inherit (`PATH`,
    `HOME`, …). `workdir` is relative to the project's root. `settings` is an instance of
    the executor type's own settings model.
    """

    id: str
    run: int
    step: str
    attempt: int
    fence: int
    action: ScriptAction | ArgvAction
    project: Path
    settings: Any = None
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "."
    inputs: tuple[InputFile, ...] = ()
    outputs: tuple[OutputFile, ...] = ()

    def located(self, inputs: str) -> Work:
        """The same work, with its folder of inputs as the step will see it. Every
        executor calls this before it reads `action`, `env` or `workdir`."""
        if not self.inputs:
            return self

        def put(text: str) -> str:
            return text.replace(INPUTS, inputs)

        action: ScriptAction | ArgvAction
        if isinstance(self.action, ArgvAction):
            action = ArgvAction(tuple(put(argument) for argument in self.action.argv))
        else:
            action = replace(self.action, text=put(self.action.text))
        env = {name: put(value) for name, value in self.env.items()}
        return replace(self, action=action, env=env, workdir=put(self.workdir))


class Reason(StrEnum):
    """Why an attempt ended as it did."""

    EXITED = "exited"
    KILLED = "killed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    FAILED_TO_START = "failed_to_start"
    LOST = "lost"
    BAD_OUTPUT = "bad_output"


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt used: CPU seconds of its whole tree and the most memory that all of
    it held at a time, in bytes, where a control group or a container tells; else CPU of
    its tree as far as it was waited for, and the largest resident set of one process."""

    cpu_seconds: float = 0.0
    peak_memory: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. Made by the functions below, never by hand.

    `values` is the raw content of the step's output file (`$TIDE_OUTPUT`); the engine
    parses and checks it."""

    reason: Reason
    code: int | None = None
    signal: int | None = None
    detail: str = ""
    usage: Usage = Usage()
    values: bytes = b""

    @property
    def ok(self) -> bool:
        return self.reason is Reason.EXITED and self.code == 0


def exited(code: int, *, usage: Usage = Usage(), values: bytes = b"") -> Outcome:
    """The step's process ended by itself with an exit status (0 to 255)."""
    if not 0 <= code <= 255:
        raise SpiError(f"an exit status is 0 to 255, not {code}")
    return Outcome(Reason.EXITED, code=code, usage=usage, values=values)


def killed(signal: int, *, usage: Usage = Usage(), detail: str = "") -> Outcome:
    """A signal ended the step's process."""
    return Outcome(Reason.KILLED, signal=signal, usage=usage, detail=detail)


def timed_out(limit: float, *, usage: Usage = Usage()) -> Outcome:
    """The step ran longer than its time-out of `limit` seconds and was stopped."""
    return Outcome(Reason.TIMED_OUT, usage=usage, detail=f"stopped after {limit:g} s")


def cancelled(*, usage: Usage = Usage()) -> Outcome:
    """The step was stopped because its run was cancelled."""
    return Outcome(Reason.CANCELLED, usage=usage)


def failed_to_start(detail: str) -> Outcome:
    """Nothing of the step ran: `detail` says why, for the person who must act."""
    return Outcome(Reason.FAILED_TO_START, detail=detail)


def bad_output(detail: str, *, usage: Usage = Usage()) -> Outcome:
    """The step exited with 0, but what it put out is not what it declares. The engine's
    own verdict: an executor has no use for it."""
    return Outcome(Reason.BAD_OUTPUT, code=0, usage=usage, detail=detail)


def lost(detail: str) -> Outcome:
    """Contact was lost: nobody knows whether the step ended."""
    return Outcome(Reason.LOST, detail=detail)
