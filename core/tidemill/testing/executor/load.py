"""Many steps, one after another and at once."""

# ruff: noqa: S101 -- asserts are what tests are made of
from __future__ import annotations

import asyncio

import pytest

from tidemill.testing.executor.bench import Bench


@pytest.mark.asyncio
class Load:
    async def test_many_steps_one_after_another(self, bench: Bench) -> None:
        for number in range(40):
            assert await bench.text(f"echo {number}") == f"{number}\n"

    async def test_many_steps_at_once(self, bench: Bench) -> None:
        """All of them run at the same time: each waits for the last one's file."""

        async def one(number: int) -> str:
            script = (
                f": > {number}; while [ $(ls | wc -l) -lt 24 ]; do sleep 0.02; done; echo {number}"
            )
            return await bench.text(script)

        texts = await asyncio.gather(*[one(number) for number in range(24)])
        assert texts == [f"{number}\n" for number in range(24)]
        await bench.assert_gone()
