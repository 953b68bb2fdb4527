"""What the fleet has promised, checked as it goes: a ledger that the steps keep themselves,
beside what the database says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tidemill.model.rows import WHOLE, EventRow, RunRow, TaskRef, TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.spi import ArgvAction, Work
from tidemill.testing.simulation.pipelines import (
    BY_NAME,
    CONCURRENCY,
    LIMITS,
    ONCE,
    RESOURCES,
    RUN_LIMITS,
    argv_of,
    name_of,
)
from tidemill.testing.simulation.time import EPOCH, SKEW
from tidemill.testing.simulation.timetable import Timetable


class BrokenPromiseError(AssertionError):
    """What must never happen has happened."""


class AtWork(NamedTuple):
    ref: TaskRef
    name: str
    node: str


class Over(NamedTuple):
    """How an attempt ended, as the step itself knows it: `code` is None where it was
    killed."""

    code: int | None
    values: dict[str, Any]


@dataclass(slots=True)
class Promises:
    """Everything that is looked at is looked at when it changes."""

    now: Callable[[], float]
    broken: Callable[[BrokenPromiseError], None]
    told: Callable[[str], None] | None = None
    """Hears the story, where anybody wants to."""
    slots: dict[str, int] = field(default_factory=dict)
    """By worker."""
    resources: dict[str, Mapping[str, float]] = field(default_factory=dict)
    """By worker."""
    runs: dict[int, RunRow] = field(default_factory=dict)
    tasks: dict[int, dict[int, TaskRow]] = field(default_factory=dict)
    """By run and ordinal."""
    starts: dict[TaskRef, list[str]] = field(default_factory=dict)
    """By task, the ids of the works that were begun."""
    at_work: dict[str, AtWork] = field(default_factory=dict)
    """By the id of the work."""
    ends: dict[str, Over] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    """Nodes that stand still, with all that they do."""
    open_runs: set[int] = field(default_factory=set)
    begun_runs: set[int] = field(default_factory=set)
    """Those that were seen to be running."""
    missed: dict[TaskRef, float] = field(default_factory=dict)
    """Deadlines that were said to be missed, of tasks and of whole runs: when."""
    timetable: Timetable = field(default_factory=Timetable)
    ambush: Callable[[str], None] | None = None
    """Called once, when a step has begun on a node (by name)."""

    # what steps say

    def begun(self, work: Work, node: str) -> None:
        run, ordinal, _ = work.id.split(".")
        ref, name = TaskRef(int(run), int(ordinal)), name_of(work.step)
        self._tell("begun", work.id, work.step, node)
        if work.id in self.at_work or work.id in self.ends:
            self._broken(f"{_of(work)} was begun twice under one fence")
        if name in ONCE:
            self._check_once(work, ref)
        self._check_due(work, self.runs[ref.run])
        self._check_version(work, self.runs[ref.run], name)
        self.starts.setdefault(ref, []).append(work.id)
        self._check_needs(work, ref, name)
        self.at_work[work.id] = AtWork(ref, name, node)
        self.check()

    def _check_once(self, work: Work, ref: TaskRef) -> None:
        """Again only after it has failed by itself."""
        for before in self.starts.get(ref, ()):
            over = self.ends.get(before)
            if over is None or not over.code:
                self._broken(f"{_of(work)} was begun again after {before}, which did not fail")

    def _check_due(self, work: Work, run: RunRow) -> None:
        """Never before it is due, by the clocks of schedulers, which may be ahead."""
        early = 0.0 if run.due_at is None else run.due_at - (EPOCH + self.now() + SKEW)
        if early > 1e-3:
            self._broken(f"{_of(work)} was begun {early:.3f} s before it was due")

    def _check_version(self, work: Work, run: RunRow, name: str) -> None:
        """A run goes on with the version that it began with."""
        wanted = argv_of(run.digest, name)
        given = work.action.argv if isinstance(work.action, ArgvAction) else ()
        if wanted is not None and given != wanted:
            self._broken(f"{_of(work)} ran {given}, and in its version that is {wanted}")

    def _check_needs(self, work: Work, ref: TaskRef, name: str) -> None:
        steps = BY_NAME[self.runs[ref.run].pipeline].steps
        (needs,) = [step.needs for step in steps if step.name == name]
        waited_for = {index for index, step in enumerate(steps) if step.name in needs}
        for task in self.tasks[ref.run].values():
            if task.step in waited_for and not task.state.ended:
                self._broken(f"{_of(work)} was begun while {task.key} is {task.state.value}")

    def over(self, work_id: str, code: int | None, values: dict[str, Any]) -> None:
        self._tell("over", work_id, code)
        del self.at_work[work_id]
        self.ends[work_id] = Over(code, values)

    def check(self) -> None:
        """That nothing is at work that must not be. What stands still with its node does
        no work; when the node goes on, it is looked at again."""
        moving = [at for at in self.at_work.values() if at.node not in self.paused]
        for ref, count in Counter(at.ref for at in moving).items():
            if count > 1:
                self._broken(f"{count} attempts of {self._name(ref)} at work at the same time")
        for (run, name), count in Counter((at.ref.run, at.name) for at in moving).items():
            self._at_most(LIMITS.get(name), count, f"tasks of {name} of run {run} at work")
        for run, count in Counter(at.ref.run for at in moving).items():
            limit = RUN_LIMITS.get(self.runs[run].pipeline)
            self._at_most(limit, count, f"tasks of run {run} at work")
        for node, count in Counter(at.node for at in moving).items():
            self._at_most(self.slots[node], count, f"tasks at work on {node}")
        self._check_resources(moving)

    def _check_resources(self, moving: Sequence[AtWork]) -> None:
        """No worker has more to do than it has resources for."""
        used: Counter[tuple[str, str]] = Counter()
        for at in moving:
            for name, amount in RESOURCES[at.name].items():
                used[at.node, name] += amount  # type: ignore[assignment]
        for (node, name), amount in used.items():
            there = self.resources[node].get(name, 0.0)
            if amount > there:
                self._broken(f"{amount} {name} taken up on {node}, and it has {there}")

    def _at_most(self, limit: int | None, count: int, what: str) -> None:
        if limit is not None and count > limit:
            self._broken(f"{count} {what}, and {limit} may be")

    # what the database says

    def committed(self, runs: Sequence[RunRow], tasks: Sequence[TaskRow]) -> None:
        """What a transaction has written, in the order of commits."""
        for task in tasks:
            known = self.tasks.setdefault(task.run, {})
            before = known.get(task.ordinal)
            known[task.ordinal] = task
            if before != task:
                self._changed(before, task)
        made = {run.number: run for run in runs if run.number not in self.runs}
        for run in runs:
            before_run = self.runs.get(run.number)
            self.runs[run.number] = run
            if before_run is None:
                self.open_runs.add(run.number)
            if before_run != run:
                self._run_changed(before_run, run)
        for run in made.values():  # what ended in the same transaction is in nobody's way
            self._made(run)
        self._check_concurrency()
        open_runs = (self.runs[number] for number in sorted(self.open_runs))
        for problem in self.timetable.together(open_runs):
            self._broken(problem)

    def _check_concurrency(self) -> None:
        open_runs = [self.runs[number] for number in self.open_runs]
        going = Counter(run.pipeline for run in open_runs if run.started_at is not None)
        for pipeline, limit in CONCURRENCY.items():
            if going[pipeline] > limit:
                self._broken(f"{going[pipeline]} runs of {pipeline} are at work, not {limit}")

    def recorded(self, events: Sequence[EventRow]) -> None:
        for event in events:
            if event.kind == "deadline_missed":
                ref = TaskRef(event.run, WHOLE if event.ordinal is None else event.ordinal)
                self._tell("missed", *ref)
                if ref in self.missed:
                    self._broken(f"the deadline of {ref} was missed twice")
                self.missed[ref] = event.at

    def _check_deadline(self, run: RunRow) -> None:
        """It was missed, and that was recorded, or neither; clocks may differ."""
        missed, by = self.missed.get(TaskRef(run.number, WHOLE)), run.deadline_at
        if by is None or run.ended_at is None:
            return
        if missed is None and run.ended_at > by:
            self._broken(f"run {run.number} missed its deadline, and nobody was told")
        if missed is not None and max(missed, run.ended_at) < by - 2 * SKEW:
            self._broken(f"run {run.number} was in time, and is said to have been late")

    def _changed(self, before: TaskRow | None, task: TaskRow) -> None:
        self._tell("task", task.run, task.key, task.state.value, task.fence, task.worker)
        name = f"{task.key} of run {task.run}"
        if before is not None and before.state.ended:
            self._broken(f"{name} had ended, and changed")
        if before is not None and task.fence < before.fence:
            self._broken(f"the fence of {name} fell")
        if task.carried_from is not None or task.child is not None or not task.attempt:
            return
        over = self.ends.get(f"{task.run}.{task.ordinal}.{task.fence}")
        if task.state is TaskState.SUCCEEDED:
            if over is None or over.code != 0:
                self._broken(f"{name} succeeded, and its attempt {task.fence} did not")
            elif over.values != (task.outputs or {}):
                self._broken(f"{name} put out {over.values}, not {task.outputs}")
        elif task.state is TaskState.FAILED and (over is None or over.code != task.exit_code):
            self._broken(f"{name} failed, and its attempt {task.fence} did not: {task.detail}")

    def _made(self, run: RunRow) -> None:
        for problem in self.timetable.made(run):
            self._broken(problem)
        if run.schedule is None:
            return
        others = [r for r in self._open_of(run.schedule) if r.number != run.number]
        if self._overlap(run) == "skip" and others:
            self._broken(f"run {run.number} was made while run {others[0].number} goes on")

    def _run_changed(self, before: RunRow | None, run: RunRow) -> None:
        self._tell("run", run.number, run.pipeline, run.state.value)
        if before is not None and before.state.ended:
            self._broken(f"run {run.number} had ended, and changed")
        if run.state.ended:
            self.open_runs.discard(run.number)
            self._check_ended(run)
            self._check_deadline(run)
        if run.state is RunState.RUNNING:
            self.begun_runs.add(run.number)
        if run.state is RunState.RUNNING and run.schedule is not None:
            going = [r for r in self._open_of(run.schedule) if r.started_at is not None]
            if self._overlap(run) == "queue" and len(going) > 1:
                self._broken(f"runs {[r.number for r in going]} of one queue go on together")

    def _check_ended(self, run: RunRow) -> None:
        tasks = self.tasks.get(run.number, {}).values()
        for task in tasks:
            if not task.state.ended:
                self._broken(f"run {run.number} ended before {task.key}")
        steps = BY_NAME[run.pipeline].steps
        bad = [t.key for t in tasks if t.state in _BAD and not steps[t.step].allow_failure]
        if run.state is RunState.SUCCEEDED and bad:
            self._broken(f"run {run.number} succeeded, though {bad[0]} did not")
        if run.state is RunState.FAILED and not bad:
            self._broken(f"run {run.number} failed, and nothing of it did")
        for task in tasks:
            lost = task.state is TaskState.LOST and name_of(task.key) not in ONCE
            if lost and run.state is not RunState.CANCELLED:
                self._broken(f"{task.key} of run {run.number} was given up")

    def _open_of(self, schedule: int) -> list[RunRow]:
        open_ = [self.runs[number] for number in sorted(self.open_runs)]
        return [run for run in open_ if run.schedule == schedule]

    def _overlap(self, run: RunRow) -> str:
        return BY_NAME[run.pipeline].schedules[0].overlap

    # saying it

    def _name(self, ref: TaskRef) -> str:
        return f"{self.tasks[ref.run][ref.ordinal].key} of run {ref.run}"

    def _tell(self, *words: object) -> None:
        if self.told is not None:
            self.told(" ".join(map(str, words)))

    def _broken(self, what: str) -> None:
        """Said to whoever tells the story: an engine must not get to handle it."""
        self.broken(BrokenPromiseError(f"at {self.now():.3f} s: {what}"))


def _of(work: Work) -> str:
    return f"{work.step} of run {work.run} (fence {work.fence})"


_BAD = frozenset(
    {
        TaskState.FAILED,
        TaskState.TIMED_OUT,
        TaskState.LOST,
        TaskState.CANCELLED,
        TaskState.UPSTREAM_FAILED,
    }
)
