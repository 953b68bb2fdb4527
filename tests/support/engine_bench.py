"""The real scheduler, worker, broker and store under a virtual clock. Only the executor is
scripted: a step ends when the test, or the test's plan of ends, says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest_asyncio
from pydantic import BaseModel

from tidelang import codec
from tidelang.definition import Argv, Definition, Step, Subrun
from tidemill.app.secrets import installed_secrets
from tidemill.artifacts.folder import FolderArtifacts
from tidemill.artifacts.results import FolderResults
from tidemill.broker.in_process import InProcessBroker
from tidemill.engine.create import NewRun, create_run
from tidemill.engine.plans import Plans
from tidemill.engine.rerun import Again, again
from tidemill.engine.scheduler import Scheduler
from tidemill.engine.takeover import ask_to_cancel
from tidemill.model.messages import Nudge
from tidemill.model.plan import Plan, make_plan
from tidemill.model.rows import LateRow, RunRow, TaskRef, TaskRow
from tidemill.model.states import TaskState
from tidemill.ports import Transaction
from tidemill.spi import Handle, Outcome, SavedFile, StepIO, Work, boot_time, exited, killed
from tidemill.store.database import open_sqlite
from tidemill.store.sql import SqlStore
from tidemill.testing.clock import VirtualClock
from tidemill.worker.worker import Worker

LEASE = 30.0
AT_WORK = frozenset({TaskState.QUEUED, TaskState.RUNNING})


def step(name: str, *needs: str, **fields: Any) -> Step:
    return Step(name, Argv((("lit", name),)), needs=needs, **fields)


def pipeline(*steps: Step, name: str = "p", **fields: Any) -> Definition:
    return Definition(name, steps=steps, **fields)


def subrun(name: str, called: Definition, *needs: str, **fields: Any) -> Step:
    """A step that runs a pipeline; `params` are the arguments, by name."""
    params = tuple(fields.pop("params", {}).items())
    return Step(name, Subrun(called.name, codec.digest(called), params), needs=needs, **fields)


class Scripted:
    """An executor (`tidemill.spi.Executor`). What `ends` answers for a step is how it
    ends, at once; where it answers None, `end` decides later, or `stop` does.
    `until` are the moments until which steps may be at work, as it was told of them."""

    self_fencing = False
    recovers = False

    def __init__(self, ends: Callable[[Work], Outcome | None]) -> None:
        self.ends = ends
        self.started: list[Work] = []
        self.prepared: list[str] = []
        """What is held for steps that have not been started."""
        self.at_work: dict[str, Work] = {}
        self.side_by_side: list[str] = []
        self.stubborn = False
        self.until: list[float] = []
        self.files: dict[str, dict[str, Path]] = {}
        self._outcomes: dict[str, asyncio.Future[Outcome]] = {}
        self._ios: dict[str, StepIO] = {}

    async def prepare(self, work: Work) -> None:
        self.prepared.append(work.id)

    def discard(self, work: Work) -> None:
        self.prepared.remove(work.id)

    async def start(self, work: Work, io: StepIO) -> Handle:
        if work.step in {other.step for other in self.at_work.values()}:
            self.side_by_side.append(work.step)
        self.started.append(work)
        self.prepared = [name for name in self.prepared if name != work.id]
        self.at_work[work.id] = work
        self._ios[work.id] = io
        self._outcomes[work.id] = asyncio.get_running_loop().create_future()
        outcome = self.ends(work)
        if outcome is not None:
            self._end(work.id, outcome)
        return Handle(work.id)

    async def wait(self, handle: Handle) -> Outcome:
        outcome = await self._outcomes[handle.token]
        for output, source in self.files.pop(handle.token.split(".")[1], {}).items():
            await self._ios[handle.token].save_file(output, source.name, source)
        return outcome

    async def stop(self, handle: Handle, grace: float) -> None:
        if not self.stubborn or grace == 0:
            self._end(handle.token, killed(9))

    def extend(self, seconds: float, since: float) -> None: ...

    async def restore(self, work: Work, files: Sequence[SavedFile]) -> None:
        for file in files:
            path = work.project / work.workdir / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.source.read_bytes())

    async def recover(
        self, token: str, work: Work | None = None, io: StepIO | None = None
    ) -> Handle | None:
        del token, work, io
        return None

    async def close(self) -> None:
        self.at_work.clear()

    def end(self, key: str, outcome: Outcome | None = None) -> None:
        (work,) = [work for work in self.at_work.values() if work.step == key]
        self._end(work.id, outcome or exited(0))

    def keys(self) -> list[str]:
        return [work.step for work in self.started]

    def _end(self, token: str, outcome: Outcome) -> None:
        self.at_work.pop(token, None)
        if not self._outcomes[token].done():
            self._outcomes[token].set_result(outcome)


class NoSettings(BaseModel):
    pass


@dataclass
class OneExecutor:
    """`tidemill.ports.Executors` of a single kind."""

    executor: Scripted
    clock: VirtualClock

    def get(self, kind: str) -> Scripted:
        del kind
        return self.executor

    def settings(self, kind: str, values: Mapping[str, Any]) -> NoSettings:
        del kind, values
        return NoSettings()

    def extend(self, seconds: float, since: float) -> None:
        assert since <= boot_time()
        self.executor.until.append(self.clock.now() + seconds)

    async def close(self) -> None:
        await self.executor.close()


@dataclass
class Seen:
    """A watcher that checks what it is told: ended states stay, fences only rise."""

    tasks: dict[TaskRef, TaskRow] = field(default_factory=dict)
    runs: list[RunRow] = field(default_factory=list)
    deadlines: list[LateRow] = field(default_factory=list)
    most_at_work: int = 0
    woken: int = 0
    check: Callable[[], None] = lambda: None

    def changed(self, runs: Sequence[RunRow], tasks: Sequence[TaskRow]) -> None:
        self.runs.extend(runs)
        for task in tasks:
            before = self.tasks.get(task.ref)
            if before is not None:
                assert not before.state.ended or task == before, "an ended task changed"
                assert task.fence >= before.fence, "a fence fell"
            self.tasks[task.ref] = task
        at_work = sum(1 for task in self.tasks.values() if task.state in AT_WORK)
        self.most_at_work = max(self.most_at_work, at_work)
        self.check()

    def late(self, found: Sequence[LateRow]) -> None:
        self.deadlines.extend(found)

    def told(self) -> None:
        self.woken += 1


class Bench:
    """One database, one clock, and whatever is started on them."""

    def __init__(self, folder: Path, ends: Callable[[Work], Outcome | None]) -> None:
        self.folder = folder
        self.clock = VirtualClock()
        self.store = SqlStore(open_sqlite(folder / "db.sqlite"))
        self.broker = InProcessBroker(self.clock)
        self.executor = Scripted(ends)
        self.seen = Seen()
        self.told = False
        self.scheduler: Scheduler
        self._parts: list[asyncio.Task[Any]] = []
        self._workers: list[asyncio.Task[None]] = []

    def create(
        self,
        definition: Definition,
        *,
        chosen: frozenset[int] | None = None,
        picked: tuple[str, ...] = (),
        params: Mapping[str, Any] | None = None,
        called: Iterable[Definition] = (),
    ) -> RunRow:
        for other in called:
            self.add(other)
        plan = make_plan(definition, params or {})
        everything = frozenset(range(plan.size))
        return self._make(plan, everything if chosen is None else chosen, {}, picked=picked)

    def add(self, definition: Definition) -> None:
        """A pipeline that steps of others run."""
        digest, content = codec.digest(definition), codec.encode(definition)
        self.store.transact_now(lambda tx: tx.add_definition(digest, definition.name, content, 1.0))

    def again(self, run: RunRow) -> Again:
        """What a retry of this run starts from."""
        return again(self.plan(run), self.run(run.number), self.rows(run.number))

    def retry(self, run: RunRow) -> RunRow:
        start = self.again(run)
        return self._make(
            start.plan, start.chosen, start.carried, retry_of=run.number, picked=run.picked
        )

    def _make(
        self, plan: Plan, chosen: frozenset[int], carried: Mapping[int, TaskRow], **more: Any
    ) -> RunRow:
        digest, content = codec.digest(plan.definition), codec.encode(plan.definition)
        more |= {"pooled": True, "told": self.told}
        new = NewRun(plan, digest, content, "p.tide", chosen, carried, **more)
        return self.store.transact_now(lambda tx: create_run(tx, new, self.clock.now()))

    def plan(self, run: RunRow) -> Plan:
        """As the database has it now."""
        plans = Plans()
        self.store.transact_now(lambda tx: plans.load(tx, {run.number}))
        return plans.of(run.number)

    def drive(self, run: RunRow, *, slots: int = 4, broker: Any = None, alone: bool = True) -> None:
        """Starts a worker and a scheduler."""
        self.schedule(run, alone=alone)
        self.work("w", slots, broker)

    def schedule(self, run: RunRow, *, alone: bool = True) -> asyncio.Task[None]:
        """Starts a scheduler for this run alone or, told of it, for all."""
        number = run.number if alone else None
        self.scheduler = Scheduler(
            self.store, self.broker, self.clock, self.seen, run=number, lease=LEASE
        )
        driving = asyncio.create_task(self.scheduler.drive())
        self._parts += [driving, asyncio.create_task(self._nudge(run))]
        return driving

    async def _nudge(self, run: RunRow) -> None:
        await self.broker.report(Nudge(run.number))

    def work(self, name: str, slots: int = 4, broker: Any = None) -> asyncio.Task[None]:
        self.worker(name, slots, broker)
        return self._workers[-1]

    def worker(self, name: str, slots: int = 4, broker: Any = None) -> Worker:
        """Starts one."""
        worker = Worker(
            name,
            broker or self.broker,
            self.clock,
            OneExecutor(self.executor, self.clock),
            FolderArtifacts(self.folder / "artifacts"),
            installed_secrets(self.folder),
            FolderResults(self.folder / "results"),
            self.folder,
            slots=slots,
            lease=LEASE,
        )
        task = asyncio.create_task(worker.run())
        self._parts.append(task)
        self._workers.append(task)
        return worker

    def kill_workers(self) -> None:
        for worker in self._workers:
            worker.cancel()

    def stop(self) -> None:
        """The process dies: nobody drives anything any more."""
        for part in self._parts:
            part.cancel()
        self._parts, self._workers = [], []
        self.broker = InProcessBroker(self.clock)
        self.executor.at_work.clear()

    async def to_the_end(self, run: RunRow, within: float = 3_000.0) -> RunRow:
        def ended() -> bool:
            told = any(row.number == run.number and row.state.ended for row in self.seen.runs[-3:])
            return told or self._failed()

        await self.clock.run_until(ended, within)
        await self.clock.run_until_idle()
        self._raise()
        return self.run(run.number)

    async def cancel(self, run: RunRow) -> None:
        await self.store.transact(lambda tx: ask_to_cancel(tx, run.number, self.clock.now()))
        await self.broker.report(Nudge(run.number))

    def run(self, number: int) -> RunRow:
        return self.store.transact_now(lambda tx: tx.runs([number]))[0]

    def rows(self, number: int) -> list[TaskRow]:
        return self.store.transact_now(lambda tx: tx.all_tasks(number))

    def states(self, run: RunRow) -> dict[str, str]:
        return {task.key: task.state.value for task in self.rows(run.number)}

    def task(self, run: RunRow, key: str) -> TaskRow:
        return next(task for task in self.rows(run.number) if task.key == key)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        def ask(tx: Transaction) -> list[tuple[Any, ...]]:
            connection: Any = tx._connection  # type: ignore[attr-defined]  # noqa: SLF001
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

        return self.store.transact_now(ask)

    async def close(self) -> None:
        for part in self._parts:
            part.cancel()
        for part in self._parts:
            with suppress(BaseException):
                await part
        await self.store.close()

    def _failed(self) -> bool:
        return any(
            part.done() and not part.cancelled() and part.exception() for part in self._parts
        )

    def _raise(self) -> None:
        for part in self._parts:
            if part.done() and not part.cancelled():
                part.result()


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Steps succeed at once unless the test says otherwise."""
    bench = Bench(tmp_path, lambda _: exited(0))
    try:
        yield bench
    finally:
        await bench.close()
