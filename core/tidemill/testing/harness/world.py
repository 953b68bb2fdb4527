"""The engine around a run under test: put together, driven to the run's end, looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tidelang.definition import Approval
from tidemill.artifacts.folder import FolderArtifacts
from tidemill.artifacts.results import FolderResults
from tidemill.broker.in_process import InProcessBroker
from tidemill.engine.approvals import Answer, record_decision
from tidemill.engine.scheduler import Scheduler
from tidemill.engine.takeover import ask_to_cancel
from tidemill.errors import UsageError
from tidemill.model.messages import Nudge, Output
from tidemill.model.rows import LateRow, RunRow, TaskRow
from tidemill.model.states import TaskState
from tidemill.spi import Outcome, Work
from tidemill.store.sql import SqlStore
from tidemill.testing.harness import script
from tidemill.testing.harness.calls import Call, Ends, call_of
from tidemill.testing.harness.errors import HarnessError
from tidemill.testing.harness.executor import MockExecutors
from tidemill.testing.harness.paths import Paths
from tidemill.testing.harness.time import HarnessLoop, clock_of
from tidemill.worker.worker import Worker

FOR_EVER = 10 * 365 * 86400.0
"""Seconds that a run may take: what goes on then never ends."""

LEASE = 1000 * FOR_EVER
"""Nobody dies here, so nobody need say that they live: time passes at one go."""


class World:
    """One run that is stored and has not begun. `folder` is for files, those that later
    runs may use as well."""

    def __init__(
        self,
        store: SqlStore,
        run: RunRow,
        told: script.Script,
        project: Path,
        folder: Path,
        slots: int,
    ) -> None:
        self.run = run
        self.begin = run.created_at
        self.calls: list[tuple[script.Path, Call]] = []
        self.output: dict[tuple[int, str], list[str]] = {}
        self.paths = Paths(store)
        self._told, self._store, self._asked = told, store, set[Any]()
        self._loop = HarnessLoop()
        self.clock = clock_of(self._loop, self.begin)
        self._trouble: asyncio.Future[None] = self._loop.create_future()
        scratch = folder / "scratch" / str(run.number)
        self._executors = MockExecutors(self._answer, self._complain, scratch)
        self._broker = InProcessBroker(self.clock, self._wrote)
        self._scheduler = Scheduler(
            store, self._broker, self.clock, self, run=run.number, lease=LEASE
        )
        self._worker = Worker(
            "test",
            self._broker,
            self.clock,
            self._executors,
            FolderArtifacts(folder / "artifacts"),
            _Secrets(told.secrets),
            FolderResults(folder / "results"),
            project,
            slots=slots,
            lease=LEASE,
        )
        self._tasks: set[asyncio.Task[None]] = set()

    def drive(self, cancel_after: float | None) -> None:
        """To the run's end, in no time.

        Raises:
            HarnessError: the test leaves something open that the run needs.
            Exception: whatever a function of the test raises.
        """
        try:
            self._loop.run_until_complete(self._drive(cancel_after))
        finally:
            self._loop.close()

    async def _drive(self, cancel_after: float | None) -> None:
        parts = [
            self._loop.create_task(self._scheduler.drive()),
            self._loop.create_task(self._worker.run()),
        ]
        if cancel_after is not None:
            self.clock.call_at(self.begin + cancel_after, self._cancel)
        number = self.run.number
        self.changed((), self._store.transact_now(lambda tx: tx.all_tasks(number)))
        try:
            ended, _ = await asyncio.wait(
                {*parts, self._trouble}, timeout=FOR_EVER, return_when=asyncio.FIRST_COMPLETED
            )
            if not ended:
                raise HarnessError(self._stuck())
            for part in ended:
                part.result()
        finally:
            for part in (*parts, *self._tasks):
                part.cancel()
            await asyncio.gather(*parts, *self._tasks, return_exceptions=True)

    def _stuck(self) -> str:
        steps = ", ".join(self._executors.at_work()) or "some step"
        return f"the run never ends: nothing ends {steps}, and it has no timeout"

    def tasks(self) -> Iterator[tuple[TaskRow, script.Path]]:
        """All of them, and where they are; without what stood for tasks of a fan-out whose
        list is known by now."""
        for row, path in self.paths.tasks(self.run.number):
            if row.state is not TaskState.EXPANDED:
                yield row, path

    # what a test says

    def _answer(self, work: Work, kind: str) -> tuple[Ends, Outcome]:
        path = self.paths.of(work.run, work.step)
        call = call_of(work, script.key_of(path), self.clock.now() - self.begin, kind)
        self.calls.append((path, call))
        return self._told.answer(path, self.paths.step(work.run, work.step).step, call)

    def _complain(self, error: BaseException) -> None:
        if not self._trouble.done():
            self._trouble.set_exception(error)

    def _wrote(self, output: Output) -> None:
        self.output.setdefault((output.run, output.key), []).append(output.text)

    # what happens in the run

    def changed(self, runs: Sequence[RunRow], tasks: Sequence[TaskRow]) -> None:
        for run in runs:
            if run.number == self.run.number:
                self.run = run
        for task in tasks:
            if task.state is TaskState.AWAITING_APPROVAL and task.ref not in self._asked:
                self._asked.add(task.ref)
                self._asks(task)

    def late(self, found: Sequence[LateRow]) -> None:
        """Whoever asks finds it in the results."""

    def told(self) -> None:
        """Nobody delivers anything here."""

    def _asks(self, task: TaskRow) -> None:
        path = self.paths.of(task.run, task.key)
        name = script.key_of(path)
        decision = self._told.decision(path)
        action = self.paths.step(task.run, task.key).step.action
        if decision is None and task.run_at is None:
            self._complain(
                HarnessError(
                    f"step {name} waits for approval for ever: say .approve({name!r}) or "
                    f".deny({name!r})"
                )
            )
        elif decision is not None and isinstance(action, Approval):
            self.clock.call_at(
                self.clock.now() + decision.after, lambda: self._decide(task, decision, action)
            )

    def _decide(self, task: TaskRow, decision: script.Decision, action: Approval) -> None:
        answer = Answer(task.key, decision.approved, decision.reason)
        try:
            person = decision.person(task.key, action)
            self._store.transact_now(
                lambda tx: record_decision(tx, task.run, answer, person, self.clock.now())
            )
        except HarnessError as error:
            self._complain(error)
        except UsageError:
            return  # it came too late, as it may
        self._nudge()

    def _cancel(self) -> None:
        number, now = self.run.number, self.clock.now()
        self._store.transact_now(lambda tx: ask_to_cancel(tx, number, now))
        self._nudge()

    def _nudge(self) -> None:
        self._later(self._broker.report(Nudge(self.run.number)))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Secrets:
    """See `tidemill.ports.Secrets`."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    async def get(self, names: Collection[str]) -> Mapping[str, str]:
        require(names, self._values)
        return {name: self._values[name] for name in names}


def require(names: Collection[str], values: Mapping[str, str]) -> None:
    """Raises: HarnessError: a secret has no value."""
    missing = sorted(set(names) - values.keys())
    if missing:
        given = ", ".join(f"{name}=…" for name in missing)
        raise HarnessError(f"the run needs secrets that are not there: .secrets({given})")
