"""A run on this machine: scheduler, broker and worker in one process.

The parts are the fleet's; only the adapters are small. The run's lock is held from its
making to its end, so that nobody else takes it for interrupted.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidemill.app.executors import InstalledExecutors
from tidemill.app.logs import FileLogs
from tidemill.app.ownership import Owner
from tidemill.app.policies import policies_of
from tidemill.app.present import late_view, run_view, task_view, task_views, within
from tidemill.app.purging import tidy
from tidemill.app.secrets import installed_secrets
from tidemill.artifacts.folder import FolderArtifacts
from tidemill.artifacts.results import FolderResults
from tidemill.broker.in_process import InProcessBroker
from tidemill.clock import SystemClock
from tidemill.engine.scheduler import LEASE, Scheduler
from tidemill.engine.takeover import ask_to_cancel
from tidemill.model.messages import Nudge, Output
from tidemill.model.plan import Plan
from tidemill.model.rows import LateRow, RunRow, TaskRow
from tidemill.model.views import Observer, RunView, TaskView
from tidemill.project import Project
from tidemill.store.sql import SqlStore
from tidemill.worker.worker import Worker

if TYPE_CHECKING:
    from tidemill.engine.delivery import Delivery

TELL_SECONDS = 30.0
"""How long a run that has ended waits until people have been told of it."""


@dataclass(slots=True)
class LocalRun:
    """One run, stored and not yet driven."""

    project: Project
    store: SqlStore
    clock: SystemClock
    owner: Owner
    row: RunRow
    plan: Plan
    slots: int
    untold: list[str] = field(default_factory=list)
    """Once it has ended: notices that could not be delivered, and why, a line each."""
    _cancels: int = 0
    _parts: _Parts | None = None
    _cancelling: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def view(self) -> RunView:
        return run_view(self.row)

    async def drive(self, observer: Observer) -> RunView:
        """Runs it to its end.

        Raises:
            TidemillError: the machine failed (disk, database); what was at work has been
                stopped, and `tidemill retry` goes on from there.
        """
        gc.freeze()  # what was imported stays: nothing of it is worth looking through again
        parts = self._parts = _Parts(self, observer)
        try:
            try:
                await self._work(parts)
            finally:
                await parts.close()
                self.owner.release()
            await tidy(self.project, self.store, self.clock)
        finally:
            await self.store.close()
        return self.view

    async def _work(self, parts: _Parts) -> None:
        if self.row.state.ended:  # a run taken over of which nothing may be repeated
            await parts.show()
        else:
            self.owner.listen(self._rung)
            await parts.work(self._cancels)

    def cancel(self) -> None:
        """The first call cancels cleanly, a second one at once."""
        self._cancels += 1
        if self._parts is not None:
            if self._cancels > 1:
                self._parts.scheduler.work.grace = 0
            task = asyncio.get_running_loop().create_task(self._cancel())
            self._cancelling.add(task)
            task.add_done_callback(self._cancelling.discard)

    async def _cancel(self) -> None:
        number, now = self.row.number, self.clock.now()
        await self.store.transact(lambda tx: ask_to_cancel(tx, number, now))
        self._rung()

    def _rung(self) -> None:
        """The database says something new about this run."""
        if self._parts is not None:
            self._parts.nudge()


class _Parts:
    """Everything that a run needs while it is driven, put together."""

    def __init__(self, run: LocalRun, observer: Observer) -> None:
        folder = run.project.run_folder(run.row.number)
        self._run = run
        self._observer = observer
        self._logs = FileLogs(lambda number: run.project.run_folder(number) / "logs")
        self._paths = {run.row.number: ""}
        self._executors = InstalledExecutors(folder / "scratch")
        self._secrets = installed_secrets(run.project.root)
        self.broker = InProcessBroker(run.clock, self._output)
        self.scheduler = Scheduler(
            run.store,
            self.broker,
            run.clock,
            self,
            run=run.row.number,
            lease=LEASE,
            policy=policies_of(self._executors.plugins),
        )
        self._worker = Worker(
            f"local-{os.getpid()}",
            self.broker,
            run.clock,
            self._executors,
            FolderArtifacts(run.project.artifacts),
            self._secrets,
            FolderResults(run.project.results),
            run.project.root,
            slots=run.slots,
            lease=LEASE,
        )
        self._delivery: Delivery | None = None
        self._executors.warm(step.executor.kind for step in run.plan.definition.steps)
        self._nudges: set[asyncio.Task[None]] = set()

    async def show(self) -> None:
        """How things stand, to whoever watches."""
        number, store = self._run.row.number, self._run.store
        tasks = await store.transact(lambda tx: tx.all_tasks(number))
        self._observer.run_changed(self._run.view)
        self._observer.tasks_changed(task_views(tasks, self._run.plan))
        _, *below = await store.transact(lambda tx: tx.family(number))
        if below:
            plans = self.scheduler.work.plans
            await store.transact(lambda tx: plans.load(tx, {number, *(r.number for r in below)}))
            for run in below:
                await self._show_below(run)

    async def _show_below(self, run: RunRow) -> None:
        """A run below this one that was begun before its process died."""
        tasks = await self._run.store.transact(lambda tx: tx.all_tasks(run.number))
        path, plan = self._path(run), self.scheduler.work.plans.of(run.number)
        self._observer.tasks_changed([within(path, view) for view in task_views(tasks, plan)])

    async def work(self, cancels: int) -> None:
        """Until the run has ended, or a part has failed."""
        await self.show()
        if cancels:
            self._run.cancel()
        if not self._run.row.told:
            await self._drive()
            return
        from tidemill.app.notifying import delivering  # only where somebody is to be told

        family = self._run.row.number
        async with delivering(
            self._run.project.root, self._run.store, self._run.clock, family
        ) as self._delivery:
            await self._drive()
            left = await self._delivery.settled(TELL_SECONDS)
        blocks = self._run.plan.definition.notifications
        for row in left:
            kind = blocks[row.block].kind if row.run == family else "of a run below"
            why = row.error or "there was no answer in time"
            self._run.untold.append(f"notify {kind} could not tell of {row.event}: {why}")

    async def _drive(self) -> None:
        working = asyncio.create_task(self._worker.run())
        driving = asyncio.create_task(self.scheduler.drive())
        try:
            await asyncio.wait({working, driving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for part in (driving, working):
                part.cancel()
            ended = await asyncio.gather(driving, working, return_exceptions=True)
        _raise_first(ended)

    async def close(self) -> None:
        await self._executors.close()
        await self._secrets.close()
        await self.broker.close()
        self._logs.close()

    def nudge(self) -> None:
        nudge = self.broker.report(Nudge(self._run.row.number))
        task = asyncio.get_running_loop().create_task(nudge)
        self._nudges.add(task)
        task.add_done_callback(self._nudges.discard)

    def changed(self, runs: Sequence[RunRow], tasks: Sequence[TaskRow]) -> None:
        """What a committed transaction changed, for those who watch."""
        for task in tasks:
            if task.state.ended:
                self._logs.end(task.ref)
        for run in runs:
            self._path(run)
        if tasks:
            self._observer.tasks_changed([self._view(task) for task in tasks])
        for run in runs:
            if run.number != self._run.row.number:
                continue
            before, self._run.row = self._run.row, run
            if run.state is not before.state:
                self._observer.run_changed(run_view(run))

    def told(self) -> None:
        if self._delivery is not None:
            self._delivery.wake()

    def late(self, found: Sequence[LateRow]) -> None:
        """What became of deadlines, for those who watch."""
        for row in found:
            if row.run == self._run.row.number:
                self._observer.late(late_view(row))

    def _view(self, task: TaskRow) -> TaskView:
        view = task_view(task, self.scheduler.work.plans.of(task.run))
        path = self._paths[task.run]
        return within(path, view) if path else view

    def _path(self, run: RunRow) -> str:
        """The tasks above those of this run, as `checks[core]/`."""
        if run.number not in self._paths and run.parent is not None:
            above = self.scheduler.work.plans.of(run.parent).instance(run.parent_task or 0)
            self._paths[run.number] = f"{self._paths[run.parent]}{above.key}/"
        return self._paths[run.number]

    def _output(self, output: Output) -> None:
        self._logs.write(output)
        key = self._paths[output.run] + output.key
        for line in output.text.removesuffix("\n").split("\n"):
            self._observer.output(key, output.attempt, line)


def _raise_first(ended: Sequence[object]) -> None:
    for result in ended:
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            while isinstance(result, BaseExceptionGroup) and len(result.exceptions) == 1:
                result = result.exceptions[0]
            raise result
