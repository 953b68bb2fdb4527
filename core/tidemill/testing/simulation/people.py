"""Clients: they apply pipelines, start runs, cancel them, decide, and try again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from tidelang import codec
from tidelang.definition import Definition
from tidemill.app.triggering import apply_triggers, follow_at_once, store_arrival
from tidemill.engine.approvals import Answer, Person, record_decision
from tidemill.engine.create import NewRun, create_run
from tidemill.engine.plans import Plans
from tidemill.engine.rerun import again
from tidemill.engine.reserving import act_at
from tidemill.engine.takeover import ask_to_cancel
from tidemill.errors import UsageError
from tidemill.model import schedules
from tidemill.model.plan import make_plan
from tidemill.model.rows import PipelineRow, RunRow, ScheduleRow
from tidemill.model.states import RunState, TaskState
from tidemill.model.triggers import ArrivalRow
from tidemill.ports import Transaction
from tidemill.testing.simulation.database import Database
from tidemill.testing.simulation.ends import Wire
from tidemill.testing.simulation.pipelines import CHAIN, HEARS, NEWS, SCHEDULED, STARTED, TICK
from tidemill.testing.simulation.promises import Promises
from tidemill.testing.simulation.time import EPOCH

RUNS = 10
"""Runs that are started by people."""

LAST_WORDS = 10
"""Decisions on what still waits for one when no more work comes."""

ME = Person("me")


class People:
    """They reach the database whenever they try; what they tell the schedulers may be
    lost."""

    def __init__(
        self, dice: random.Random, database: Database, wire: Wire, promises: Promises
    ) -> None:
        self._dice, self._database, self._wire = dice, database, wire
        self._promises = promises
        self._known = dice.sample(STARTED, 3)
        self.beside = dice.choice(SCHEDULED)
        """Others see to it: see `planners`."""
        self.sent = 0
        """Events."""

    @staticmethod
    def _now() -> float:
        return EPOCH + asyncio.get_running_loop().time()

    async def work(self, seconds: float) -> None:
        """For so long they make work."""
        self._database.now(self._apply)
        doing = [self._start] * RUNS + [self._cancel] * 2 + [self._retry] * 2 + [self._decide] * 8
        times = sorted((self._dice.uniform(0, seconds), n) for n in range(len(doing)))
        for at, number in times:
            await asyncio.sleep(max(at - asyncio.get_running_loop().time(), 0))
            doing[number]()
        self._database.now(self._end_schedules)
        for _ in range(LAST_WORDS):
            await asyncio.sleep(4)
            self._decide()

    # pipelines

    def _apply(self, tx: Transaction) -> None:
        tx.add_definition(codec.digest(CHAIN), "chain", codec.encode(CHAIN), self._now())
        for definition in (TICK, HEARS):
            self._apply_one(tx, definition)

    def _apply_one(self, tx: Transaction, definition: Definition) -> None:
        now, digest, name = self._now(), codec.digest(definition), definition.name
        tx.add_definition(digest, name, codec.encode(definition), now)
        tx.save_pipeline(PipelineRow(name, digest, f"{name}.tide", now, "me"))
        apply_triggers(tx, definition, digest)
        for schedule in definition.schedules:
            spec = schedules.spec_of(schedule, {})
            first, identity = schedules.first_after(spec, now), schedules.identity_of(spec)
            tx.add_schedule(ScheduleRow(0, name, identity, spec, first, act_at(spec, first)))

    def _end_schedules(self, tx: Transaction) -> None:
        for row in tx.schedules_of(TICK.name):
            tx.save_schedules([row._replace(next_due=None, act_at=None)])

    # runs

    def _send(self) -> None:
        """An event, and the same once more, as somebody sends it who did not hear the answer."""
        row = ArrivalRow(0, "event", NEWS, f"news {self.sent}", {}, "emit", self._now())
        self.sent += 1
        for _ in range(2):
            self._database.now(lambda tx: store_arrival(tx, row))
        self._wire.nudge(0)

    def _start(self) -> None:
        self._send()
        definition = self._dice.choice(self._known)
        plan = make_plan(definition, {})
        new = NewRun(
            plan,
            codec.digest(definition),
            codec.encode(definition),
            f"{definition.name}.tide",
            frozenset(range(plan.size)),
            {},
            pooled=True,
            told=True,
        )
        self._create(lambda _: new)

    def _retry(self) -> None:
        """Whatever ended badly."""
        ended = [
            run
            for run in self._promises.runs.values()
            if run.state in {RunState.FAILED, RunState.CANCELLED} and run.root is None
        ]
        if ended:
            run = self._dice.choice(ended)
            self._create(lambda tx: self._again(tx, run))

    @staticmethod
    def _again(tx: Transaction, run: RunRow) -> NewRun:
        plans = Plans()
        plans.refresh(tx, [run])
        start = again(plans.of(run.number), run, tx.all_tasks(run.number))
        return NewRun(
            start.plan,
            run.digest,
            tx.definition(run.digest),
            run.file,
            start.chosen,
            start.carried,
            retry_of=run.number,
            origin=run.origin or run.number,
            picked=run.picked,
            pooled=True,
            told=True,
        )

    def _create(self, new: Callable[[Transaction], NewRun]) -> None:
        def work(tx: Transaction) -> int:
            run = create_run(tx, new(tx), self._now())
            follow_at_once(tx, run, self._now())  # all of a retried one may be there already
            tx.signal(run.number)
            return run.number

        self._nudge(self._database.now(work))

    def _cancel(self) -> None:
        open_ = sorted(self._promises.open_runs)
        if open_:
            number = self._dice.choice(open_)
            top = self._promises.runs[number].family

            def work(tx: Transaction) -> None:
                ask_to_cancel(tx, top, self._now())
                tx.signal(top)

            self._database.now(work)
            self._nudge(top)

    def _decide(self) -> None:
        """About whatever waits for somebody."""
        waiting = [
            task
            for tasks in self._promises.tasks.values()
            for task in tasks.values()
            if task.state is TaskState.AWAITING_APPROVAL
        ]
        if waiting:
            task = self._dice.choice(waiting)
            answer = Answer(task.key, approved=self._dice.random() < 0.8)

            def work(tx: Transaction) -> None:
                record_decision(tx, task.run, answer, ME, self._now())
                tx.signal(task.run)

            try:
                self._database.now(work)
            except UsageError:
                return  # somebody has decided, or it is too late
            self._nudge(task.run)

    def _nudge(self, run: int) -> None:
        if self._dice.random() < 0.7:
            self._wire.nudge(run)
