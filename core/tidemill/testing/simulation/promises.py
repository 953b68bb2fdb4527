"""What the fleet has promised, checked as it goes: a ledger that the steps keep themselves,
beside what the database says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tidemill.model.rows import TaskRef, TaskRow
from tidemill.model.states import TaskState
from tidemill.spi import Work


class BrokenPromiseError(AssertionError):
    """What must never happen has happened."""


@dataclass(slots=True)
class Promises:
    """`limits` are how many tasks of a step (by run and step's name) may be at work, and
    `once` the steps that may be started once."""

    now: Callable[[], float]
    broken: Callable[[BrokenPromiseError], None]
    limits: dict[str, int]
    once: frozenset[str]
    rows: dict[TaskRef, TaskRow] = field(default_factory=dict)
    starts: Counter[TaskRef] = field(default_factory=Counter)
    succeeded: Counter[TaskRef] = field(default_factory=Counter)
    at_work: dict[str, tuple[TaskRef, str, str]] = field(default_factory=dict)
    """By the id of the work: the task, its key, and its node."""
    paused: set[str] = field(default_factory=set)
    """Nodes that stand still, with all that they do."""

    def started(self, work: Work, node: str) -> None:
        run, ordinal, _ = work.id.split(".")
        ref = TaskRef(int(run), int(ordinal))
        self.starts[ref] += 1
        if work.step.split("[")[0] in self.once and self.starts[ref] > 1:
            self._broken(f"{work.step} of run {run} may be started once, and was again")
        self.at_work[work.id] = (ref, work.step, node)
        self.check()

    def check(self) -> None:
        """That nothing is at work that must not be. What stands still with its node does
        no work; when the node goes on, it is looked at again."""
        moving = {
            work: (ref, key)
            for work, (ref, key, node) in self.at_work.items()
            if node not in self.paused
        }
        twice = [ref for ref, count in Counter(r for r, _ in moving.values()).items() if count > 1]
        for ref in twice:
            works = [work for work, (other, _) in moving.items() if other == ref]
            self._broken(f"attempts of one task at work at the same time: {works}")
        names = Counter((ref.run, key.split("[")[0]) for ref, key in moving.values())
        for (run, name), count in names.items():
            if count > self.limits.get(name, count):
                limit = self.limits[name]
                self._broken(f"{count} tasks of {name} of run {run} at work, and {limit} may be")

    def ended(self, work_id: str) -> None:
        self.at_work.pop(work_id, None)

    def committed(self, tasks: Sequence[TaskRow]) -> None:
        """What a transaction has written, in the order of commits."""
        for task in tasks:
            before = self.rows.get(task.ref)
            if before is not None and before.state.ended:
                self._broken(f"{task.key} of run {task.run} had ended, and changed")
            if before is not None and task.fence < before.fence:
                self._broken(f"the fence of {task.key} of run {task.run} fell")
            if task.state is TaskState.SUCCEEDED and before != task:
                self.succeeded[task.ref] += 1
                if not self.starts[task.ref] and task.carried_from is None and task.attempt:
                    self._broken(f"{task.key} of run {task.run} succeeded, and was never started")
            self.rows[task.ref] = task

    def _broken(self, what: str) -> None:
        """Said to whoever tells the story: an engine must not get to handle it."""
        self.broken(BrokenPromiseError(f"at {self.now():.3f} s: {what}"))
