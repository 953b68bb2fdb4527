"""A story: a fleet, work for it, bad luck for a while, and then a good end."""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from tidelang import codec
from tidelang.definition import Argv, Definition, Loop, Retry, Schedule, Step
from tidemill.engine.create import NewRun, create_run
from tidemill.engine.scheduler import Scheduler
from tidemill.engine.takeover import ask_to_cancel
from tidemill.engine.worker import Worker
from tidemill.model import schedules
from tidemill.model.plan import make_plan
from tidemill.model.rows import PipelineRow, RunRow, ScheduleRow, TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.ports import CachedResult, StoredFile, Transaction
from tidemill.spi import Handle, Outcome, SavedFile, StepIO, Work, exited, killed
from tidemill.store.database import open_in_memory
from tidemill.store.sql import SqlStore
from tidemill.testing.simulation.ends import SimulatedSchedulerEnd, SimulatedWorkerEnd
from tidemill.testing.simulation.network import Network, Node
from tidemill.testing.simulation.promises import BrokenPromiseError, Promises
from tidemill.testing.simulation.time import EPOCH, VirtualLoop

LEASE = 30.0
TROUBLE_SECONDS = 240.0
"""How long faults come; after them everything heals."""
END_SECONDS = 4_000.0
"""By when everything has to have ended."""
EVERY = 20_000
"""Milliseconds between two times of the schedule."""
AWAKE_SECONDS = 0.01
"""How long a node that stood still may take to find out for how long."""
SKEW = 3.0
"""Seconds by which schedulers' clocks may differ from the true time: within the margin."""


@dataclass(frozen=True, slots=True)
class Report:
    """What happened in a simulation that kept all promises."""

    seed: int
    runs: int
    tasks: Mapping[str, int]
    attempts: int
    faults: Mapping[str, int]
    seconds: float


def simulate(seed: int, *, trouble: bool = True) -> Report:
    """Tells one story.

    Raises:
        BrokenPromiseError: a promise was broken; the seed is in the text.
    """
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        with tempfile.TemporaryDirectory() as folder:
            story = Story(loop, seed, Path(folder), trouble=trouble)
            try:
                return loop.run_until_complete(story.tell())
            except BrokenPromiseError as error:
                raise BrokenPromiseError(f"seed {seed}: {error}") from error
            finally:
                story.close()
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _step(name: str, *needs: str, **fields: Any) -> Step:
    fields.setdefault("retry", Retry(attempts=50, backoff=500, factor=1.5, max=10_000))
    return Step(name, Argv((("lit", name),)), needs=needs, **fields)


def _items(count: int) -> Loop:
    return Loop(("x",), ("list", tuple(("lit", n) for n in range(count))))


WIDE = Definition(
    "wide",
    steps=(
        _step("first"),
        _step("each", "first", loop=_items(7), max_parallel=2, priority="high"),
        _step("once", "first", idempotent=False, retry=Retry()),
        _step("last", "each", allow_failure=True),
    ),
)
CHAIN = Definition("chain", steps=(_step("a"), _step("b", "a"), _step("c", "b", priority="bulk")))
TICK = Definition(
    "tick", steps=(_step("go"),), schedules=(Schedule(every=EVERY, overlap="allow", catchup="all"),)
)
LIMITS = {"each": 2}
ONCE = frozenset({"once"})


class NoSettings(BaseModel):
    pass


class Steps:
    """The executor of a worker: steps take their time, some fail. They die with their
    node, as the steps of the local executor do."""

    def __init__(self, story: Story, node: Node) -> None:
        self._story, self._node = story, node
        self._ends: dict[str, asyncio.Future[Outcome]] = {}
        node.died.append(self._die)

    def get(self, kind: str) -> Steps:
        del kind
        return self

    def settings(self, kind: str, values: Mapping[str, Any]) -> NoSettings:
        del kind, values
        return NoSettings()

    self_fencing = False

    def extend(self, seconds: float, since: float) -> None: ...

    async def prepare(self, work: Work) -> None: ...

    async def start(self, work: Work, io: StepIO) -> Handle:
        del io
        story, dice = self._story, self._story.dice
        story.promises.started(work, self._node.name)
        self._ends[work.id] = asyncio.get_running_loop().create_future()
        seconds = dice.choice([0.01, 0.5, 3.0, 12.0, 45.0]) * dice.uniform(0.5, 1.5)
        code = 1 if dice.random() < 0.05 else 0
        self._node.clock.call_at(
            self._node.clock.now() + seconds, lambda: self._end(work.id, exited(code))
        )
        return Handle(work.id)

    async def wait(self, handle: Handle) -> Outcome:
        return await self._ends[handle.token]

    async def stop(self, handle: Handle, grace: float) -> None:
        del grace
        self._end(handle.token, killed(9))

    async def restore(self, work: Work, files: Sequence[SavedFile]) -> None: ...

    async def recover(self, token: str) -> Handle | None:
        del token
        return None

    async def close(self) -> None: ...

    def _end(self, work_id: str, outcome: Outcome) -> None:
        self._story.promises.ended(work_id)
        future = self._ends[work_id]
        if not future.done():
            future.set_result(outcome)

    def _die(self) -> None:
        for work_id in self._ends:
            self._story.promises.ended(work_id)


class Unwatched:
    """What is committed is seen at the store: here it would come late, and out of order."""

    def changed(self, runs: Sequence[RunRow], tasks: Sequence[TaskRow]) -> None: ...


class WatchedStore:
    """Shows to whoever watches over promises what transactions write, as they commit."""

    def __init__(self, store: SqlStore, promises: Promises) -> None:
        self._store, self._promises = store, promises

    async def transact(self, work: Callable[[Transaction], Any]) -> Any:
        written: list[TaskRow] = []

        def watched(tx: Transaction) -> Any:
            written.clear()
            return work(cast("Transaction", _Watched(tx, written)))

        done = self._store.transact_now(watched)
        self._promises.committed(written)
        return done

    async def sync(self) -> None: ...

    async def close(self) -> None: ...


class _Watched:
    def __init__(self, tx: Transaction, written: list[TaskRow]) -> None:
        self._tx, self._written = tx, written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    def save_tasks(self, changes: Sequence[tuple[TaskRow, TaskRow]]) -> None:
        self._tx.save_tasks(changes)
        self._written.extend(after for _, after in changes)


class Nothing:
    """Artifacts, results and secrets of which no step has any."""

    async def get(self, names: Any) -> Any:
        del names
        return {}

    async def put(self, source: Path) -> StoredFile:
        raise OSError(f"no files here: {source}")

    async def find(self, key: str) -> CachedResult | None:
        del key
        return None

    async def keep(self, key: str, result: CachedResult) -> None:
        del key, result


@dataclass(slots=True)
class Story:
    """See `simulate`."""

    loop: VirtualLoop
    seed: int
    folder: Path
    trouble: bool = True
    dice: random.Random = field(init=False)
    network: Network = field(init=False)
    promises: Promises = field(init=False)
    store: SqlStore = field(init=False)
    schedulers: list[Node] = field(default_factory=list)
    workers: list[Node] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    _names: int = 0
    _failed: asyncio.Future[None] | None = None

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311 - not for secrets
        self.network = Network(self.loop, random.Random(self.seed + 1))  # noqa: S311
        self.promises = Promises(self.loop.time, self._fail, LIMITS, ONCE)
        self.store = SqlStore(open_in_memory())

    async def tell(self) -> Report:
        self._failed = self.loop.create_future()
        self._add_work()
        for _ in range(2):
            self._new_scheduler()
        for _ in range(3):
            self._new_worker()
        if self.trouble:
            self._spawn(self._bad_luck())
        self._spawn(self._more_work())
        ending = self._spawn(self._until_all_ended())
        await asyncio.wait({ending, self._failed}, return_when=asyncio.FIRST_COMPLETED)
        if self._failed.done():
            self._failed.result()
        ending.result()
        return self._report()

    def close(self) -> None:
        for node in [*self.schedulers, *self.workers]:
            node.paused = False
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    # nodes

    def _new_scheduler(self) -> None:
        node = self._node("scheduler", self.dice.uniform(-SKEW, SKEW))
        end = SimulatedSchedulerEnd(self.network, node)
        store = WatchedStore(self.store, self.promises)
        scheduler = Scheduler(store, end, node.clock, Unwatched(), lease=LEASE)
        node.tasks.append(self._spawn(scheduler.drive()))
        self.schedulers.append(node)

    def _new_worker(self) -> None:
        node = self._node("worker", self.dice.uniform(-3600, 3600))
        steps, nothing = Steps(self, node), Nothing()
        worker = Worker(
            node.name,
            SimulatedWorkerEnd(self.network, node),
            node.clock,
            steps,
            nothing,
            nothing,
            nothing,
            self.folder,
            slots=self.dice.randint(1, 3),
            lease=LEASE,
        )
        node.tasks.append(self._spawn(worker.run()))
        self.workers.append(node)

    def _node(self, kind: str, skew: float) -> Node:
        self._names += 1
        return Node(self.loop, f"{kind}-{self._names}", skew)

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task = self.loop.create_task(work)
        task.add_done_callback(self._watch)
        return task

    def _watch(self, task: asyncio.Task[Any]) -> None:
        """A part that fails is no bad luck: it is a bug."""
        if task.cancelled() or task.exception() is None or self._failed is None:
            return
        error = task.exception()
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        self._fail(error or RuntimeError())

    def _fail(self, error: BaseException) -> None:
        """The first one counts: what follows from it is no news."""
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    # work

    def _add_work(self) -> None:
        now = EPOCH + self.loop.time()

        def work(tx: Transaction) -> None:
            digest = codec.digest(TICK)
            tx.add_definition(digest, "tick", codec.encode(TICK), now)
            tx.save_pipeline(PipelineRow("tick", digest, "t.tide", now, "me"))
            spec = schedules.spec_of(TICK.schedules[0], {})
            first = schedules.first_after(spec, now)
            tx.add_schedule(ScheduleRow(0, "tick", schedules.identity_of(spec), spec, first))

        self.store.transact_now(work)

    async def _more_work(self) -> None:
        for _ in range(10):
            definition = self.dice.choice([WIDE, CHAIN])
            run = self.store.transact_now(self._maker(definition))
            if self.dice.random() < 0.15:
                self._spawn(self._cancel(run.number))
            await asyncio.sleep(self.dice.uniform(1, 40))
        self.store.transact_now(self._end_schedule)

    def _maker(self, definition: Definition) -> Callable[[Transaction], RunRow]:
        return lambda tx: self._make(tx, definition)

    def _make(self, tx: Transaction, definition: Definition) -> RunRow:
        plan = make_plan(definition, {})
        new = NewRun(
            plan,
            codec.digest(definition),
            codec.encode(definition),
            "s.tide",
            frozenset(range(plan.size)),
            {},
            pooled=True,
        )
        run = create_run(tx, new, EPOCH + self.loop.time())
        tx.signal(run.number)
        return run

    async def _cancel(self, number: int) -> None:
        await asyncio.sleep(self.dice.uniform(0, 30))

        def work(tx: Transaction) -> None:
            ask_to_cancel(tx, number, EPOCH + self.loop.time())
            tx.signal(number)

        self.store.transact_now(work)

    def _end_schedule(self, tx: Transaction) -> None:
        (row,) = tx.schedules_of("tick")
        tx.save_schedule(row._replace(next_due=None))

    # faults

    async def _bad_luck(self) -> None:
        self.network.trouble = self.dice.choice([0.0, 0.05, 0.2])
        while self.loop.time() < TROUBLE_SECONDS:
            await asyncio.sleep(self.dice.expovariate(1 / 12))
            kind, fault = self.dice.choice(
                [
                    ("crash of a worker", self._crash_worker),
                    ("crash of a scheduler", self._crash_scheduler),
                    ("pause", self._pause),
                    ("cut", self._cut),
                    ("cut", self._cut),
                    ("loss of the broker", self.network.forget),
                ]
            )
            self.faults[kind] += 1
            fault()
        self.network.trouble = 0.0

    def _crash_worker(self) -> None:
        self._replace(self.workers, self._new_worker)

    def _crash_scheduler(self) -> None:
        self._replace(self.schedulers, self._new_scheduler)

    def _replace(self, nodes: list[Node], make: Callable[[], None]) -> None:
        if nodes:
            node = nodes.pop(self.dice.randrange(len(nodes)))
            node.crash()
            self.loop.call_later(self.dice.choice([0.1, 5, 40]), make)

    def _pause(self) -> None:
        node = self.dice.choice(self.schedulers + self.workers or [None])
        if node is not None:
            node.paused = True
            self.promises.paused.add(node.name)
            self.loop.call_later(self.dice.choice([1, 15, 25, 60]), self._resume, node)

    def _resume(self, node: Node) -> None:
        """It does what has become due in the meantime; then it counts again."""
        node.resume()
        self.loop.call_later(AWAKE_SECONDS, self._awake, node)

    def _awake(self, node: Node) -> None:
        if not node.paused:
            self.promises.paused.discard(node.name)
            self.promises.check()

    def _cut(self) -> None:
        node = self.dice.choice(self.schedulers + self.workers or [None])
        if node is not None:
            node.cut = True
            self.loop.call_later(self.dice.choice([1, 15, 25, 60]), setattr, node, "cut", False)

    # the end

    async def _until_all_ended(self) -> None:
        while self.loop.time() < END_SECONDS:
            await asyncio.sleep(10)
            if self.loop.time() > TROUBLE_SECONDS + 200 and self._all_ended():
                self._check_end()
                return
        open_ = [
            f"run {run.number} is {run.state.value}" for run in self._runs() if not run.state.ended
        ]
        raise BrokenPromiseError(f"not ended after {END_SECONDS:g} s: {', '.join(open_)}")

    def _all_ended(self) -> bool:
        return all(run.state.ended for run in self._runs()) and not self.promises.at_work

    def _runs(self) -> list[RunRow]:
        def work(tx: Transaction) -> list[RunRow]:
            return tx.runs(range(1, 1000))

        return self.store.transact_now(work)

    def _tasks(self, number: int) -> list[TaskRow]:
        return self.store.transact_now(lambda tx: tx.all_tasks(number))

    def _check_end(self) -> None:
        runs = self._runs()
        self._check_schedule([run for run in runs if run.schedule is not None])
        for run in runs:
            tasks = self._tasks(run.number)
            for task in tasks:
                if not task.state.ended:
                    raise BrokenPromiseError(f"{task.key} of run {run.number} has not ended")
                if task.state is TaskState.SUCCEEDED and not self.promises.starts[task.ref]:
                    raise BrokenPromiseError(f"{task.key} of run {run.number} was never started")
                lost = task.state is TaskState.LOST and task.key.split("[")[0] not in ONCE
                if lost and run.state is not RunState.CANCELLED:
                    raise BrokenPromiseError(f"{task.key} of run {run.number} was given up")

    def _check_schedule(self, runs: Sequence[RunRow]) -> None:
        """One run for each due time, and none left out."""
        times = Counter(run.due_at for run in runs)
        twice = [at for at, count in times.items() if count > 1]
        if twice:
            raise BrokenPromiseError(f"the schedule fired twice for {twice}")
        found = sorted(at for at in times if at is not None)
        for before, after in itertools.pairwise(found):
            if round(after - before, 3) != EVERY / 1000:
                raise BrokenPromiseError(f"the schedule left out {before} to {after}")

    def _report(self) -> Report:
        runs = self._runs()

        def work(tx: Transaction) -> Counter[str]:
            return Counter(task.state.value for run in runs for task in tx.all_tasks(run.number))

        return Report(
            self.seed,
            len(runs),
            self.store.transact_now(work),
            sum(self.promises.starts.values()),
            self.faults,
            self.loop.time(),
        )
