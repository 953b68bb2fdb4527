"""Deadlines, on the virtual clock: of runs and of steps, what follows when they pass, and what
is said before. Driven alone (with a mirror) and by a scheduler of all runs."""

from __future__ import annotations

from typing import Any

import pytest
from engine_bench import Bench, pipeline, step, subrun

from tidelang.definition import Deadline, Definition, Notification, Retry
from tidemill.engine.alarms import MOST
from tidemill.engine.durations import expected as expected_now
from tidemill.model.line import AGEING
from tidemill.model.messages import Nudge
from tidemill.model.rows import WHOLE, RunRow
from tidemill.model.states import RunState, TaskState
from tidemill.spi import exited

MINUTE = 60_000


@pytest.fixture(params=[True, False], ids=["alone", "all runs"])
def alone(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def waits(*keys: str) -> Any:
    """These steps go on until they are ended."""
    return lambda work: None if work.step in keys else exited(0)


def late(after: float, action: str = "notify", *steps: Any, **fields: Any) -> Definition:
    return pipeline(*steps, deadline=Deadline(int(after * 1000), action), **fields)


def told(bench: Bench, run: RunRow) -> list[tuple[str, int]]:
    """What the log says of the deadlines of a run: event and ordinal, in order."""
    found = bench.query(
        "SELECT kind, coalesce(ordinal, -1) FROM outbox"
        f" WHERE run = {run.number} AND kind LIKE 'deadline%' ORDER BY seq"
    )
    return [(kind, ordinal) for kind, ordinal in found]


def alarms(bench: Bench) -> int:
    ((count,),) = bench.query("SELECT count(*) FROM alarm")
    return int(count)


def history(bench: Bench, **seconds: float) -> None:
    for name, mean in seconds.items():
        row = f"'p', '{name}', 5, {mean}, 0"
        insert = f"INSERT INTO duration (pipeline, step, samples, mean, spread) VALUES ({row})"
        bench.query(f"{insert} RETURNING step")


async def test_a_run_that_ends_in_time_is_told_of_to_nobody(bench: Bench, alone: bool) -> None:
    bench.executor.ends = waits("a")
    run = bench.create(late(60, "cancel", step("a")))
    assert bench.run(run.number).deadline_at == run.created_at + 60
    bench.drive(run, alone=alone)
    await bench.clock.advance(50)
    bench.executor.end("a")
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED
    await bench.clock.advance(60)
    assert (told(bench, run), alarms(bench)) == ([], 0)


async def test_what_has_no_deadline_sets_no_alarm(bench: Bench) -> None:
    bench.create(pipeline(step("a"), step("b", "a")))
    assert alarms(bench) == 0


async def test_a_run_that_is_late_is_told_of_once_and_goes_on(bench: Bench, alone: bool) -> None:
    bench.executor.ends = waits("a")
    run = bench.create(late(60, "notify", step("a")))
    bench.drive(run, alone=alone)
    await bench.clock.advance(59)
    assert told(bench, run) == []
    await bench.clock.advance(2)
    assert told(bench, run) == [("deadline_missed", WHOLE)]
    await bench.clock.advance(600)
    bench.executor.end("a")
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED
    assert told(bench, run) == [("deadline_missed", WHOLE)]
    assert [(row.event, row.detail) for row in bench.seen.deadlines] == [
        ("deadline_missed", "it was to end within 1m")
    ]


async def test_at_its_deadline_a_run_is_cancelled_with_all_that_is_below_it(
    bench: Bench, alone: bool
) -> None:
    bench.executor.ends = waits("deep", "a")
    below = pipeline(step("deep"), name="below")
    run = bench.create(
        late(60, "cancel", step("a"), subrun("b", below), step("c", "a")), called=[below]
    )
    bench.drive(run, alone=alone)
    ended = await bench.to_the_end(run)
    assert (ended.state, ended.detail) == (RunState.CANCELLED, "its deadline passed")
    assert set(bench.states(run).values()) == {"cancelled"}
    assert bench.run(run.number + 1).state is RunState.CANCELLED
    assert told(bench, run) == [("deadline_missed", WHOLE)]
    assert (ended.ended_at or 0) - (ended.deadline_at or 0) < 1
    assert alarms(bench) == 0


async def test_the_deadline_of_a_step_counts_from_when_it_could_start(
    bench: Bench, alone: bool
) -> None:
    bench.executor.ends = waits("a", "b")
    run = bench.create(pipeline(step("a"), step("b", "a", deadline=Deadline(MINUTE))))
    bench.drive(run, alone=alone)
    await bench.clock.advance(300)
    assert alarms(bench) == 0, "it waits for another step still"
    bench.executor.end("a")
    await bench.clock.advance(59)
    assert (told(bench, run), alarms(bench)) == ([], 1)
    await bench.clock.advance(2)
    assert told(bench, run) == [("deadline_missed", 1)]
    bench.executor.end("b")
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED
    assert alarms(bench) == 0


async def test_at_its_deadline_a_step_is_cancelled_and_not_tried_again(
    bench: Bench, alone: bool
) -> None:
    bench.executor.ends = waits("a")
    patient = Retry(attempts=5, backoff=1_000, on=("failed", "timed_out", "lost"))
    slow = step("a", deadline=Deadline(MINUTE, "cancel"), retry=patient, allow_failure=True)
    run = bench.create(pipeline(slow, step("b")))
    bench.drive(run, alone=alone)
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED
    task = bench.task(run, "a")
    assert (task.state, task.detail) == (TaskState.CANCELLED, "its deadline passed")
    assert (task.attempt, bench.executor.keys().count("a")) == (1, 1)
    assert (told(bench, run), alarms(bench)) == ([("deadline_missed", 0)], 0)


async def test_a_step_that_waits_to_be_tried_again_is_cancelled_at_its_deadline(
    bench: Bench, alone: bool
) -> None:
    bench.executor.ends = lambda _: exited(1)
    again = Retry(attempts=5, backoff=3_600_000, max=3_600_000)
    run = bench.create(pipeline(step("a", deadline=Deadline(MINUTE, "cancel"), retry=again)))
    bench.drive(run, alone=alone)
    ended = await bench.to_the_end(run)
    assert (ended.state, bench.task(run, "a").state) == (RunState.FAILED, TaskState.CANCELLED)
    assert ended.ended_at is not None
    assert ended.ended_at - ended.created_at < 62


async def test_a_step_whose_worker_died_while_it_was_stopped_is_not_begun_again(
    bench: Bench,
) -> None:
    bench.executor.ends, bench.executor.stubborn = waits("a"), True
    slow = step("a", deadline=Deadline(MINUTE, "cancel"), retry=Retry(attempts=5, on=("lost",)))
    run = bench.create(pipeline(slow))
    bench.drive(run, alone=False)
    await bench.clock.advance(61)
    assert bench.task(run, "a").state is TaskState.RUNNING
    bench.kill_workers()
    await bench.clock.advance(1)
    bench.executor.at_work.clear()
    bench.work("other")
    ended = await bench.to_the_end(run)
    assert bench.task(run, "a").state is TaskState.CANCELLED
    assert (ended.state, bench.executor.keys()) == (RunState.FAILED, ["a"])


async def test_a_step_that_runs_a_pipeline_is_cancelled_with_it(bench: Bench, alone: bool) -> None:
    bench.executor.ends = waits("deep")
    below = pipeline(step("deep"), name="below")
    call = subrun("b", below, deadline=Deadline(MINUTE, "cancel"), retry=Retry(attempts=3))
    run = bench.create(pipeline(call, step("c")), called=[below])
    bench.drive(run, alone=alone)
    assert (await bench.to_the_end(run)).state is RunState.FAILED
    task = bench.task(run, "b")
    assert (task.state, task.detail) == (TaskState.CANCELLED, "its deadline passed")
    assert bench.executor.keys().count("deep") == 1
    assert alarms(bench) == 0


async def test_a_late_run_goes_before_others_of_its_priority(bench: Bench, alone: bool) -> None:
    bench.executor.ends = waits("first")
    below = pipeline(step("deep"), step("deep2"), name="below")
    steps = [step("first"), step("x"), step("y", priority="critical"), subrun("z", below)]
    run = bench.create(late(60, "escalate", *steps), called=[below])
    bench.drive(run, slots=1, alone=alone)
    bench.executor.ends = waits("first", "x", "y", "deep", "deep2")
    await bench.clock.advance(59)
    before = {task.key: task for task in bench.rows(run.number)}
    await bench.clock.advance(2)
    assert bench.run(run.number).raised == 1
    for task in bench.rows(run.number):
        moved = before[task.key].place - task.place
        assert moved == (0 if task.key == "y" or task.state.ended else AGEING), task.key


async def test_what_becomes_ready_later_is_offered_with_the_raised_priority(
    bench: Bench, alone: bool
) -> None:
    orders: list[int] = []
    bench.executor.ends = waits("a")
    below = pipeline(step("deep"), name="below")
    run = bench.create(
        late(60, "escalate", step("a"), step("b", "a", priority="low"), subrun("c", below, "a")),
        called=[below],
    )
    publish = bench.broker.publish

    async def spy(found: Any) -> None:
        orders.extend(order.priority for order in found)
        await publish(found)

    bench.broker.publish = spy  # type: ignore[method-assign]
    bench.drive(run, alone=alone)
    await bench.clock.advance(61)
    bench.executor.end("a")
    await bench.to_the_end(run)
    assert sorted(orders) == [1, 2, 2], "normal at first; then low and normal, one rank up"
    assert bench.run(run.number + 1).raised == 1


async def test_a_late_step_goes_before_the_others(bench: Bench, alone: bool) -> None:
    bench.executor.ends = waits("busy")
    hurry = step("z", "go", deadline=Deadline(MINUTE, "escalate"))
    run = bench.create(pipeline(step("busy"), step("go"), step("x", "go"), hurry))
    bench.drive(run, slots=4, alone=alone)
    bench.executor.ends = waits("busy", "x", "z")
    await bench.clock.advance(61)
    task = bench.task(run, "z")
    assert task.priority == 1
    assert task.place < bench.task(run, "x").place


async def test_a_run_below_a_late_step_is_raised_with_it(bench: Bench, alone: bool) -> None:
    bench.executor.ends = waits("deep")
    below = pipeline(step("deep"), name="below")
    call = subrun("b", below, deadline=Deadline(MINUTE, "escalate"))
    run = bench.create(pipeline(call), called=[below])
    bench.drive(run, alone=alone)
    await bench.clock.advance(61)
    assert (bench.run(run.number).raised, bench.run(run.number + 1).raised) == (0, 1)


async def test_a_late_run_that_waits_at_the_gate_is_raised_once(bench: Bench) -> None:
    bench.executor.ends = waits("a")
    narrow = late(60, "escalate", step("a", priority="low"), concurrency=1)
    first, second = bench.create(narrow), bench.create(narrow)
    bench.drive(first, alone=False)
    await bench.clock.advance(1)
    await bench.broker.report(Nudge(second.number))
    await bench.clock.advance(61)
    assert bench.run(second.number).state is RunState.PENDING
    bench.executor.end("a")
    await bench.clock.advance(1)
    assert (bench.run(second.number).state, bench.run(second.number).raised) == ("running", 1)
    task = bench.task(second, "a")
    assert task.ready_at is not None
    assert round((task.place - task.ready_at) / AGEING) == 2, "low is 3, and it is one rank up"


async def test_nothing_is_raised_beyond_critical(bench: Bench) -> None:
    bench.executor.ends = waits("a")
    run = bench.create(late(60, "escalate", step("a", priority="bulk")))
    bench.query(f"UPDATE run SET raised = {MOST} RETURNING number")
    bench.drive(run, alone=False)
    await bench.clock.advance(61)
    assert bench.run(run.number).raised == MOST


# at risk


async def test_a_run_that_goes_as_expected_is_not_at_risk(bench: Bench, alone: bool) -> None:
    history(bench, a=40, b=40)
    bench.executor.ends = waits("a", "b")
    run = bench.create(late(100, "notify", step("a"), step("b", "a")))
    bench.drive(run, alone=alone)
    await bench.clock.advance(40)
    bench.executor.end("a")
    await bench.clock.advance(40)
    bench.executor.end("b")
    await bench.to_the_end(run)
    assert (told(bench, run), alarms(bench)) == ([], 0)


async def test_a_run_that_falls_behind_is_told_of_once_before_it_is_late(
    bench: Bench, alone: bool
) -> None:
    history(bench, a=40, b=40)
    bench.executor.ends = waits("a", "b")
    run = bench.create(late(100, "notify", step("a"), step("b", "a")))
    bench.drive(run, alone=alone)
    await bench.clock.advance(50)
    assert told(bench, run) == [], "20 s to spare, and 10 s behind"
    await bench.clock.advance(12)
    assert told(bench, run) == [("deadline_at_risk", WHOLE)], "60 s to go, b alone takes 40 s"
    await bench.clock.advance(37)
    assert told(bench, run) == [("deadline_at_risk", WHOLE)]
    await bench.clock.advance(2)
    assert told(bench, run) == [("deadline_at_risk", WHOLE), ("deadline_missed", WHOLE)]


async def test_a_run_that_cannot_be_in_time_is_told_of_at_once(bench: Bench, alone: bool) -> None:
    history(bench, a=400)
    bench.executor.ends = waits("a")
    run = bench.create(late(100, "notify", step("a")))
    bench.drive(run, alone=alone)
    await bench.clock.advance(32)  # a scheduler that has just begun judges nothing for a lease
    assert told(bench, run) == [("deadline_at_risk", WHOLE)]


async def test_without_history_nothing_is_said_ahead(bench: Bench) -> None:
    bench.executor.ends = waits("a")
    run = bench.create(late(100, "notify", step("a")))
    assert alarms(bench) == 1
    bench.drive(run, alone=False)
    await bench.clock.advance(99)
    assert told(bench, run) == []


async def test_it_is_looked_at_only_so_often_how_things_stand(bench: Bench) -> None:
    """With a second to spare in an hour there is always a moment that is nearer."""
    history(bench, a=3599)
    bench.executor.ends = waits("a")
    run = bench.create(late(3600, "notify", step("a")))
    looks = 0

    def counted(tx: Any, pipeline: str) -> Any:
        nonlocal looks
        looks += 1
        return expected_now(tx, pipeline)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tidemill.engine.alarms.expected", counted)
        bench.drive(run, alone=False)
        await bench.clock.advance(3590)
    assert 10 < looks <= 110


# who dies when, and who is told


async def test_a_deadline_that_passed_while_nobody_was_there_is_missed_all_the_same(
    bench: Bench, alone: bool
) -> None:
    bench.executor.ends = waits("a")
    run = bench.create(late(60, "cancel", step("a", retry=Retry(attempts=3, on=("lost",)))))
    bench.drive(run, alone=alone)
    await bench.clock.advance(10)
    bench.stop()
    await bench.clock.advance(600)
    bench.drive(run, alone=alone)
    assert (await bench.to_the_end(run)).state is RunState.CANCELLED
    assert told(bench, run) == [("deadline_missed", WHOLE)]


async def test_what_ended_too_late_before_anybody_heard_the_alarm_has_missed_it(
    bench: Bench,
) -> None:
    """Its last result is booked in the turn in which the alarm would ring."""
    bench.executor.ends = waits("a")
    run = bench.create(late(60, "cancel", step("a", deadline=Deadline(30_000))))
    bench.drive(run, alone=False)
    await bench.clock.advance(1)
    bench.scheduler.work.judge_from = bench.clock.now() + 3_600  # nothing is judged so far
    await bench.clock.advance(120)
    bench.executor.end("a")
    assert (await bench.to_the_end(run)).state is RunState.SUCCEEDED
    assert told(bench, run) == [("deadline_missed", 0), ("deadline_missed", WHOLE)]


async def test_notifiers_are_told_of_what_is_late(bench: Bench) -> None:
    bench.told = True
    history(bench, a=80)
    blocks = (Notification("box", ("deadline_at_risk", "deadline_missed")),)
    bench.executor.ends = waits("a")
    slow = step("a", deadline=Deadline(30_000))
    run = bench.create(late(60, "notify", slow, notifications=blocks))
    bench.drive(run, alone=False)
    await bench.clock.advance(61)
    found = bench.store.transact_now(lambda tx: tx.notices_of(run.number))
    assert [(row.event, row.step, row.detail) for row in found] == [
        ("deadline_at_risk", "", "50s of work are expected, 30s are left"),
        ("deadline_missed", "a", "it was to end within 30s"),
        ("deadline_missed", "", "it was to end within 1m"),
    ]


async def test_a_run_below_has_the_deadline_of_its_own_pipeline(bench: Bench) -> None:
    bench.executor.ends = waits("deep")
    below = late(60, "cancel", step("deep"), name="below")
    run = bench.create(pipeline(subrun("b", below), step("c")), called=[below])
    bench.drive(run, alone=False)
    assert (await bench.to_the_end(run)).state is RunState.FAILED
    child = bench.run(run.number + 1)
    assert (child.state, told(bench, child)) == (
        RunState.CANCELLED,
        [("deadline_missed", WHOLE)],
    )


# what it costs


@pytest.mark.parametrize("many", [1, 400])
async def test_a_turn_asks_as_much_however_many_deadlines_are_set(bench: Bench, many: int) -> None:
    later = late(36_000, "cancel", step("a"))
    for _ in range(many):
        bench.create(later)
    bench.query("UPDATE task SET run_at = 1e12, state = 'ready' RETURNING run")
    now = bench.clock.now()
    statements: list[str] = []
    connection: Any = bench.store._connected().connection.dbapi_connection  # noqa: SLF001
    connection.set_trace_callback(statements.append)
    due = bench.store.transact_now(lambda tx: (tx.due_alarms(now, 200), tx.next_due(now)))
    connection.set_trace_callback(None)
    assert due == ([], now + 36_000)
    assert len(statements) <= 9
    plan = bench.query(
        "EXPLAIN QUERY PLAN SELECT run FROM alarm WHERE alarm.pooled AND alarm.at <= 5.0"
        " ORDER BY alarm.at LIMIT 9"
    )
    assert [row[-1] for row in plan] == ["SEARCH alarm USING INDEX alarm_at (at<?)"]


async def test_only_what_is_due_rings(bench: Bench) -> None:
    bench.executor.ends = waits("a")
    runs = [bench.create(late(60 if n < 3 else 36_000, "notify", step("a"))) for n in range(30)]
    bench.schedule(runs[0], alone=False)
    await bench.broker.report(Nudge(runs[-1].number))
    await bench.clock.advance(61)
    assert [told(bench, run) for run in runs] == [[("deadline_missed", WHOLE)]] * 3 + [[]] * 27
    assert alarms(bench) == 27
