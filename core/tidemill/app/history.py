"""The past of a project: its runs, their tasks and logs. Reads, and never writes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from tidemill.app.fleet import nobody, past
from tidemill.app.logs import log_path
from tidemill.app.ownership import is_owned
from tidemill.app.pools import pools
from tidemill.app.present import cache_view, run_view, task_views, within
from tidemill.app.waiting import Waiting
from tidemill.clock import SystemClock
from tidemill.engine.plans import plan_of
from tidemill.engine.scheduler import LEASE
from tidemill.errors import UsageError
from tidemill.model.plan import Plan
from tidemill.model.rows import (
    BackfillRow,
    CordonRow,
    LateRow,
    PipelineRow,
    RunRow,
    ScheduleRow,
    TaskRef,
    TaskRow,
    WorkerRow,
)
from tidemill.model.views import CacheView, RunView, TaskView
from tidemill.project import Project
from tidemill.store.database import NoSchemaError
from tidemill.store.history import SqlHistory


class History:
    """A project without a database, or with an empty one, has an empty past."""

    def __init__(
        self, project: Project, tell: Callable[[str], None] = nobody, *, replica: bool = True
    ) -> None:
        """`tell` is told what a person should know of where this comes from. Who is going
        to write looks at what he writes to, not at a `replica`."""
        self._project = project
        self._plans: dict[int, Plan] = {}
        self._rows: dict[int, dict[str, TaskRow]] = {}
        self._sql: SqlHistory | None = None
        with contextlib.suppress(NoSchemaError):
            self._sql = past(project, tell, replica=replica)

    def runs(self, limit: int = 20, pipeline: str | None = None) -> list[RunView]:
        """The latest runs, the newest first."""
        rows = self._sql.runs(limit, pipeline) if self._sql else []
        late = self._late([row.number for row in rows])
        return [self._view(row, late[row.number]) for row in rows]

    def _late(self, numbers: list[int]) -> Mapping[int, list[LateRow]]:
        """What happened to their deadlines, by run."""
        found: dict[int, list[LateRow]] = {number: [] for number in numbers}
        for row in self._sql.late(numbers) if self._sql and numbers else []:
            found[row.run].append(row)
        return found

    def latest(self) -> int | None:
        """The latest run that is not part of another one."""
        runs = self._sql.runs(1, above_all=True) if self._sql else []
        return runs[0].number if runs else None

    def run(self, number: int) -> RunView:
        """Raises:
        UsageError: there is no such run.
        """
        return self._view(self.row(number), self._late([number])[number])

    def row(self, number: int) -> RunRow:
        """Raises:
        UsageError: there is no such run.
        """
        row = self._sql.run(number) if self._sql else None
        if row is None:
            latest = self.latest()
            known = f"the latest is {latest}" if latest else "there are no runs yet"
            raise UsageError(f"there is no run {number}", f"{known}; `tidemill runs` lists them")
        return row

    def plan(self, run: RunRow) -> Plan:
        known = self._plans.get(run.number)
        if (known is None or known.size != run.size) and self._sql is not None:
            content = self._sql.definition(run.digest)
            if content is None:
                raise UsageError(f"run {run.number} has just been purged")
            self._plans[run.number] = plan_of(run, content, self._sql.expansions(run.number))
        return self._plans[run.number]

    def tasks(self, number: int) -> list[TaskView]:
        """In an order in which no task stands before one it needs; behind one that runs
        a pipeline the tasks of that run, named by their way: `checks[core]/lint`."""
        rows = self._rows[number] = {}
        return list(self._views(self.row(number), "", rows))

    def _views(self, run: RunRow, path: str, seen: dict[str, TaskRow]) -> Iterator[TaskView]:
        rows = {row.key: row for row in (self._sql.tasks(run.number) if self._sql else [])}
        for view in task_views(rows.values(), self.plan(run)):
            row = seen[path + view.key] = rows[view.key]
            yield within(path, view) if path else view
            if row.child is not None:
                yield from self._views(self.row(row.child), f"{path}{row.key}/", seen)

    def cache(self, number: int, key: str) -> CacheView | None:
        """What the last attempt of a task found in the cache; None if it did not look."""
        if self._sql is None:
            return None
        task = self._row(number, key)
        attempts = self._sql.attempts(task.ref) if task is not None else []
        if task is None or not attempts or attempts[-1].cache is None:
            return None
        pipeline = self.row(task.run).pipeline
        earlier = self._sql.earlier_lookup(pipeline, task, attempts[-1].fence)
        return cache_view(attempts[-1], earlier)

    def waits(self, number: int, key: str) -> str:
        """What a task that may run waits for; empty where that cannot be told."""
        task = self._row(number, key)
        if task is None or self._sql is None:
            return ""
        run = self.row(task.run)
        waiting = Waiting(self._sql, pools(self._project), LEASE)
        return waiting.why(run, self.plan(run), task, SystemClock().now())

    def log(self, number: int, key: str, attempt: int | None = None) -> Path | None:
        """The log file of a task's attempt, the latest by default; it does not exist if
        the attempt wrote nothing. None if the task never started. Of a result that was
        taken over, the log of the run that it is of, unless that was purged."""
        task = self._row(number, key)
        while task is not None and task.carried_from is not None:
            if not self._is_there(task.carried_from):
                return None
            task = self._row(task.carried_from, task.key)
        attempt = attempt or (0 if task is None else task.attempt)
        if task is None or not attempt:
            return None
        folder = self._project.run_folder(task.run) / "logs"
        return log_path(folder, task.ordinal, task.key, attempt)

    def _row(self, number: int, key: str) -> TaskRow | None:
        """A task as it was when the tasks of this run were last looked at: whoever reads
        the logs of all of them asks once for each."""
        if number not in self._rows:
            self.tasks(number)
        return self._rows[number].get(key)

    def _is_there(self, number: int) -> bool:
        return self._sql is not None and self._sql.run(number) is not None

    def close(self) -> None:
        if self._sql is not None:
            self._sql.close()

    def _view(self, row: RunRow, late: Iterable[LateRow]) -> RunView:
        owned = row.state.ended or row.pooled or is_owned(self._project.run_folder(row.family))
        return run_view(row, interrupted=not owned, late=late)

    def workers(self) -> list[tuple[WorkerRow, list[TaskRow]]]:
        """The workers that were heard of lately, with what they hold, and what was placed on
        them and has not begun."""
        return self._sql.workers() if self._sql else []

    def cordons(self) -> list[CordonRow]:
        return self._sql.cordons() if self._sql else []

    def pipelines(self) -> list[PipelineRow]:
        """Those that were applied, by name."""
        return self._sql.pipelines() if self._sql else []

    def schedules(self, pipeline: str | None = None) -> list[ScheduleRow]:
        """The schedules of a pipeline that was applied, or of all.

        Raises:
            UsageError: there is no such pipeline.
        """
        if pipeline is not None:
            known = [row.name for row in self._sql.pipelines()] if self._sql else []
            if pipeline not in known:
                from tidemill.app.applying import no_pipeline

                raise no_pipeline(pipeline, known)
        return self._sql.schedules(pipeline) if self._sql else []

    def backfills(self) -> list[BackfillRow]:
        return self._sql.backfills() if self._sql else []

    def refs(self, number: int, step: str | None) -> dict[TaskRef, str]:
        """The tasks of a run and those below it that a step's name or a key stands for:
        how they are called."""
        views = self.tasks(number)
        rows = self._rows[number]
        return {
            rows[view.key].ref: view.key for view in views if step in (None, view.key, view.step)
        }
