"""Random graphs, outcomes and deliveries: every run ends, and every promise holds."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from engine_bench import Bench, pipeline, step
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidelang.definition import Definition, Loop, Output, Retry, Step, Type
from tidemill.broker.in_process import InProcessBroker
from tidemill.engine.ledger import FAILED_STATES
from tidemill.engine.scopes import stage_state
from tidemill.model.messages import Order, Report
from tidemill.model.rows import Queue, RunRow, StageRef, StageRow, TaskRow
from tidemill.model.states import RunState, TaskState
from tidemill.ports import Inbox, Transaction, Turn
from tidemill.spi import Outcome, Work, exited, lost

FEW = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)


@st.composite
def graphs(draw: st.DrawFn) -> Definition:
    size = draw(st.integers(1, 8))
    steps: list[Step] = []
    for i in range(size):
        needs = tuple(f"s{j}" for j in range(i) if draw(st.integers(0, 2)) == 0)
        width = draw(st.sampled_from([None, None, 0, 1, 3, "late", "late"]))
        if width == "late":
            width = draw(st.sampled_from(needs)) if needs else None
        when = draw(st.sampled_from([None, None, None, "lit", "state", "loop"]))
        state = draw(st.sampled_from(["failed", "skipped", "done", "succeeded"]))
        condition: tuple[object, ...] | None = ("lit", False) if when == "lit" else None
        if when == "state" and needs:
            condition = ("state", state, needs[0])
        if when == "loop" and width is not None:
            condition = ("op", "==", ("ref", "loop", "x"), ("lit", 1))
        steps.append(
            step(
                f"s{i}",
                *needs,
                loop=None if width is None else Loop(("x",), list_of(width, steps)),
                max_parallel=draw(st.sampled_from([None, 1, 2])) if width else None,
                when=condition,
                when_decides=bool(condition and condition[0] == "state"),
                allow_failure=draw(st.booleans()),
                idempotent=draw(st.integers(0, 3)) > 0,
                retry=Retry(attempts=draw(st.integers(1, 3)), backoff=1_000),
                outputs=(Output("xs", Type("list", of=Type("int"))),),
            )
        )
    return pipeline(*steps, max_parallel=draw(st.sampled_from([None, None, 1, 3])))


def list_of(width: int | str, steps: Sequence[Step]) -> tuple[object, ...]:
    """So many items, or those that this step gives."""
    if isinstance(width, int):
        return ("list", tuple(("lit", n) for n in range(width)))
    given = ("get", ("ref", "step", width), "xs")
    (source,) = [step for step in steps if step.name == width]
    return given if source.loop is None else ("call", "flatten", (given,), ())


def dice(seed: int, failures: float) -> random.Random:
    return random.Random(f"{seed} {failures}")  # noqa: S311 - not for secrets


class Unruly(InProcessBroker):
    """Reports come twice, and in any order within a batch; some offers get lost."""

    dice: random.Random

    async def inbox(self, until: float | None) -> Inbox:
        inbox = await super().inbox(until)
        reports: list[Report] = []
        for report in inbox.reports:
            reports += [report] * self.dice.choice([1, 1, 2])
        self.dice.shuffle(reports)
        return Inbox(reports, inbox.tag)

    async def publish(self, orders: Sequence[Order]) -> None:
        await super().publish([order for order in orders if self.dice.random() > 0.1])


def outcomes(seed: int, failures: float) -> Callable[[Work], Outcome]:
    rolls = dice(seed, failures)

    def ends(work: Work) -> Outcome:
        roll = rolls.random()
        if roll < failures / 4:
            return lost("contact was lost")
        return exited(1) if roll < failures else succeeds(work)

    return ends


def succeeds(work: Work) -> Outcome:
    """With a list that depends on nothing but the task, and may hold an item twice."""
    chance = random.Random(work.step)  # noqa: S311 - not for secrets
    xs = [chance.randrange(3) for _ in range(chance.choice([0, 1, 1, 2]))]
    return exited(0, values=f"xs={json.dumps(xs)}\n".encode())


def check_counts(bench: Bench, run: RunRow) -> None:
    """The counts of the stages are those of the tasks; of those excluded, none."""

    def look(tx: Transaction) -> tuple[list[StageRow], list[TaskRow], RunRow]:
        return tx.stages_of(run.number), tx.all_tasks(run.number), tx.runs([run.number])[0]

    stages, tasks, row = bench.store.transact_now(look)
    for stage in stages:
        states = Counter(t.state for t in tasks if t.step == stage.step)
        assert stage.open == sum(n for state, n in states.items() if not state.ended)
        assert stage.failed == sum(states[state] for state in FAILED_STATES)
        assert stage.skipped == states[TaskState.SKIPPED]
        assert stage.unmet == states[TaskState.UPSTREAM_FAILED]
    assert row.open == sum(1 for s in stages if s.open or s.waiting_on)


def check_mirror(bench: Bench, run: RunRow) -> None:
    """What the scheduler believes is what the database says."""
    mirror = bench.scheduler.work.mirror
    if mirror is None:
        return
    number, now = run.number, bench.clock.now()

    def look(tx: Transaction) -> None:
        reads: list[Callable[[Turn], object]] = [
            lambda it: it.runs([number]),
            lambda it: it.all_tasks(number),
            lambda it: it.open_tasks(number),
            lambda it: sorted(it.stages_of(number)),
            lambda it: it.active(),
            lambda it: sorted(it.due(now)),
            lambda it: it.next_due(now),
            lambda it: it.ready(now, {Queue("default", 0): 1000}),
        ]
        for read in reads:
            assert read(mirror) == read(tx)
        refs = [StageRef(number, s.step) for s in tx.stages_of(number)]
        theirs = {ref: kept for ref, kept in tx.outputs(refs).items() if kept}
        assert {ref: kept for ref, kept in mirror.outputs(refs).items() if kept} == theirs

    bench.store.transact_now(look)


async def play(
    folder: Path, definition: Definition, seed: int, failures: float, mirrored: bool
) -> None:
    bench = Bench(folder, outcomes(seed, failures))
    broker = Unruly(bench.clock)
    broker.dice = dice(seed, 0)
    bench.broker = broker
    try:
        run = bench.create(definition)

        def check() -> None:
            check_counts(bench, run)
            check_mirror(bench, run)

        bench.seen.check = check
        if not run.state.ended:
            bench.drive(run, slots=3, alone=mirrored)
            run = await bench.to_the_end(run)
        check_counts(bench, run)
        rows = bench.rows(run.number)
        assert all(task.state.ended and task.run_at is None for task in rows)
        assert not bench.executor.side_by_side
        assert (run.state is RunState.FAILED) == (run.failed > 0)
        for task in rows:
            step = definition.steps[task.step]
            assert task.attempt <= step.retry.attempts
            if not step.idempotent and task.state is TaskState.LOST:
                assert task.detail
        check_fan_outs(bench, definition, run)
        await check_retry(bench, run)
    finally:
        await bench.close()


def check_fan_outs(bench: Bench, definition: Definition, run: RunRow) -> None:
    """What became of each late fan-out is what the ends of those it needs call for."""
    stages = bench.store.transact_now(lambda tx: tx.stages_of(run.number))
    states = {definition.steps[s.step].name: stage_state(s) for s in stages}
    rows: dict[str, list[TaskRow]] = {step.name: [] for step in definition.steps}
    for task in bench.rows(run.number):
        rows[definition.steps[task.step].name].append(task)
    for each in definition.steps:
        if not rows[each.name] or not rows[each.name][0].key.endswith("[…]"):
            continue
        stand_in, *tasks = rows[each.name]
        expected, keys = fate(definition, each, states, rows)
        assert stand_in.state.value == expected, stand_in
        assert [task.key for task in tasks] == keys


def fate(
    definition: Definition, step: Step, states: dict[str, str], rows: dict[str, list[TaskRow]]
) -> tuple[str, list[str]]:
    """How the stand-in of a late fan-out should have ended, and the keys of its tasks."""
    allowed = {s.name for s in definition.steps if s.allow_failure}
    needed = {need: states[need] for need in step.needs}
    if step.when_decides:
        assert step.when is not None
        _, question, of = step.when
        if question != "done" and needed[of].replace("upstream_failed", "skipped") != question:
            return "skipped", []
    elif any(
        state == "upstream_failed" or (state == "failed" and need not in allowed)
        for need, state in needed.items()
    ):
        return "upstream_failed", []
    elif "skipped" in needed.values() or step.when == ("lit", False):
        return "skipped", []
    assert step.loop is not None
    source = step.loop.items[1] if step.loop.items[0] == "get" else step.loop.items[2][0][1]
    gave = [task for task in rows[source[2]] if task.state is not TaskState.EXPANDED]
    empty = bool(gave) and gave[0].key.endswith("[…]") and states[source[2]] == "succeeded"
    if not empty and any(task.outputs is None for task in gave):
        return "failed", []
    items = [x for task in gave for x in (task.outputs or {"xs": []})["xs"]]
    seen = Counter[int]()
    keys = []
    for x in items:
        seen[x] += 1
        keys.append(f"{step.name}[{x}]" + (f"#{seen[x]}" if seen[x] > 1 else ""))
    return ("expanded" if items else "succeeded"), keys


async def check_retry(bench: Bench, run: RunRow) -> None:
    """A retry does again all that did not end well and what stands behind it, and nothing
    that succeeded before anything that is done again."""
    rows = bench.rows(run.number)
    plan = bench.plan(run)
    kept = {row.key for row in bench.again(run).carried.values()}
    again = bench.retry(run)
    bench.executor.started.clear()
    bench.executor.ends = succeeds
    bench.seen.tasks.clear()
    bench.seen.check = lambda: None
    if not again.state.ended:
        bench.drive(again, slots=3)
        again = await bench.to_the_end(again)
    done = set(bench.executor.keys())
    assert not done & kept
    failed = 0
    for row in bench.rows(again.number):
        stands_in = row.key.endswith("[…]")
        no_list = row.state is TaskState.FAILED and "list of `for` has no value" in row.detail
        failed += no_list and not plan.steps[row.step].step.allow_failure
        hindered = no_list or row.state is TaskState.UPSTREAM_FAILED
        assert stands_in or hindered or row.key in kept | done or row.state is TaskState.SKIPPED
        assert (row.carried_from is not None) == (row.key in kept)
    assert again.state is (RunState.FAILED if failed else RunState.SUCCEEDED)
    unstable: set[int] = set()
    fine = {TaskState.SUCCEEDED, TaskState.SKIPPED, TaskState.EXPANDED}
    for planned in plan.topological():
        mine = [row for row in rows if row.step == planned.index]
        settled = all(r.state in fine for r in mine)
        if unstable & set(planned.needs):
            unstable.add(planned.index)
            continue
        succeeded = {r.key for r in mine if r.state is TaskState.SUCCEEDED}
        assert succeeded <= kept
        if not settled:
            unstable.add(planned.index)


@FEW
@given(graphs(), st.integers(0, 10_000), st.sampled_from([0.0, 0.2, 0.6]), st.booleans())
def test_every_run_ends_and_keeps_every_promise(
    definition: Definition, seed: int, failures: float, mirrored: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder), definition, seed, failures, mirrored))
