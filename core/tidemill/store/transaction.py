"""One transaction on a database: runs the statements, and turns rows into values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from tidemill.model.rows import (
    AttemptRow,
    DecisionRow,
    EventRow,
    ExpansionRow,
    PipelineRow,
    RunRow,
    ScheduleRow,
    StageRef,
    StageRow,
    TaskRef,
    TaskRow,
    WorkerRow,
)
from tidemill.model.states import RunState, TaskState
from tidemill.ports import Hand, Lease, StaleError
from tidemill.store.batch import as_json, fold, from_json
from tidemill.store.driver import Driver, Prepared
from tidemill.store.events import Events
from tidemill.store.notices import Notices
from tidemill.store.purging import Purging
from tidemill.store.statements import (
    APPROVAL,
    EXPANSION,
    PIPELINE,
    RUN,
    SCHEDULE,
    SIGNAL,
    STAGE,
    STAGE_CHANGES,
    TASK,
    VERSION,
    WORKER,
    Statements,
)

_TASK_STATES = {state.value: state for state in TaskState}


class SqlTransaction(Purging, Notices, Events):
    """See `tidemill.ports.Transaction`."""

    def __init__(self, connection: Connection, statements: Statements) -> None:
        self._connection = connection
        self._sql = statements
        self._driver = Driver(connection)
        self._read = Rows(connection.dialect.name)

    @contextmanager
    def together(self) -> Iterator[None]:
        with self._driver.together() as complaints:
            yield
        if complaints:
            raise StaleError("; ".join(complaints))

    def new_run(self, run: RunRow) -> int:
        values = {
            "digest": run.digest,
            "pipeline": run.pipeline,
            "file": run.file,
            "state": run.state.value,
            "created_at": run.created_at,
            "params": dict(run.params),
            "open": run.open,
            "failed": run.failed,
            "retry_of": run.retry_of,
            "origin": run.origin,
            "excluded": list(run.excluded),
            "fresh": run.fresh,
            "detail": run.detail,
            "size": run.size,
            "picked": list(run.picked),
            "parent": run.parent,
            "parent_task": run.parent_task,
            "root": run.root,
            "schedule": run.schedule,
            "due_at": run.due_at,
            "queued": run.queued,
            "pooled": run.pooled,
            "told": run.told,
        }
        result: Any = self._connection.execute(insert(RUN).values(values))
        return int(result.inserted_primary_key[0])

    def add_definition(self, digest: str, pipeline: str, content: bytes, at: float) -> None:
        known = select(VERSION.c.digest).where(VERSION.c.digest == digest)
        known = known.with_for_update(read=True, key_share=True)  # nobody may drop it now
        if self._connection.execute(known).first() is None:
            row = {"digest": digest, "pipeline": pipeline, "content": content, "created_at": at}
            self._connection.execute(self._sql.add_version, row)

    def definition(self, digest: str) -> bytes:
        found = select(VERSION.c.content).where(VERSION.c.digest == digest)
        return bytes(self._connection.execute(found).scalar_one())

    def insert(self, stages: Sequence[StageRow], tasks: Sequence[TaskRow]) -> None:
        if stages:
            self._connection.execute(insert(STAGE), [stage._asdict() for stage in stages])
        if tasks:
            self._connection.execute(insert(TASK), [_task_values(task) for task in tasks])

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
        statements.append((self._sql.prepared("active"), {}))
        *rows, active = self._driver.fetch_all(statements)
        found |= zip(asked, rows, strict=True)
        return Hand(
            [self._read.run(row) for row in found["lock"]],
            [self._read.task(row) for row in [*found["tasks"], *found["tasks_of_stages"]]],
            [StageRow(*row) for row in found["stages"]],
            _counts(active),
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
        timers = [
            *self._fetch("next_timer"),
            *self._fetch("next_ready", now=now),
            *self._fetch("next_schedule"),
        ]
        return min((float(at) for (at,) in timers if at is not None), default=None)

    def active(self, runs: Iterable[int] | None = None) -> dict[StageRef, int]:
        if runs is None:
            found = self._fetch("active")
        else:
            found = self._select("active_in", [(number,) for number in runs])
        return _counts(found)

    def ready(
        self,
        now: float,
        limits: Mapping[str, int],
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
                (statement, {"now": now, "limit": limit, "pool": pool, **beside})
                for pool, limit in limits.items()
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

    # what workers say

    def standing(
        self, claims: Iterable[tuple[TaskRef, int]]
    ) -> dict[tuple[TaskRef, int], tuple[TaskState, RunState]]:
        rows = fold((ref.run, ref.ordinal, fence) for ref, fence in claims)
        found = self._connection.execute(self._sql.standing, {"rows": rows})
        return {
            (TaskRef(run, ordinal), fence): (TaskState(state), RunState(run_state))
            for run, ordinal, fence, state, run_state in found
        }

    def save_workers(self, rows: Sequence[WorkerRow]) -> None:
        latest = {row.name: row for row in rows}
        self._write(
            "save_workers",
            fold(row._replace(labels=as_json(dict(row.labels))) for row in latest.values()),  # type: ignore[arg-type]
        )

    def workers(self) -> list[WorkerRow]:
        rows = self._connection.execute(select(WORKER).order_by(WORKER.c.name)).mappings()
        return [WorkerRow(**row) for row in rows]

    def forget_workers(self, heard_before: float) -> None:
        self._connection.execute(delete(WORKER).where(WORKER.c.heard_at < heard_before))

    # signals

    def signal(self, run: int, *, cancel: bool = False) -> None:
        self._connection.execute(insert(SIGNAL).values(run=run, cancel=cancel))

    def take_signals(self, limit: int) -> dict[int, bool]:
        found = self._connection.execute(self._sql.take_signals, {"limit": limit})
        signals: dict[int, bool] = {}
        for run, cancel in found:
            signals[run] = signals.get(run, False) or bool(cancel)
        return signals

    # pipelines and their schedules

    def pipeline(self, name: str) -> PipelineRow | None:
        found = select(PIPELINE).where(PIPELINE.c.name == name)
        row = self._connection.execute(found).mappings().first()
        return None if row is None else PipelineRow(**row)

    def pipelines(self) -> list[PipelineRow]:
        rows = self._connection.execute(select(PIPELINE).order_by(PIPELINE.c.name)).mappings()
        return [PipelineRow(**row) for row in rows]

    def save_pipeline(self, row: PipelineRow) -> None:
        self._connection.execute(self._sql.save_pipeline, row._asdict())

    def schedules_of(self, pipeline: str) -> list[ScheduleRow]:
        found = select(SCHEDULE).where(SCHEDULE.c.pipeline == pipeline).order_by(SCHEDULE.c.number)
        return [ScheduleRow(**row) for row in self._connection.execute(found).mappings()]

    def add_schedule(self, row: ScheduleRow) -> None:
        values = {**row._asdict(), "spec": dict(row.spec)}
        del values["number"]  # the database gives it
        self._connection.execute(insert(SCHEDULE).values(values))

    def save_schedule(self, row: ScheduleRow) -> None:
        changed = update(SCHEDULE).where(SCHEDULE.c.number == row.number)
        self._connection.execute(changed.values(spec=dict(row.spec), next_due=row.next_due))

    def drop_schedule(self, number: int) -> None:
        self._connection.execute(delete(SCHEDULE).where(SCHEDULE.c.number == number))

    def due_schedules(self, now: float, limit: int) -> list[ScheduleRow]:
        values = {"now": now, "limit": limit}
        rows = self._connection.execute(self._sql.due_schedules, values).mappings()
        return [ScheduleRow(**row) for row in rows]

    def open_runs_of(self, schedule: int) -> list[int]:
        return [
            number
            for (number,) in self._connection.execute(
                self._sql.open_runs_of, {"schedule": schedule}
            )
        ]

    def is_fired(self, schedule: int, due_at: float) -> bool:
        values = {"schedule": schedule, "due_at": due_at}
        return self._connection.execute(self._sql.fired, values).first() is not None

    def _fetch(self, name: str, **values: Any) -> list[Any]:
        return self._driver.fetch(self._sql.prepared(name), values)

    def _select(self, name: str, rows: Iterable[Sequence[Any]]) -> list[Any]:
        return self._fetch(name, rows=fold(rows))

    def _update(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        prepared = self._sql.prepared(name)
        complaints = self._driver.write(prepared, {"rows": fold(rows)}, (name, len(rows)))
        if complaints:
            raise StaleError("; ".join(complaints))

    def _write(self, name: str, rows: str) -> None:
        self._driver.write(self._sql.prepared(name), {"rows": rows})


class Rows:
    """Rows as the driver gives them, as values: columns stand in the order of the fields."""

    def __init__(self, dialect: str) -> None:
        # PostgreSQL's driver has read what is JSON already.
        self.json: Callable[[Any], Any] = from_json if dialect == "sqlite" else _as_it_is

    def run(self, row: Sequence[Any]) -> RunRow:
        found = RunRow(*row)
        return found._replace(
            state=RunState(found.state),
            params=self.json(found.params),
            excluded=tuple(self.json(found.excluded)),
            picked=tuple(self.json(found.picked)),
            fresh=bool(found.fresh),
            queued=bool(found.queued),
            pooled=bool(found.pooled),
            told=bool(found.told),
        )

    def task(self, row: Sequence[Any]) -> TaskRow:
        values = list(row)
        values[_STATE] = _TASK_STATES[values[_STATE]]
        if values[_OUTPUTS] is not None:
            values[_OUTPUTS] = self.json(values[_OUTPUTS])
        return TaskRow(*values)


_STATE, _OUTPUTS = TaskRow._fields.index("state"), TaskRow._fields.index("outputs")


def _counts(rows: Iterable[Sequence[Any]]) -> dict[StageRef, int]:
    return {StageRef(run, step): count for run, step, count in rows}


def _as_it_is(value: Any) -> Any:
    return value


def run_row(row: Any) -> RunRow:
    values = dict(row)
    values["state"] = RunState(values["state"])
    values["excluded"] = tuple(values["excluded"])
    values["picked"] = tuple(values["picked"])
    return RunRow(**values)


def task_row(row: Any) -> TaskRow:
    values = dict(row)
    values["state"] = _TASK_STATES[values["state"]]
    return TaskRow(**values)


def _task_values(task: TaskRow) -> dict[str, Any]:
    values = task._asdict()
    values["state"] = task.state.value
    return values
