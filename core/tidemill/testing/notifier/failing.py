"""How it fails: in one way, in plain words, and without giving anything away."""

# ruff: noqa: S101 -- asserts are what tests are made of
from __future__ import annotations

import logging

import pytest

from tidemill.testing.notifier.bench import Bench, notice
from tidemill.testing.notifier.receiver import Mood

PASSING = (Mood.BUSY, Mood.CUTS, Mood.GONE)
FAILING = (*PASSING, Mood.REFUSES)


@pytest.mark.asyncio
class Failing:
    @pytest.mark.parametrize("mood", PASSING)
    async def test_what_may_pass_is_not_permanent(self, bench: Bench, mood: Mood) -> None:
        await bench.receiver.become(mood)
        assert not (await bench.fails("once more")).permanent
        assert bench.texts == []

    async def test_what_cannot_pass_is_permanent(self, bench: Bench) -> None:
        await bench.receiver.become(Mood.REFUSES)
        error = await bench.fails("never")
        assert error.permanent is bench.receiver.tells_refusals
        assert bench.texts == []

    @pytest.mark.parametrize("mood", FAILING)
    async def test_after_a_failure_the_same_notice_arrives(self, bench: Bench, mood: Mood) -> None:
        told = notice()
        await bench.receiver.become(mood)
        await bench.fails("at last", told)
        await bench.receiver.become(Mood.TAKES)
        await bench.send("at last", told)
        assert bench.texts == ["at last"]

    @pytest.mark.parametrize("mood", FAILING)
    async def test_an_error_is_one_short_line(self, bench: Bench, mood: Mood) -> None:
        await bench.receiver.become(mood)
        text = str(await bench.fails("no"))
        assert text.strip() == text
        assert 10 < len(text) < 1000
        assert text.isprintable()

    @pytest.mark.parametrize("mood", FAILING)
    async def test_no_error_and_no_log_holds_a_secret(
        self, bench: Bench, mood: Mood, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert bench.receiver.secrets
        with caplog.at_level(logging.DEBUG):
            await bench.send("fine")
            await bench.receiver.become(mood)
            error = await bench.fails("no")
        bench.assert_discreet(error, caplog.text)

    @pytest.mark.parametrize("mood", FAILING)
    async def test_a_failure_leaves_no_connection(self, bench: Bench, mood: Mood) -> None:
        await bench.receiver.become(mood)
        await bench.fails("no")
        await bench.until_left()
