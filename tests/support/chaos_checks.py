"""Compares what the steps have said of themselves with what the database says, run by run, some
time after each has ended; and counts.

A run that has been checked is dropped from the ledger. If anything is written of it later,
somebody was at work on it who should not have been.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import psycopg
from chaos_across import Across
from chaos_shapes import SHAPES, Shape
from chaos_work import ENDED, Work
from ledger import Ledger, Span, Spans, most_at_once, overlaps

OVER = {"succeeded", "failed", "timed_out", "cancelled", "lost", "skipped", "upstream_failed"}
WITHDRAWN = "schedule IS NULL AND cause->>'kind' = 'schedule'"
"""Of runs: they were made ahead, and taken back when their schedule was paused."""
AT_ONCE = 200
"""Runs that are looked at in one go."""


class Task(NamedTuple):
    """As the database has it."""

    run: int
    key: str
    state: str
    fence: int
    carried: bool

    @property
    def step(self) -> str:
        return self.key.partition("[")[0]


class Checks(threading.Thread):
    """`problems` are broken promises. Looks every few seconds at runs that ended `rest`
    seconds ago or more."""

    def __init__(self, database: str, ledger: Ledger, work: Work, rest: float) -> None:
        super().__init__(name="checks", daemon=True)
        self.problems: list[str] = []
        self.checked: dict[int, str] = {}
        """Runs, and how they ended."""
        self.counts: Counter[str] = Counter()
        self.starts: list[float] = []
        """When attempts began."""
        self.resumed: list[float] = []
        """Seconds from the last word of an attempt that was interrupted to the next one's
        first."""
        self.across = Across()
        self.error: BaseException | None = None
        self._database, self._ledger, self._work, self._rest = database, ledger, work, rest
        self._over = threading.Event()

    def run(self) -> None:
        try:
            while not self._over.wait(2):
                self.look(self._rest)
        except BaseException as error:  # noqa: BLE001  who looks at it raises it
            self.error = error

    def end(self) -> None:
        """Looks no more by itself."""
        self._over.set()
        self.join()

    def look(self, rest: float) -> None:
        """At what has ended so many seconds ago, and was not looked at before."""
        try:
            with psycopg.connect(self._database, connect_timeout=2) as connection:
                while self._some(connection, time.time() - rest):
                    pass
        except psycopg.OperationalError:
            return  # PostgreSQL is being harmed

    def _some(self, connection: psycopg.Connection[Any], before: float) -> bool:
        found = connection.execute(
            f"SELECT number, pipeline, state, coalesce(root, number), due_at, {WITHDRAWN}"
            f" FROM run WHERE {ENDED} AND ended_at < %s AND NOT number = ANY(%s) LIMIT %s",
            (before, list(self.checked), AT_ONCE),
        ).fetchall()
        tasks: dict[int, list[Task]] = defaultdict(list)
        numbers = [row[0] for row in found]
        for row in connection.execute(
            "SELECT run, key, state, fence, carried_from IS NOT NULL FROM task"
            " WHERE run = ANY(%s) AND pool <> '' AND state <> 'expanded'",
            (numbers,),
        ):
            tasks[row[0]].append(Task(*row))
        for number, pipeline, state, root, due_at, withdrawn in found:
            may = withdrawn or root in self._work.cancelled
            self._check(number, pipeline, state, tasks[number], due_at, may_be_cancelled=may)
        return len(found) == AT_ONCE

    def _check(
        self,
        number: int,
        pipeline: str,
        state: str,
        tasks: list[Task],
        due_at: float | None,
        *,
        may_be_cancelled: bool,
    ) -> None:
        said = self._ledger.read(number)
        run = CheckedRun(f"{pipeline} {number}", SHAPES[pipeline], tasks, said)
        self.problems += run.problems()
        self.across.add(number, pipeline, due_at, said)
        if state != "succeeded" and not (may_be_cancelled and state == "cancelled"):
            self.problems.append(f"run {number} of {pipeline} {state}")
        self.checked[number] = state
        self._ledger.remove(number)
        self.counts["tasks"] += len(tasks)
        self.counts.update(f"tasks {task.state}" for task in tasks)
        self._count(said.values())

    def _count(self, tasks: Iterable[Spans]) -> None:
        for attempts in tasks:
            spans = [attempts[fence] for fence in sorted(attempts)]
            self.starts += [span.first for span in spans]
            self.counts["attempts begun"] += len(spans)
            self.counts["attempts interrupted"] += sum(span.interrupted for span in spans)
            self.counts["ended again, since the result was lost"] += max(
                0, sum(span.ended for span in spans) - 1
            )
            for one, other in itertools.pairwise(spans):
                if one.interrupted:
                    self.resumed.append(other.first - one.last)


class CheckedRun:
    """A run that has ended: its tasks, and what they said."""

    def __init__(self, name: str, shape: Shape, tasks: list[Task], said: dict[str, Spans]) -> None:
        self._name, self._shape, self._tasks, self._said = name, shape, tasks, said

    def problems(self) -> list[str]:
        found = [problem for task in self._tasks for problem in self._of_task(task)]
        return [f"{self._name}: {text}" for text in [*found, *self._limits(), *self._order()]]

    def _of_task(self, task: Task) -> list[str]:
        spans = self._said.get(task.key, {})
        found = []
        if task.state not in OVER:
            found.append(f"{task.key} is {task.state}, and its run has ended")
        if task.state == "succeeded" and not task.carried:
            booked = spans.get(task.fence)
            if booked is None or not booked.ended:
                found.append(f"{task.key} counts as done by fence {task.fence}: {spans}")
        if task.carried and spans:
            found.append(f"{task.key} was done before, and again: {spans}")
        if pairs := overlaps(spans):
            found.append(f"attempts {pairs} of {task.key} at work at the same time: {spans}")
        if any(span.starts > 1 for span in spans.values()):
            found.append(f"an attempt of {task.key} was started twice: {spans}")
        if task.step in self._shape.once and len(spans) > 1:
            found.append(f"{task.key} may be started once: {spans}")
        if task.state in {"failed", "timed_out", "skipped", "upstream_failed"} or (
            task.state == "lost" and task.step not in self._shape.once
        ):
            found.append(f"{task.key} is {task.state}")
        return found

    def _limits(self) -> list[str]:
        by_step: dict[str, list[Span]] = defaultdict(list)
        for key, attempts in self._said.items():
            by_step[key.partition("[")[0]] += attempts.values()
        allowed = dict(self._shape.limits)
        if self._shape.limit is not None:
            allowed["run"] = self._shape.limit
            by_step["run"] = [span for spans in by_step.values() for span in spans]
        return [
            f"{most} of {name} at work, and {limit} may be"
            for name, limit in allowed.items()
            if (most := most_at_once(by_step[name])) > limit
        ]

    def _order(self) -> list[str]:
        found = []
        for before, after in self._shape.order:
            ends = [
                self._said[task.key][task.fence].last
                for task in self._tasks
                if task.step == before and task.fence in self._said.get(task.key, {})
            ]
            starts = [
                span.first
                for key, attempts in self._said.items()
                if key.partition("[")[0] == after
                for span in attempts.values()
            ]
            if ends and starts and min(starts) < max(ends):
                found.append(f"{after} began before {before} had ended")
        return found
