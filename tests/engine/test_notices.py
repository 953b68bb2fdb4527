"""People are told of what happened in runs, in order and at least once, whatever becomes of
those who tell them: with the real scheduler and store, on the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from engine_bench import Bench, pipeline, step, subrun
from letter_box import HereTemplates, KnownSecrets, LetterBox

from tidelang.definition import Approval, Definition, Notification, Param, Retry, Step, Type
from tidemill.engine.delivery import TAKEN, TRIES, Delivery, pause
from tidemill.model.rows import NoticeRow, RunRow
from tidemill.spi import NotifyError, Outcome, Work, exited

ENDS = ("succeeded", "failed", "cancelled", "recovered")


@pytest.fixture(autouse=True)
def told(bench: Bench) -> None:
    bench.told = True


@pytest.fixture
async def box() -> LetterBox:
    return LetterBox()


def notify(*on: str, kind: str = "box", **settings: Any) -> Notification:
    return Notification(kind, on or ENDS, tuple(sorted(settings.items())))


def telling(*on: str, **settings: Any) -> Definition:
    return pipeline(step("build"), notifications=(notify(*on, **settings),))


def delivery(bench: Bench, box: LetterBox, **secrets: str) -> Delivery:
    known = KnownSecrets(**secrets)
    return Delivery(bench.store, bench.clock, box, known, HereTemplates())


@asynccontextmanager
async def delivering(bench: Bench, box: LetterBox, **secrets: str) -> AsyncIterator[Delivery]:
    """Somebody who delivers, until it is left: then they are dead."""
    found = delivery(bench, box, **secrets)
    task = asyncio.create_task(found.forever())
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def run(bench: Bench, definition: Definition, **options: Any) -> RunRow:
    row = bench.create(definition, **options)
    bench.drive(row, alone=False)
    return await bench.to_the_end(row)


def kept(bench: Bench, row: RunRow) -> list[NoticeRow]:
    return bench.store.transact_now(lambda tx: tx.notices_of(row.number))


def fails(*keys: str) -> Any:
    def ends(work: Work) -> Outcome:
        return exited(2 if work.step in keys else 0)

    return ends


@pytest.mark.parametrize("alone", [True, False])
async def test_a_run_that_fails_is_told_of_with_what_failed(
    bench: Bench, box: LetterBox, alone: bool
) -> None:
    bench.executor.ends = fails("unit")
    definition = pipeline(step("unit"), step("lint"), notifications=(notify("failed"),))
    row = bench.create(definition)
    bench.drive(row, alone=alone)
    row = await bench.to_the_end(row)
    async with delivering(bench, box):
        await bench.clock.advance(1)
    assert box.messages() == ["p failed: unit failed (exit code 2)"]
    ((notice, _),) = box.sent
    assert (notice.event, notice.run["number"], notice.run["state"]) == ("failed", 1, "failed")
    assert notice.at == row.ended_at


async def test_only_what_a_block_names_is_told_and_each_block_is_told(
    bench: Bench, box: LetterBox
) -> None:
    blocks = (notify("started", to=("lit", "a")), notify("succeeded", to=("lit", "b")))
    await run(bench, pipeline(step("build"), notifications=blocks))
    async with delivering(bench, box):
        await bench.clock.advance(1)
    told = {(settings.to, notice.event) for notice, settings in box.sent}
    assert told == {("a", "started"), ("b", "succeeded")}


@pytest.mark.parametrize(("on", "woken"), [("cancelled", 0), ("started", 1), ("succeeded", 1)])
async def test_who_delivers_is_woken_when_there_is_something_to_tell_and_not_otherwise(
    bench: Bench, on: str, woken: int
) -> None:
    """To look what is due costs the database more than most turns do."""
    steps = [step(name) for name in "abcdef"]
    await run(bench, pipeline(*steps, notifications=(notify(on),)))
    assert bench.seen.woken == woken


async def test_a_run_is_told_as_recovered_when_the_one_before_had_failed(
    bench: Bench, box: LetterBox
) -> None:
    for ends in (fails("build"), fails(), fails()):
        bench.executor.ends = ends
        await run(bench, telling("failed", "recovered"))
        bench.stop()
    async with delivering(bench, box):
        await bench.clock.advance(1)
    assert box.events() == ["failed", "recovered"]


async def test_an_approval_that_is_needed_is_told_with_its_prompt(
    bench: Bench, box: LetterBox
) -> None:
    gate = Step("gate", Approval(("lit", "Ship 1.2?"), (), None))
    row = bench.create(pipeline(gate, notifications=(notify("approval_needed"),)))
    bench.drive(row, alone=False)
    async with delivering(bench, box):
        await bench.clock.advance(1)
    ((notice, settings),) = box.sent
    assert (notice.step, notice.detail) == ("gate", "Ship 1.2?")
    assert settings.message == "p approval_needed: Ship 1.2?"


async def test_a_run_that_is_part_of_another_one_tells_by_its_own_blocks(
    bench: Bench, box: LetterBox
) -> None:
    child = pipeline(step("unit"), name="child", notifications=(notify("succeeded"),))
    parent = pipeline(subrun("checks", child), notifications=(notify("succeeded"),))
    await run(bench, parent, called=[child])
    async with delivering(bench, box):
        await bench.clock.advance(1)
    assert sorted(notice.run["pipeline"] for notice, _ in box.sent) == ["child", "p"]


async def test_nobody_is_told_of_a_run_that_nobody_is_to_be_told_of(bench: Bench) -> None:
    bench.told = False
    row = await run(bench, telling("succeeded"))
    assert kept(bench, row) == []


async def test_a_cancelled_run_and_one_that_is_retried_tell_once_each(
    bench: Bench, box: LetterBox
) -> None:
    bench.executor.ends = lambda _: None
    row = bench.create(telling())
    bench.drive(row, alone=False)
    await bench.clock.advance(1)
    await bench.cancel(row)
    await bench.to_the_end(row)
    bench.stop()
    bench.executor.ends = fails()
    again = bench.retry(row)
    bench.drive(again, alone=False)
    await bench.to_the_end(again)
    async with delivering(bench, box):
        await bench.clock.advance(1)
    assert box.events() == ["cancelled", "succeeded"]


async def test_settings_and_messages_know_params_the_run_and_secrets(
    bench: Bench, box: LetterBox
) -> None:
    definition = pipeline(
        step("build"),
        params=(Param("target", Type("string")),),
        notifications=(
            notify(
                "succeeded",
                to=("ref", "param", "target"),
                url=("secret", "HOOK"),
                message=("lit", "{{ target }} #{{ run.number }} {{ run.state | upper }}"),
            ),
        ),
    )
    await run(bench, definition, params={"target": "prod"})
    async with delivering(bench, box, HOOK="https://hook/1234"):
        await bench.clock.advance(1)
    ((_, settings),) = box.sent
    assert (settings.to, settings.message) == ("prod", "prod #1 SUCCEEDED")
    assert settings.url is not None
    assert settings.url.get_secret_value() == "https://hook/1234"


async def test_what_is_not_taken_is_sent_again_with_longer_pauses(
    bench: Bench, box: LetterBox
) -> None:
    times: list[float] = []

    def answer(*_: Any) -> Exception | None:
        times.append(bench.clock.now())
        return NotifyError("the receiver is busy") if len(times) < 4 else None

    box.answer = answer
    row = await run(bench, telling("succeeded"))
    async with delivering(bench, box):
        await bench.clock.advance(300)
    pauses = [after - before for before, after in pairwise(times)]
    assert pauses == pytest.approx([pause(1), pause(2), pause(3)], abs=0.1)
    assert [notice.tries for notice, _ in box.sent] == [3]
    assert len({notice.id for notice, _ in box.sent}) == 1
    assert [(n.due_at, n.error) for n in kept(bench, row)] == [(None, "")]


async def test_a_notice_that_nobody_takes_is_given_up_in_the_end(
    bench: Bench, box: LetterBox
) -> None:
    box.answer = lambda *_: NotifyError("the receiver is busy")
    row = await run(bench, telling("succeeded"))
    async with delivering(bench, box):
        await bench.clock.advance(sum(map(pause, range(1, TRIES))) + 60)
    ((notice),) = kept(bench, row)
    assert (notice.tries, notice.due_at) == (TRIES, None)
    assert notice.error == "the receiver is busy"


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"message": ("lit", "{{ 1 / 0 }}")}, "division by zero"),
        ({"to": ("get", ("ref", "run", "number"), "nope")}, "setting to of notify box"),
    ],
)
async def test_what_no_try_could_mend_is_given_up_at_once(
    bench: Bench, box: LetterBox, settings: Any, error: str
) -> None:
    row = await run(bench, telling("succeeded", **settings))
    async with delivering(bench, box):
        await bench.clock.advance(1)
    (notice,) = kept(bench, row)
    assert (notice.due_at, notice.tries) == (None, 1)
    assert error in notice.error


async def test_a_refusal_for_good_and_a_wish_to_be_left_alone_are_heeded(
    bench: Bench, box: LetterBox
) -> None:
    answers: list[Exception | None] = [
        NotifyError("slow down", retry_after=700.0),
        NotifyError("no such channel", permanent=True),
    ]
    box.answer = lambda *_: answers.pop(0)
    row = await run(bench, telling("succeeded"))
    async with delivering(bench, box):
        await bench.clock.advance(690)
        assert len(answers) == 1
        await bench.clock.advance(20)
    (notice,) = kept(bench, row)
    assert (notice.due_at, notice.error) == (None, "no such channel")


async def test_a_missing_secret_or_notifier_is_waited_for(bench: Bench, box: LetterBox) -> None:
    row = await run(bench, telling("succeeded", url=("secret", "HOOK")))
    async with delivering(bench, box):
        await bench.clock.advance(1)
    assert kept(bench, row)[0].error == "secret HOOK is not set"
    async with delivering(bench, box, HOOK="https://hook/1234"):
        await bench.clock.advance(60)
    assert box.events() == ["succeeded"]


async def test_no_error_that_is_kept_holds_a_secret(bench: Bench, box: LetterBox) -> None:
    def answer(_: Any, settings: Any) -> Exception:
        return OSError(f"cannot reach {settings.url.get_secret_value()}")

    box.answer = answer
    row = await run(bench, telling("succeeded", url=("secret", "HOOK")))
    async with delivering(bench, box, HOOK="https://hook/1234"):
        await bench.clock.advance(1)
    assert kept(bench, row)[0].error == "OSError: cannot reach ***"


async def test_events_of_a_run_come_in_order_though_the_first_one_is_refused_at_first(
    bench: Bench, box: LetterBox
) -> None:
    refused: list[str] = []

    def answer(notice: Any, _: Any) -> Exception | None:
        if len(refused) < 2:
            refused.append(notice.event)
            return NotifyError("busy")
        return None

    box.answer = answer
    await run(bench, telling("started", "succeeded"))
    async with delivering(bench, box):
        await bench.clock.advance(100)
    assert refused == ["started", "started"]
    assert box.events() == ["started", "succeeded"]


async def test_a_notifier_that_hangs_is_left_and_holds_up_no_other_run(
    bench: Bench, box: LetterBox
) -> None:
    first = await run(bench, telling("succeeded"))
    box.hangs.clear()
    async with delivering(bench, box):
        await bench.clock.advance(31)
        assert kept(bench, first)[0].error == "notify box took more than 30 s"
        box.hangs.set()
        await bench.clock.advance(60)
    assert box.events() == ["succeeded"]


async def test_who_dies_with_a_notice_in_hand_is_followed_by_another_who_sends_it(
    bench: Bench, box: LetterBox
) -> None:
    await run(bench, telling("succeeded"))
    box.hangs.clear()
    async with delivering(bench, box):
        await bench.clock.advance(1)
    box.hangs.set()
    async with delivering(bench, box):
        await bench.clock.advance(TAKEN - 10)
        assert box.events() == [], "it may be on its way still"
        await bench.clock.advance(20)
    assert box.events() == ["succeeded"]


async def test_of_two_who_deliver_one_sends_it(bench: Bench, box: LetterBox) -> None:
    async with delivering(bench, box) as one, delivering(bench, box) as other:
        for _ in range(5):
            await run(bench, telling("started", "succeeded"))
            bench.stop()
            one.wake()
            other.wake()
        await bench.clock.advance(10)
    assert sorted(box.events()) == ["started"] * 5 + ["succeeded"] * 5


async def test_a_step_that_is_tried_again_is_no_event(bench: Bench) -> None:
    left = [exited(1), exited(0)]
    bench.executor.ends = lambda _: left.pop(0)
    flaky = step("flaky", retry=Retry(attempts=2))
    row = await run(bench, pipeline(flaky, notifications=(notify(*ENDS),)))
    assert [notice.event for notice in kept(bench, row)] == ["succeeded"]
