"""Runs that are made ahead of their due time: workers get ready, and begin on the dot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from engine_bench import LEASE, Bench, pipeline, step

from tidelang import codec
from tidelang.definition import Approval, Definition, Schedule, Step
from tidemill.engine.takeover import ask_to_cancel
from tidemill.engine.withdrawing import BEGINNING, withdraw
from tidemill.model import schedules
from tidemill.model.messages import Nudge
from tidemill.model.rows import PipelineRow, RunRow, ScheduleRow, TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.ports import Transaction
from tidemill.spi import Work, exited

START = 1_000_000.0
DUE = START + 100.0
PREWARM = 60.0
AHEAD = DUE - PREWARM


class Ahead:
    """A fleet of one scheduler whose one schedule is due at `DUE`, and a minute apart."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.clock = bench, bench.clock
        self.begun: list[tuple[str, float]] = []
        bench.executor.ends = self._ends
        self.never_ends: set[str] = set()

    def _ends(self, work: Work) -> Any:
        self.begun.append((work.step, self.clock.now()))
        return None if work.step in self.never_ends else exited(0)

    def apply(self, *steps: Step, overlap: str = "allow", prewarm: float = PREWARM) -> None:
        schedule = Schedule(every=100_000, overlap=overlap, prewarm=int(prewarm * 1000))
        definition = pipeline(*steps, schedules=(schedule,))
        self.bench.store.transact_now(lambda tx: self._apply(tx, definition, schedule, prewarm))

    def _apply(
        self, tx: Transaction, definition: Definition, schedule: Schedule, prewarm: float
    ) -> None:
        digest, spec = codec.digest(definition), schedules.spec_of(schedule, {})
        tx.add_definition(digest, "p", codec.encode(definition), START)
        tx.save_pipeline(PipelineRow("p", digest, "p.tide", START, "me"))
        identity = schedules.identity_of(spec)
        tx.add_schedule(ScheduleRow(0, "p", identity, spec, DUE, DUE - prewarm))

    def drive(self) -> asyncio.Task[None]:
        run = RunRow(0, "", "", "", RunState.PENDING, 0.0)
        return self.bench.schedule(run, alone=False)

    async def until(self, moment: float) -> None:
        await self.clock.advance(moment - self.clock.now())

    def runs(self) -> list[RunRow]:
        numbers = [number for (number,) in self.bench.query("SELECT number FROM run")]
        return self.bench.store.transact_now(lambda tx: tx.runs(numbers))

    def task(self, key: str, run: int = 1) -> TaskRow:
        return next(task for task in self.bench.rows(run) if task.key == key)

    async def cancel(self, run: int = 1) -> None:
        def work(tx: Transaction) -> None:
            ask_to_cancel(tx, run, self.clock.now())
            tx.signal(run)

        self.bench.store.transact_now(work)
        await self.bench.broker.report(Nudge(run))


@pytest.fixture
def ahead(bench: Bench) -> Ahead:
    assert bench.clock.now() == START
    return Ahead(bench)


async def test_a_slot_is_reserved_ahead_and_the_step_begins_on_the_dot(ahead: Ahead) -> None:
    ahead.apply(step("a"), step("b", "a"))
    ahead.drive()
    ahead.bench.work("w")
    await ahead.until(AHEAD - 1)
    assert not ahead.runs()
    await ahead.until(AHEAD + 1)
    (run,) = ahead.runs()
    assert (run.state, run.due_at) == (RunState.PENDING, DUE)
    assert ahead.task("a").state is TaskState.RESERVED
    assert ahead.task("b").state is TaskState.BLOCKED
    await ahead.until(DUE - 0.001)
    assert not ahead.begun, "nothing begins before it is due"
    assert ahead.task("a").state is TaskState.RESERVED
    await ahead.until(DUE + 1)
    assert ahead.begun == [("a", DUE), ("b", DUE)]
    (run,) = ahead.runs()[:1]
    assert (run.state, run.started_at) == (RunState.SUCCEEDED, DUE)
    assert ahead.task("a").attempt == 1


async def test_what_is_needed_is_got_ready_ahead(ahead: Ahead) -> None:
    prepared: list[float] = []

    async def prepare(_: Work) -> None:
        prepared.append(ahead.clock.now())

    ahead.bench.executor.prepare = prepare  # type: ignore[method-assign]
    ahead.apply(step("a"))
    ahead.drive()
    ahead.bench.work("w")
    await ahead.until(DUE + 1)
    assert prepared == [AHEAD]


async def test_what_cannot_be_got_ready_is_begun_all_the_same(ahead: Ahead) -> None:
    async def prepare(work: Work) -> None:
        raise OSError(f"no image for {work.step}")

    ahead.bench.executor.prepare = prepare  # type: ignore[method-assign]
    ahead.apply(step("a"))
    ahead.drive()
    ahead.bench.work("w")
    await ahead.until(DUE + 1)
    assert ahead.begun == [("a", DUE)]
    assert ahead.task("a").state is TaskState.SUCCEEDED


async def test_nobody_is_asked_before_a_reserved_step_begins(ahead: Ahead) -> None:
    ahead.apply(step("a"))
    scheduler = ahead.drive()
    ahead.bench.work("w")
    await ahead.until(DUE - 1)
    scheduler.cancel()
    await ahead.until(DUE)
    assert ahead.begun == [("a", DUE)]


async def test_a_slot_that_is_reserved_is_taken(ahead: Ahead) -> None:
    ahead.apply(step("a"))
    ahead.drive()
    ahead.bench.work("w", slots=1)
    await ahead.until(AHEAD + 1)
    other = ahead.bench.create(pipeline(step("x"), name="q"))
    await ahead.bench.broker.report(Nudge(other.number))
    await ahead.until(DUE + 1)
    assert ahead.begun == [("a", DUE), ("x", DUE)]


async def test_without_a_free_slot_it_begins_late_and_is_not_lost(ahead: Ahead) -> None:
    ahead.never_ends.add("x")
    ahead.apply(step("a"))
    ahead.drive()
    other = ahead.bench.create(pipeline(step("x"), name="q"))
    ahead.bench.work("w", slots=1)
    await ahead.bench.broker.report(Nudge(other.number))
    await ahead.until(DUE + 5)
    assert [name for name, _ in ahead.begun] == ["x"]
    ahead.bench.executor.end("x")
    await ahead.clock.run_until_idle()
    assert ahead.begun[1] == ("a", DUE + 5)


@pytest.mark.parametrize("idempotent", [True, False])
async def test_a_worker_that_dies_before_the_due_time_costs_a_lease_and_no_attempt(
    ahead: Ahead, *, idempotent: bool
) -> None:
    ahead.apply(step("a", idempotent=idempotent))
    ahead.drive()
    dying = ahead.bench.work("w")
    await ahead.until(DUE - 1)
    assert ahead.task("a").worker == "w"
    dying.cancel()
    ahead.bench.broker.report = _swallow(ahead.bench.broker.report)  # type: ignore[method-assign]
    await ahead.clock.run_until_idle()
    ahead.bench.broker.report = ahead.bench.broker.report.honest  # type: ignore
    ahead.bench.work("other")
    await ahead.until(DUE + LEASE + 1)
    ((name, at),) = ahead.begun
    assert name == "a"
    assert DUE < at <= DUE + LEASE
    task = ahead.task("a")
    assert (task.state, task.worker, task.attempt) == (TaskState.SUCCEEDED, "other", 1)


def _swallow(honest: Any) -> Any:
    """What a process that was killed would have said."""

    async def report(_: object) -> None: ...

    report.honest = honest  # type: ignore[attr-defined]
    return report


async def test_a_worker_that_drains_leaves_its_reservations_to_others(ahead: Ahead) -> None:
    ahead.apply(step("a", idempotent=False))
    ahead.drive()
    worker = ahead.bench.worker("w")
    await ahead.until(DUE - 10)
    worker.drain()
    ahead.bench.work("other")
    await ahead.until(DUE - 1)
    task = ahead.task("a")
    assert (task.state, task.worker, task.attempt) == (TaskState.RESERVED, "other", 1)
    await ahead.until(DUE)
    assert ahead.begun == [("a", DUE)]


async def test_a_cancelled_run_is_never_begun(ahead: Ahead) -> None:
    ahead.apply(step("a"))
    ahead.drive()
    ahead.bench.work("w")
    await ahead.until(DUE - 1)
    await ahead.cancel()
    await ahead.clock.advance(0.1)
    assert ahead.runs()[0].state is RunState.CANCELLED
    assert ahead.task("a").state is TaskState.CANCELLED
    await ahead.until(DUE + 1)
    assert not ahead.begun


def _taken_back(row: ScheduleRow, now: float) -> Callable[[Transaction], None]:
    def work(tx: Transaction) -> None:
        tx.save_schedules([withdraw(tx, row._replace(paused=True), now)])

    return work


async def test_a_schedule_that_is_paused_takes_its_run_back(ahead: Ahead) -> None:
    ahead.apply(step("a"))
    ahead.drive()
    ahead.bench.work("w")
    await ahead.until(DUE - 1)
    (row,) = ahead.bench.store.transact_now(lambda tx: tx.schedules_of("p"))
    assert row.next_due == DUE + 100
    ahead.bench.store.transact_now(_taken_back(row, ahead.clock.now()))
    await ahead.bench.broker.report(Nudge(0))
    await ahead.until(DUE + 50)
    assert not ahead.begun
    (run,) = ahead.runs()
    assert (run.state, run.schedule) == (RunState.CANCELLED, None)
    (row,) = ahead.bench.store.transact_now(lambda tx: tx.schedules_of("p"))
    assert (row.next_due, row.act_at) == (DUE, None)


async def test_a_run_that_is_as_good_as_begun_is_not_made_anew(ahead: Ahead) -> None:
    """Its worker begins by its own clock, whatever may be on its way to it."""
    ahead.apply(step("a"))
    ahead.drive()
    ahead.bench.work("w")
    await ahead.until(DUE - BEGINNING / 2)
    (row,) = ahead.bench.store.transact_now(lambda tx: tx.schedules_of("p"))
    now = ahead.clock.now()
    kept = ahead.bench.store.transact_now(lambda tx: withdraw(tx, row, now, beginning=BEGINNING))
    assert kept == row
    await ahead.until(DUE + 50)
    assert ahead.begun == [("a", DUE)]


async def test_a_schedule_that_is_changed_makes_its_run_anew(ahead: Ahead) -> None:
    ahead.apply(step("a"))
    ahead.drive()
    ahead.bench.work("w")
    await ahead.until(DUE - 10)

    def change(tx: Transaction) -> None:
        (row,) = tx.schedules_of("p")
        changed = pipeline(step("new"), schedules=())
        digest = codec.digest(changed)
        tx.add_definition(digest, "p", codec.encode(changed), ahead.clock.now())
        tx.save_pipeline(PipelineRow("p", digest, "p.tide", ahead.clock.now(), "me"))
        tx.save_schedules([withdraw(tx, row, ahead.clock.now())])

    ahead.bench.store.transact_now(change)
    await ahead.bench.broker.report(Nudge(0))
    await ahead.until(DUE + 1)
    assert ahead.begun == [("new", DUE)]
    assert [run.state for run in ahead.runs()][:2] == [RunState.CANCELLED, RunState.SUCCEEDED]


@pytest.mark.parametrize("overlap", ["skip", "queue", "replace"])
async def test_nothing_is_made_ahead_while_an_earlier_run_is_going(
    ahead: Ahead, overlap: str
) -> None:
    ahead.never_ends.add("a")
    ahead.apply(step("a"), overlap=overlap)
    ahead.drive()
    ahead.bench.work("w")
    await ahead.until(DUE + 99)
    assert len(ahead.runs()) == 1, "whether the second one may start is not known yet"
    await ahead.until(DUE + 112)  # a wish to cancel is heeded within a third of the lease
    runs = ahead.runs()
    if overlap == "skip":
        assert [run.state for run in runs] == [RunState.RUNNING]
    elif overlap == "queue":
        assert [run.state for run in runs] == [RunState.RUNNING, RunState.PENDING]
    else:
        assert [run.state for run in runs] == [RunState.CANCELLED, RunState.RUNNING]
        assert ahead.begun == [("a", DUE), ("a", DUE + 100)]


async def test_it_is_made_ahead_once_the_earlier_run_has_ended(ahead: Ahead) -> None:
    ahead.never_ends.add("a")
    ahead.apply(step("a"), overlap="skip")
    ahead.drive()
    ahead.bench.work("w")
    await ahead.until(DUE + 70)
    ahead.bench.executor.end("a")
    await ahead.until(DUE + 99)
    assert ahead.task("a", run=2).state is TaskState.RESERVED
    await ahead.until(DUE + 101)
    assert ahead.begun == [("a", DUE), ("a", DUE + 100)]


async def test_people_are_not_asked_before_it_is_time(ahead: Ahead) -> None:
    asking = Step("ask", Approval(("lit", "ship it?")))
    ahead.apply(asking, step("a"))
    ahead.drive()
    ahead.bench.work("w")
    await ahead.until(DUE - 1)
    assert not ahead.runs()
    await ahead.until(DUE + 1)
    assert ahead.begun == [("a", DUE)]


async def test_a_step_sees_the_run_as_it_is_when_it_begins(ahead: Ahead) -> None:
    seen: dict[str, str] = {}

    def ends(work: Work) -> Any:
        seen.update(work.env)
        return exited(0)

    ahead.bench.executor.ends = ends
    facts = {name.upper(): ("get", ("ref", "run", name)) for name in ("started", "due", "state")}
    env: Any = tuple((name, ("ref", "run", name.lower())) for name in facts)
    ahead.apply(replace(step("a"), env=env))
    ahead.drive()
    ahead.bench.work("w")
    await ahead.until(DUE + 1)
    assert seen["STARTED"] == seen["DUE"] == "1970-01-12T13:48:20+00:00"
    assert seen["STATE"] == "running"


async def test_a_worker_that_stood_still_over_the_due_time_begins_nothing(ahead: Ahead) -> None:
    """It may have been taken for dead."""
    ahead.apply(step("a"))
    ahead.drive()
    worker = ahead.bench.worker("w")
    await ahead.until(DUE - 1)
    attempt = next(iter(worker._held.values()))  # noqa: SLF001
    attempt._reservation.may_begin = lambda: False  # type: ignore[union-attr]  # noqa: SLF001
    await ahead.until(DUE + 1)
    ((_, at),) = ahead.begun
    assert at >= DUE
    assert ahead.task("a").attempt == 1
    assert ahead.task("a").fence == 2, "it was given back, and offered anew"


# -- what was got ready


@pytest.mark.parametrize("how", ["cancelled", "drained", "out of contact"])
async def test_what_was_got_ready_is_discarded_when_it_is_not_begun(ahead: Ahead, how: str) -> None:
    ahead.apply(step("a"))
    ahead.drive()
    worker = ahead.bench.worker("w")
    await ahead.until(DUE - 2 * LEASE)
    assert len(ahead.bench.executor.prepared) == 1
    if how == "cancelled":
        await ahead.cancel()
    elif how == "drained":
        worker.drain()
    else:
        ahead.bench.broker.last_contact = lambda: DUE - 2 * LEASE  # type: ignore[method-assign]
    await ahead.until(DUE - 1)
    assert ahead.bench.executor.prepared == []
    assert not ahead.begun


async def test_what_was_got_ready_and_begun_is_not_discarded(ahead: Ahead) -> None:
    discarded: list[Work] = []
    ahead.bench.executor.discard = discarded.append  # type: ignore[method-assign]
    ahead.apply(step("a"))
    ahead.drive()
    ahead.bench.work("w")
    await ahead.until(DUE + 1)
    assert ahead.begun == [("a", DUE)]
    assert discarded == []


async def test_what_is_being_got_ready_is_discarded_too(ahead: Ahead) -> None:
    honest = ahead.bench.executor.prepare

    async def prepare(work: Work) -> None:
        await honest(work)
        await asyncio.Event().wait()

    ahead.bench.executor.prepare = prepare  # type: ignore[method-assign]
    ahead.apply(step("a"))
    ahead.drive()
    ahead.bench.work("w")
    await ahead.until(DUE - 1)
    assert len(ahead.bench.executor.prepared) == 1
    await ahead.cancel()
    await ahead.until(DUE + 1)
    assert ahead.bench.executor.prepared == []


async def test_an_executor_that_fails_to_discard_costs_no_worker(ahead: Ahead) -> None:
    def discard(work: Work) -> None:
        raise RuntimeError(work.step)

    ahead.bench.executor.discard = discard  # type: ignore[method-assign]
    ahead.apply(step("a"))
    ahead.drive()
    ahead.bench.work("w")
    await ahead.until(DUE - 1)
    await ahead.cancel()
    await ahead.until(DUE + 101)
    assert ahead.begun == [("a", DUE + 100)]
