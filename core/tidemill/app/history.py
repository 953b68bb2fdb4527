"""The past of a project: its runs, their tasks and logs. Reads, and never writes."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tidemill.app.logs import log_path
from tidemill.app.ownership import is_owned
from tidemill.app.present import cache_view, run_view, task_views
from tidemill.engine.plans import plan_of
from tidemill.errors import UsageError
from tidemill.model.plan import Plan
from tidemill.model.rows import RunRow
from tidemill.model.views import CacheView, RunView, TaskView
from tidemill.project import Project
from tidemill.store.database import NoSchemaError, open_sqlite_readonly
from tidemill.store.history import SqlHistory


class History:
    """A project without a database, or with an empty one, has an empty past."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._plans: dict[int, Plan] = {}
        self._ordinals: dict[int, dict[str, int]] = {}
        self._sql: SqlHistory | None = None
        if project.database.exists():
            with contextlib.suppress(NoSchemaError):
                self._sql = SqlHistory(open_sqlite_readonly(project.database))

    def runs(self, limit: int = 20, pipeline: str | None = None) -> list[RunView]:
        """The latest runs, the newest first."""
        rows = self._sql.runs(limit, pipeline) if self._sql else []
        return [self._view(row) for row in rows]

    def latest(self) -> int | None:
        runs = self.runs(1)
        return runs[0].number if runs else None

    def run(self, number: int) -> RunView:
        """Raises:
        UsageError: there is no such run.
        """
        return self._view(self.row(number))

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
            self._plans[run.number] = plan_of(run, content, self._sql.expansions(run.number))
        return self._plans[run.number]

    def tasks(self, number: int) -> list[TaskView]:
        """In an order in which no task stands before one it needs."""
        run = self.row(number)
        rows = self._sql.tasks(number) if self._sql else []
        return task_views(rows, self.plan(run))

    def cache(self, number: int, key: str) -> CacheView | None:
        """What the last attempt of a task found in the cache; None if it did not look."""
        if self._sql is None:
            return None
        run = self.row(number)
        task = next((row for row in self._sql.tasks(number) if row.key == key), None)
        attempts = self._sql.attempts(task.ref) if task is not None else []
        if task is None or not attempts or attempts[-1].cache is None:
            return None
        earlier = self._sql.earlier_lookup(run.pipeline, task, attempts[-1].fence)
        return cache_view(attempts[-1], earlier)

    def log(self, number: int, key: str, attempt: int | None = None) -> Path | None:
        """The log file of a task's attempt, the latest by default; it does not exist if
        the attempt wrote nothing. None if the task never started."""
        self.row(number)
        if attempt is None:
            rows = self._sql.tasks(number) if self._sql else []
            attempt = next((row.attempt for row in rows if row.key == key), 0)
        ordinal = self._ordinals_of(number).get(key)
        if ordinal is None or not attempt:
            return None
        folder = self._project.run_folder(number) / "logs"
        return log_path(folder, ordinal, key, attempt)

    def _ordinals_of(self, number: int) -> dict[str, int]:
        """Where the tasks of a run stand in its plan, which never changes: whoever reads
        the logs of all tasks asks once for each of them."""
        if number not in self._ordinals:
            rows = self._sql.tasks(number) if self._sql else []
            self._ordinals[number] = {row.key: row.ordinal for row in rows}
        return self._ordinals[number]

    def close(self) -> None:
        if self._sql is not None:
            self._sql.close()

    def _view(self, row: RunRow) -> RunView:
        owned = row.state.ended or is_owned(self._project.run_folder(row.family))
        return run_view(row, interrupted=not owned)
