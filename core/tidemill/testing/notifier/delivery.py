"""What arrives, and how often."""

# ruff: noqa: S101 -- asserts are what tests are made of
from __future__ import annotations

import asyncio

import pytest

from tidemill.testing.notifier.bench import Bench, notice

EVENTS = (
    "started", "succeeded", "failed", "cancelled", "recovered", "deadline_at_risk",
    "deadline_missed", "approval_needed", "test",
)  # fmt: skip
HOSTILE = (
    "ünïcödé 漢字 🙂 e\u0301 \u202e",
    "first line\nsecond line\n\nfourth line",
    "line\r\n.\r\nQUIT\r\nline",
    "\"quotes\" 'and' \\backslashes\\ {{ braces }} {% tags %} %s %(x)s $HOME `ls`",
    "half a character: \udce9",
)
LARGE = 200_000


@pytest.mark.asyncio
class Delivering:
    async def test_a_notice_is_delivered_once(self, bench: Bench) -> None:
        await bench.send("the build is broken")
        assert bench.texts == ["the build is broken"]

    async def test_every_kind_of_event_is_delivered(self, bench: Bench) -> None:
        for event in EVENTS:
            await bench.send(f"it has {event}", notice(event))
        assert bench.texts == [f"it has {event}" for event in EVENTS]

    async def test_a_second_delivery_can_be_told_by_its_id(self, bench: Bench) -> None:
        told = notice()
        for each in (told, told, notice()):
            await bench.send("again", each)
        first, second, other = (delivery.id for delivery in bench.receiver.deliveries)
        if bench.receiver.has_ids:
            assert first
            assert first == second != other
        else:
            assert first is second is other is None

    @pytest.mark.parametrize("text", HOSTILE)
    async def test_any_text_arrives_as_it_is(self, bench: Bench, text: str) -> None:
        await bench.send(text)
        wanted = text.encode("utf-8", "replace").decode().replace("\r\n", "\n")
        assert [text.replace("\r\n", "\n") for text in bench.texts] == [wanted]

    async def test_what_a_step_has_written_harms_no_header(self, bench: Bench) -> None:
        detail = 'a\r\nBcc: mallory@example.com\r\n\r\n\0\udce9 "b" </b>'
        await bench.send("fine", notice(detail=detail))
        assert bench.texts == ["fine"]

    async def test_of_a_large_message_at_least_the_beginning_arrives(self, bench: Bench) -> None:
        """The rest may be cut where the service has a limit."""
        lines = "".join(f"line {number}\n" for number in range(LARGE // 12))
        await bench.send(lines)
        (arrived,) = bench.texts
        assert arrived.startswith(lines[:1000])

    async def test_many_at_once_arrive_each_once(self, bench: Bench) -> None:
        texts = [f"message {number}" for number in range(100)]
        await asyncio.gather(*map(bench.send, texts))
        assert sorted(bench.texts) == sorted(texts)
