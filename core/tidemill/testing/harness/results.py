"""What came of a run, for a test to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidemill.testing.harness.calls import Call
from tidemill.testing.harness.errors import HarnessError, unknown


@dataclass(frozen=True, slots=True)
class StepResult:
    """One task. `state` is a word that `tidemill status` shows too (`succeeded`, `failed`,
    `skipped`, `timed_out`, `upstream_failed` …), `detail` why. `began` and `ended` are in
    seconds since the run was made, None where it did not. `outputs` has files by their
    names. `calls` are the attempts that reached an executor, `log` all that they printed,
    with secrets masked."""

    key: str
    step: str
    state: str
    attempts: int = 0
    exit_code: int | None = None
    detail: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    began: float | None = None
    ended: float | None = None
    cached: bool = False
    calls: Sequence[Call] = ()
    log: str = ""

    @property
    def commands(self) -> list[str]:
        """What each attempt was to run: see `Call.command`."""
        return [call.command for call in self.calls]


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that has ended. `state` is `succeeded`, `failed` or `cancelled`; `seconds` is
    how long it took, by the virtual clock. `steps` has every task by its key, in an order
    in which none stands before one that it needs."""

    number: int
    pipeline: str
    state: str
    detail: str
    seconds: float
    params: Mapping[str, Any]
    steps: Mapping[str, StepResult]

    def step(self, name: str) -> StepResult:
        """The task with this key, or the only one of the step with this name.

        Raises:
            HarnessError: there is none, or there are several.
        """
        if name in self.steps:
            return self.steps[name]
        found = self.tasks(name)
        if len(found) > 1:
            keys = ", ".join(repr(each.key) for each in found)
            raise HarnessError(f"{name} has {len(found)} tasks: say which, or ask tasks(): {keys}")
        return found[0]

    def tasks(self, name: str) -> list[StepResult]:
        """All tasks of the step with this name.

        Raises:
            HarnessError: there is none.
        """
        found = [each for each in self.steps.values() if name in {each.step, each.key}]
        if not found:
            names = [name for each in self.steps.values() for name in (each.step, each.key)]
            raise unknown("step", name, names)
        return found

    def commands(self, name: str) -> list[str]:
        """What every attempt of every task of this step was to run."""
        return [call.command for call in self.calls(name)]

    def calls(self, name: str) -> list[Call]:
        """What every attempt of every task of this step was given, in order of time."""
        calls = [call for each in self.tasks(name) for call in each.calls]
        return sorted(calls, key=lambda call: call.at)

    @property
    def order(self) -> list[str]:
        """The keys of all tasks that an executor was given, in the order of their first
        attempts."""
        first = {each.key: each.calls[0].at for each in self.steps.values() if each.calls}
        return sorted(first, key=first.__getitem__)
