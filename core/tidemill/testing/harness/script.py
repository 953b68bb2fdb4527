"""What a test says of a run: which steps do what, who decides, which secrets there are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Literal, NamedTuple, TypeVar

from tidelang.definition import Approval, Definition, Step, Subrun
from tidemill.engine.approvals import Person
from tidemill.spi import Outcome
from tidemill.testing.harness.calls import Call, Ends, Function, ends_of
from tidemill.testing.harness.errors import HarnessError, unknown

Others = Literal["error", "succeed"]

T = TypeVar("T")


class Task(NamedTuple):
    """One of the tasks on the way to a task: its key, and the name of its step."""

    key: str
    step: str


Path = tuple[Task, ...]
"""From a task of the run under test to one in a pipeline that it runs, and so on."""


def key_of(path: Path) -> str:
    return "/".join(task.key for task in path)


def names_of(path: Path) -> Iterator[str]:
    """The names that a test may have for this task, what is more particular first."""
    return ("/".join(names) for names in product(*(dict.fromkeys(task) for task in path)))


@dataclass(frozen=True, slots=True)
class Mock:
    """A step that answers, after `fails_first` attempts that fail."""

    answer: Ends | Function
    fails_first: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody says to a step that asks, so many seconds after it does."""

    approved: bool
    by: str | None
    groups: frozenset[str]
    reason: str
    after: float

    def person(self, name: str, action: Approval) -> Person:
        """Who decides: if the test does not say, somebody who may.

        Raises:
            HarnessError: the one that the test names may not.
        """
        person = Person(self.by or next(iter(action.by), "tester"), self.groups)
        if person.is_among(action.by):
            return person
        raise HarnessError(
            f"{person.name} may not decide on {name}: these users and groups may: "
            f"{', '.join(action.by)}"
        )


@dataclass(slots=True)
class Script:
    """By the names of steps. See `PipelineHarness`."""

    others: Others = "error"
    mocks: dict[str, Mock] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    def answer(self, path: Path, step: Step, call: Call) -> tuple[Ends, Outcome]:
        """What becomes of an attempt.

        Raises:
            HarnessError: the test does not say.
            Exception: whatever its function raises.
        """
        mock = _find(self.mocks, path)
        if mock is None:
            return self._other(step, call)
        if call.attempt <= mock.fails_first:
            return ends_of(1, call.key)
        answer = mock.answer if isinstance(mock.answer, Ends) else mock.answer(call)
        return ends_of(answer, call.key)

    def _other(self, step: Step, call: Call) -> tuple[Ends, Outcome]:
        if self.others != "succeed":
            name = call.key.partition("[")[0]
            raise HarnessError(
                f"step {call.key} is not mocked: say what it does by .step({name!r}), or let all "
                'such steps succeed: PipelineHarness(…, others="succeed")'
            )
        if step.outputs:
            names = ", ".join(output.name for output in step.outputs)
            raise HarnessError(
                f"step {call.key} has outputs that nobody can make up: {names}: give them by "
                f".step({step.name!r}, outputs={{…}}), files by files={{…}}"
            )
        return ends_of(None, call.key)

    def decision(self, path: Path) -> Decision | None:
        return _find(self.decisions, path)

    def check(self, definition: Definition, called: Mapping[str, Definition]) -> None:
        """Raises: HarnessError: a name is no step's, or one of a step that does no work."""
        known = dict(_steps(definition, called, ""))
        for name in self.mocks:
            action = _known("step", name, known).action
            if isinstance(action, Approval):
                raise HarnessError(
                    f"step {name} asks for approval and runs nothing: .approve({name!r}), or "
                    f".deny({name!r})"
                )
            if isinstance(action, Subrun):
                raise HarnessError(
                    f"step {name} runs the pipeline {action.pipeline}: mock the steps of that, "
                    f"like {name + '/' + called[action.digest].steps[0].name!r}"
                )
        asking = {name: s for name, s in known.items() if isinstance(s.action, Approval)}
        for name in self.decisions:
            _known("step that asks for approval", name, asking)

    def check_instances(self, paths: Collection[Path]) -> None:
        """After a run: an instance that there was not was misspelt, unless nobody ever knew
        which there are.

        Raises:
            HarnessError: and how it may have been meant.
        """
        names = {name for path in paths for name in names_of(path)}
        for name in (*self.mocks, *self.decisions):
            step = _without_instance(name)
            keys = [key_of(path) for path in paths if step in names_of(path)]
            if name not in names and keys and not any(key.endswith("[…]") for key in keys):
                raise unknown("task", name, keys)


def _find(named: Mapping[str, T], path: Path) -> T | None:
    return next((named[name] for name in names_of(path) if name in named), None)


def _steps(
    definition: Definition, called: Mapping[str, Definition], above: str
) -> Iterator[tuple[str, Step]]:
    """Every step with the name that a test has for it."""
    for step in definition.steps:
        yield above + step.name, step
        if isinstance(step.action, Subrun):
            yield from _steps(called[step.action.digest], called, f"{above}{step.name}/")


def _known(what: str, name: str, known: Mapping[str, Step]) -> Step:
    step = known.get(_without_instance(name))
    if step is None:
        raise unknown(what, name, known)
    return step


def _without_instance(name: str) -> str:
    return re.sub(r"\[[^\]]*\]", "", name)
