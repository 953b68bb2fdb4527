"""Loads out of the history of a database: its runs with their graphs, when they came, and how
long each of their tasks took; and what its scheduler knows of that."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from order.graphs import Graph
from order.loads import Arrival
from tidelang.definition import Approval, Subrun
from tidemill.engine.durations import expected
from tidemill.engine.plans import plan_of
from tidemill.errors import UsageError
from tidemill.model.messages import PRIORITIES
from tidemill.model.plan import Plan
from tidemill.model.rows import RunRow, TaskRow
from tidemill.ports import Transaction
from tidemill.store.database import open_postgres, open_sqlite_readonly
from tidemill.store.history import SqlHistory
from tidemill.store.sql import SqlStore

MOST = 1_000_000
"""Runs that are read, at most."""


class Stored(NamedTuple):
    """`means` is what the scheduler expects, by pipeline and step; `slots` what its workers
    have, as far as any were heard lately."""

    arrivals: list[Arrival]
    means: dict[str, dict[str, float]]
    slots: int

    def known(self, graph: Graph) -> dict[str, float]:
        return self.means[graph.pipeline]


def read(database: str, times: float = 1.0) -> Stored:
    """The history of a `.tidemill/tidemill.db`, or of a `postgresql://` URL. Its runs come
    `times` as fast as they did.

    Raises:
        TidemillError: it cannot be read, or no run has ended in it.
    """
    is_url = database.startswith(("postgres://", "postgresql://"))
    if not is_url and not Path(database).is_file():
        raise UsageError(f"{database} is no file", "a project's is .tidemill/tidemill.db")
    engine = (
        open_postgres(database, readonly=True) if is_url else open_sqlite_readonly(Path(database))
    )
    history = SqlHistory(engine)
    ended = [run for run in reversed(history.runs(MOST)) if run.ended_at is not None]
    if not ended:
        raise UsageError(f"{database}: no run has ended in it")
    arrivals = [_arrival(history, run, ended[0].created_at, times) for run in ended]
    means = SqlStore(engine).transact_now(lambda tx: _means(tx, {run.pipeline for run in ended}))
    slots = sum(worker.slots for worker, _ in history.workers())
    return Stored(sorted(arrivals, key=lambda arrival: arrival.at), means, slots)


def _means(tx: Transaction, pipelines: Iterable[str]) -> dict[str, dict[str, float]]:
    return {name: dict(expected(tx, name)) for name in pipelines}


def _arrival(history: SqlHistory, run: RunRow, first: float, times: float) -> Arrival:
    content = history.definition(run.digest)
    if content is None:
        raise UsageError(f"run {run.number} was purged while it was read")
    plan = plan_of(run, content, history.expansions(run.number))
    took = _took(plan, history.tasks(run.number))
    at = (run.created_at - first) / times
    due = None if run.deadline_at is None else at + run.deadline_at - run.created_at
    return Arrival(at, _graph(run, plan, took), deadline=due, took=took)


def _took(plan: Plan, tasks: Iterable[TaskRow]) -> tuple[float, ...]:
    """The seconds of the last attempt of each task; none of what did not run."""
    seconds = [0.0] * plan.size
    for task in tasks:
        if task.started_at is not None and task.ended_at is not None:
            seconds[task.ordinal] = max(task.ended_at - task.started_at, 0.0)
    return tuple(seconds)


def _graph(run: RunRow, plan: Plan, took: tuple[float, ...]) -> Graph:
    usual = []
    for step in plan.steps:
        found = [took[instance.ordinal] for instance in step.counted]
        usual.append(sum(found) / len(found) if found else 0.0)
    aside = (s.index for s in plan.steps if isinstance(s.step.action, Approval | Subrun))
    ranks = (max(PRIORITIES.index(s.step.priority) - run.raised, 0) for s in plan.steps)
    return Graph(
        f"{run.pipeline} #{run.number}", plan, tuple(usual), frozenset(aside), tuple(ranks)
    )
