"""Where in a run, and in those below it, a task is."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.engine.plans import Plans
from tidemill.model.plan import Plan, PlannedStep
from tidemill.model.rows import RunRow, TaskRow
from tidemill.store.sql import SqlStore
from tidemill.testing.harness.script import Path, Task


class Paths:
    """Reads what it needs of the database, and keeps it."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._plans = Plans()
        self._runs: dict[int, RunRow] = {}
        self._steps: dict[int, dict[str, PlannedStep]] = {}

    def plan(self, run: int) -> Plan:
        return self._plans.of(run)

    def step(self, run: int, key: str) -> PlannedStep:
        """The step of which this is a task."""
        if key not in self._steps.get(run, {}):
            self._read(run)
        return self._steps[run][key]

    def of(self, run: int, key: str) -> Path:
        here = Task(key, self.step(run, key).step.name)
        row = self._runs[run]
        if row.parent is None or row.parent_task is None:
            return (here,)
        if row.parent not in self._runs:
            self._read(row.parent)
        above = self.plan(row.parent).instance(row.parent_task).key
        return (*self.of(row.parent, above), here)

    def tasks(self, run: int) -> Iterator[tuple[TaskRow, Path]]:
        """All tasks of a run and of those below it, none before one that it needs; what is
        below a task comes behind it."""
        self._read(run)
        place = {step.index: place for place, step in enumerate(self.plan(run).topological())}
        rows = self._store.transact_now(lambda tx: tx.all_tasks(run))
        for row in sorted(rows, key=lambda row: (place[row.step], row.ordinal)):
            yield row, self.of(run, row.key)
            if row.child is not None:
                yield from self.tasks(row.child)

    def _read(self, run: int) -> None:
        """Anew: a fan-out may have got its tasks since."""
        (row,) = self._store.transact_now(lambda tx: tx.runs([run]))
        self._store.transact_now(lambda tx: self._plans.refresh(tx, [row]))
        self._runs[run] = row
        self._steps[run] = {
            instance.key: step for step in self.plan(run).steps for instance in step.rows
        }
