"""One transaction on a database: runs the statements, and turns rows into values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import insert, select

from tidemill.model.rows import (
    NO_WORKER,
    AttemptRow,
    AtWork,
    DecisionRow,
    EventRow,
    ExpansionRow,
    Queue,
    RunRow,
    StageRef,
    StageRow,
    TaskRef,
    TaskRow,
)
from tidemill.ports import Hand, Lease, StaleError
from tidemill.store.alarms import Alarms
from tidemill.store.backfills import Backfills
from tidemill.store.batch import as_json, fold
from tidemill.store.columns import (
    APPROVAL,
    EXPANSION,
    STAGE_CHANGES,
    VERSION,
)
from tidemill.store.driver import Prepared
from tidemill.store.events import Events
from tidemill.store.notices import Notices
from tidemill.store.order import Order
from tidemill.store.pipelines import Pipelines
from tidemill.store.placing import Placing
from tidemill.store.purging import Purging
from tidemill.store.row_values import run_values, task_row, task_values
from tidemill.store.triggers import Triggers
from tidemill.store.workers import Workers

_TIMERS = (
    "next_timer",
    "next_ready",
    "next_schedule",
    "next_alarm",
    "next_held",
    "next_backfill",
)


class SqlTransaction(
    Order,
    Pipelines,
    Workers,
    Placing,
    Purging,
    Notices,
    Events,
    Alarms,
    Triggers,
    Backfills,
):
    """See `tidemill.ports.Transaction`."""

    @contextmanager
    def together(self) -> Iterator[None]:
        with self._driver.together() as complaints:
            yield
        if complaints:
            raise StaleError("; ".join(complaints))

    def new_runs(self, runs: Sequence[RunRow]) -> list[int]:
        rows = fold((place, *run_values(run)) for place, run in enumerate(runs))
        numbers = self._fetch("new_runs", rows=rows) if runs else []
        return sorted(number for (number,) in numbers)

    def add_definition(self, digest: str, pipeline: str, content: bytes, at: float) -> None:
        if not self.known_definitions([digest]):
            row = {"digest": digest, "pipeline": pipeline, "content": content, "created_at": at}
            self._connection.execute(self._sql.add_version, row)

    def definition(self, digest: str) -> bytes:
        found = select(VERSION.c.content).where(VERSION.c.digest == digest)
        return bytes(self._connection.execute(found).scalar_one())

    def definitions(self, digests: Iterable[str]) -> dict[str, bytes]:
        found = self._select("definitions", [(digest,) for digest in digests])
        return {digest: bytes(content) for digest, content in found}

    def known_definitions(self, digests: Iterable[str]) -> set[str]:
        found = self._select("known_definitions", [(digest,) for digest in digests])
        return {digest for (digest,) in found}

    def insert(self, stages: Sequence[StageRow], tasks: Sequence[TaskRow]) -> None:
        if stages:
            self._write("new_stages", fold(stages))
        if tasks:
            self._write("new_tasks", fold(map(task_values, tasks)))

    def expand(self, rows: Sequence[ExpansionRow], tasks: Sequence[TaskRow]) -> None:
        self._connection.execute(insert(EXPANSION), [row._asdict() for row in rows])
        self.insert([], tasks)

    def expansions(self, runs: Iterable[int]) -> list[ExpansionRow]:
        found = self._select("expansions", [(number,) for number in runs])
        return [
            ExpansionRow(run, step, first, self._read.json(items))
            for run, step, first, items in found
        ]

    def runs(self, numbers: Iterable[int]) -> list[RunRow]:
        found = self._select("runs", [(number,) for number in numbers])
        return [self._read.run(row) for row in found]

    def family(self, run: int) -> list[RunRow]:
        return [self._read.run(row) for row in self._fetch("family", run=run)]

    def child(self, run: int, key: str) -> int | None:
        found = self._connection.execute(self._sql.child, {"run": run, "key": key}).scalar()
        return None if found is None else int(found)

    def stages(self, refs: Iterable[StageRef]) -> list[StageRow]:
        return [StageRow(*row) for row in self._select("stages", refs)]

    def stages_of(self, run: int) -> list[StageRow]:
        return [StageRow(*row) for row in self._fetch("stages_of_run", run=run)]

    def tasks(self, refs: Iterable[TaskRef]) -> list[TaskRow]:
        return [self._read.task(row) for row in self._select("tasks", refs)]

    def tasks_of(self, stages: Iterable[StageRef]) -> list[TaskRow]:
        return [self._read.task(row) for row in self._select("tasks_of_stages", stages)]

    def open_tasks(self, run: int) -> list[TaskRow]:
        return [self._read.task(row) for row in self._fetch("open_tasks", run=run)]

    def all_tasks(self, run: int) -> list[TaskRow]:
        return [self._read.task(row) for row in self._fetch("all_tasks", run=run)]

    def outputs(
        self, stages: Iterable[StageRef]
    ) -> dict[StageRef, dict[TaskRef, dict[str, Any] | None]]:
        found: dict[StageRef, dict[TaskRef, dict[str, Any] | None]] = {}
        for run, step, ordinal, outputs in self._select("outputs", stages):
            stage = found.setdefault(StageRef(run, step), {})
            stage[TaskRef(run, ordinal)] = self._read.json(outputs)
        return found

    def latest_successes(self, pipeline: str, keys: Iterable[str]) -> dict[str, TaskRow]:
        values = {"rows": fold((key,) for key in keys), "pipeline": pipeline}
        rows = self._connection.execute(self._sql.latest_successes, values).mappings()
        return {row["key"]: task_row(row) for row in rows}  # the latest comes last

    def latest_expansions(self, pipeline: str, keys: Iterable[str]) -> dict[str, ExpansionRow]:
        values = {"rows": fold((key,) for key in keys), "pipeline": pipeline}
        rows = self._connection.execute(self._sql.latest_expansions, values)
        return {key: ExpansionRow(*row) for key, *row in rows}

    def due(self, now: float) -> list[TaskRow]:
        return [self._read.task(row) for row in self._fetch("due", now=now)]

    def take(
        self,
        runs: Iterable[int],
        tasks: Iterable[TaskRef] = (),
        stages: Iterable[StageRef] = (),
        tasks_of: Iterable[StageRef] = (),
    ) -> Hand:
        numbers = [(number,) for number in sorted(set(runs))]
        wanted = {"lock": numbers, "tasks": tasks, "stages": stages, "tasks_of_stages": tasks_of}
        asked = {name: list(rows) for name, rows in wanted.items()}
        asked = {name: rows for name, rows in asked.items() if rows}
        found: dict[str, list[Any]] = {name: [] for name in wanted}
        statements: list[tuple[Prepared, Mapping[str, Any]]] = [
            (self._sql.prepared(name), {"rows": fold(rows)}) for name, rows in asked.items()
        ]
        statements += self._counting()
        *rows, active, limited = self._driver.fetch_all(statements)
        found |= zip(asked, rows, strict=True)
        return Hand(
            [self._read.run(row) for row in found["lock"]],
            [self._read.task(row) for row in [*found["tasks"], *found["tasks_of_stages"]]],
            [StageRow(*row) for row in found["stages"]],
            _at_work(active, limited),
        )

    def decisions(self, run: int) -> list[DecisionRow]:
        rows = self._connection.execute(self._sql.decisions, {"run": run}).mappings()
        return [DecisionRow(**row) for row in rows]

    def decision(self, ref: TaskRef) -> DecisionRow | None:
        query = select(APPROVAL).where(APPROVAL.c.run == ref.run, APPROVAL.c.ordinal == ref.ordinal)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else DecisionRow(**row)

    def decide(self, decision: DecisionRow) -> None:
        self._connection.execute(insert(APPROVAL).values(decision._asdict()))

    def next_due(self, now: float) -> float | None:
        asked = [(self._sql.prepared(name), {"now": now}) for name in _TIMERS]
        timers = [at for rows in self._driver.fetch_all(asked) for (at,) in rows]
        return min((float(at) for at in timers if at is not None), default=None)

    def active(self) -> AtWork:
        return _at_work(*self._driver.fetch_all(self._counting()))

    def _counting(self) -> list[tuple[Prepared, Mapping[str, Any]]]:
        return [(self._sql.prepared(name), {}) for name in ("active", "limited")]

    def limited(self, runs: Iterable[int]) -> dict[StageRef, int]:
        return _by_stage(self._select("limited_in", [(number,) for number in runs]))

    def ready(
        self,
        now: float,
        limits: Mapping[Queue, int],
        full: Iterable[StageRef] = (),
        full_runs: Iterable[int] = (),
    ) -> list[TaskRow]:
        stages, runs = list(full), [(number,) for number in full_runs]
        name, beside = "ready", {}
        if stages or runs:
            name, beside = "ready_beside_full", {"full": fold(stages), "full_runs": fold(runs)}
        statement = self._sql.prepared(name)
        found = self._driver.fetch_all(
            [
                (statement, {"now": now, "limit": limit, "pool": pool, "lane": lane, **beside})
                for (pool, lane), limit in limits.items()
            ]
        )
        return [self._read.task(row) for rows in found for row in rows]

    def save_runs(self, changes: Sequence[tuple[RunRow, RunRow]]) -> None:
        rows = [
            (
                after.number,
                before.state.value,
                after.state.value,
                after.started_at,
                after.ended_at,
                after.open,
                after.failed,
                after.detail,
                after.size,
                after.deadline_at,
                after.raised,
            )
            for before, after in changes
        ]
        self._update("save_runs", rows)

    def save_stages(self, rows: Sequence[StageRow]) -> None:
        values = [
            (row.run, row.step, *(getattr(row, name) for name in STAGE_CHANGES)) for row in rows
        ]
        self._update("save_stages", values)

    def save_tasks(self, changes: Sequence[tuple[TaskRow, TaskRow]]) -> None:
        rows = [
            (
                after.run,
                after.ordinal,
                before.state.value,
                before.fence,
                after.state.value,
                after.run_at,
                after.fence,
                after.attempt,
                after.started_at,
                after.ended_at,
                after.exit_code,
                after.detail,
                as_json(after.outputs),
                after.cached_from,
                after.child,
                after.worker,
                after.epoch,
                after.ready_at,
                after.place,
                after.lane,
                after.target,
                after.priority,
            )
            for before, after in changes
        ]
        self._update("save_tasks", rows)

    def renew(self, leases: Sequence[Lease], until: float) -> None:
        rows = fold((ref.run, ref.ordinal, fence, worker) for ref, fence, worker in leases)
        self._driver.write(self._sql.prepared("renew"), {"rows": rows, "until": until})

    def save_attempts(self, rows: Sequence[AttemptRow]) -> None:
        latest = {(row.run, row.ordinal, row.fence): row for row in rows}
        values = fold(row._replace(cache=as_json(row.cache)) for row in latest.values())  # type: ignore[arg-type]
        self._write("save_attempts", values)

    def record(self, events: Sequence[EventRow]) -> None:
        values = fold((*row[:-1], as_json(row.data)) for row in events)
        self._write("record", values)


def _at_work(active: Iterable[Sequence[Any]], limited: Iterable[Sequence[Any]]) -> AtWork:
    queues = {Queue(pool, lane): count for pool, lane, count in active if pool != NO_WORKER}
    return AtWork(queues, _by_stage(limited))


def _by_stage(limited: Iterable[Sequence[Any]]) -> dict[StageRef, int]:
    return {StageRef(run, step): count for run, step, count in limited}
