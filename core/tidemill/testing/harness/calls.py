"""What a mocked step is given, and what it answers."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidelang.values import parse_duration
from tidemill.spi import (
    ArgvAction,
    Outcome,
    ScriptAction,
    Work,
    exited,
    failed_to_start,
    killed,
    lost,
)
from tidemill.testing.harness.errors import HarnessError

NEVER = float("inf")
"""How long a step takes that does not end by itself."""


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt of a step, as its executor was given it.

    `key` is the task: `unit[3.12]`, or `checks/unit[3.12]` in a pipeline that the step
    `checks` runs. `attempt` counts from 1. `at` is in seconds since the run was made.
    `script` is the text that the `interpreter` gets, `argv` what is run without a shell; one
    of the two is None. `env` has every variable of the step, with those that its script
    refers to; secrets are their values. `settings` are those of its `executor`, as the
    worker hands them over, and `workdir` is relative to the project. `inputs` are the files
    of other steps that it uses, by their paths below `$TIDE_INPUTS`."""

    key: str
    attempt: int
    at: float
    executor: str
    script: str | None
    argv: tuple[str, ...] | None
    interpreter: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    workdir: str = "."
    inputs: Mapping[str, Path] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The script or argument list with its values put in, as a person would type it:
        for a test to compare. The shell itself gets them as variables."""
        if self.argv is not None:
            return shlex.join(self.argv)
        text = _QUOTED.sub(lambda found: shlex.quote(self._value(found)), self.script or "")
        return _BARE.sub(self._value, text).rstrip("\n")

    def _value(self, found: re.Match[str]) -> str:
        return self.env.get(found["name"], found[0])


_NAME = r"(?P<name>TIDE_V\d+(?:_\d+)*)"
_QUOTED = re.compile(rf'"\${_NAME}"')
_BARE = re.compile(rf"\$(\{{)?{_NAME}(?(1)\}})")


def call_of(work: Work, key: str, at: float, executor: str) -> Call:
    work = work.located("$TIDE_INPUTS")
    action = work.action
    return Call(
        key=key,
        attempt=work.attempt,
        at=at,
        executor=executor,
        script=action.text if isinstance(action, ScriptAction) else None,
        argv=action.argv if isinstance(action, ArgvAction) else None,
        interpreter=action.interpreter if isinstance(action, ScriptAction) else (),
        env=dict(work.env),
        settings=work.settings,
        workdir=work.workdir,
        inputs={file.path: file.source for file in work.inputs},
    )


@dataclass(frozen=True, slots=True)
class Ends:
    """How an attempt of a mocked step ends.

    It `takes` seconds, or a text like `"1h30m"`; `prints` text; and exits with `exit_code`,
    or is ended by a `signal`, cannot be started because of an `error`, or is `lost`, as when
    its worker dies. `outputs` are values by the names of the step's outputs, `files` are
    contents by paths relative to its workdir."""

    exit_code: int = 0
    outputs: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    prints: str = ""
    takes: float | str = 0.0
    signal: int | None = None
    error: str = ""
    lost: bool = False

    @property
    def outcome(self) -> Outcome:
        if self.error:
            return failed_to_start(self.error)
        if self.lost:
            return lost("the test says so")
        if self.signal is not None:
            return killed(self.signal)
        return exited(self.exit_code, values=_encoded(self.outputs))


Answer = Ends | Outcome | int | Mapping[str, Any] | None
"""What a function that stands for a step may return: how it ends, an exit status, the
outputs of one that succeeds, or nothing where all is well."""

Function = Callable[[Call], Answer]


def ends_of(answer: Answer, key: str) -> tuple[Ends, Outcome]:
    """Raises: HarnessError: the function returned something else."""
    if isinstance(answer, Outcome):
        return Ends(), answer
    ends: Any = answer
    if answer is None:
        ends = Ends()
    elif isinstance(answer, int):
        ends = Ends(exit_code=answer)
    elif isinstance(answer, Mapping):
        ends = Ends(outputs=answer)
    if not isinstance(ends, Ends):
        raise HarnessError(
            f"the function for {key} returned {answer!r}: it may return Ends(…), an exit "
            "status, a dict of outputs, an Outcome or None"
        )
    return ends, ends.outcome


def seconds_of(value: float | str) -> float:
    """Raises: HarnessError: it is no duration."""
    try:
        return parse_duration(value) / 1000 if isinstance(value, str) else float(value)
    except ValueError as error:
        raise HarnessError(str(error)) from None


def _encoded(outputs: Mapping[str, Any]) -> bytes:
    if not outputs:
        return b""
    try:
        return json.dumps(dict(outputs)).encode()
    except TypeError as error:
        raise HarnessError(f"outputs {dict(outputs)!r}: {error}") from None
