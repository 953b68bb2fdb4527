"""What a step writes."""

# ruff: noqa: S101 -- asserts are what tests are made of
from __future__ import annotations

import asyncio

import pytest

from tidemill.testing.executor.bench import Bench


@pytest.mark.asyncio
class Output:
    async def test_both_streams_arrive_in_order(self, bench: Bench) -> None:
        script = "for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done"
        expected = "".join(f"o{i}\ne{i}\n" for i in range(1, 10))
        assert await bench.text(script) == expected

    async def test_binary_output_arrives_unchanged(self, bench: Bench) -> None:
        data = bytes(range(256)) * 64
        (bench.project / "data").write_bytes(data)
        _, running = await bench.run("cat data")
        assert running.output == data

    async def test_output_comes_while_the_step_runs(self, bench: Bench) -> None:
        running = await bench.start("echo first; while [ ! -e go ]; do sleep 0.01; done; echo last")
        await running.says(b"first\n")
        assert b"last" not in running.output
        (bench.project / "go").touch()
        assert (await running.end()).ok
        assert running.output == b"first\nlast\n"

    async def test_output_without_a_line_end_arrives(self, bench: Bench) -> None:
        assert await bench.text("printf abc") == "abc"

    async def test_all_output_is_there_at_the_end(self, bench: Bench) -> None:
        """Also what stands in the pipe when the last process dies."""
        for size in (1, 4096, 60_000):
            _, running = await bench.run(f"head -c {size} /dev/zero")
            assert running.io.size == size

    async def test_a_line_of_100_mb_passes_in_bounded_pieces(self, bench: Bench) -> None:
        outcome, running = await bench.run("head -c 100000000 /dev/zero")
        assert (outcome.ok, running.io.size) == (True, 100_000_000)
        assert running.io.largest <= 1 << 20

    async def test_an_endless_flood_blocks_nobody(self, bench: Bench) -> None:
        flood = await bench.start("while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done")
        await flood.io.until(lambda io: io.size > 1000)
        assert await bench.text("echo through") == "through\n"
        await flood.stop(0)
        await flood.end()

    async def test_closing_its_output_does_not_end_a_step(self, bench: Bench) -> None:
        outcome, running = await bench.run("echo a; exec >&- 2>&-; sleep 0.05; exit 7")
        assert (outcome.code, running.output) == (7, b"a\n")

    async def test_a_background_process_with_the_output_does_not_hang_a_step(
        self, bench: Bench
    ) -> None:
        outcome, running = await bench.run("sleep 1000 & echo started")
        assert (outcome.ok, running.output) == (True, b"started\n")
        await bench.assert_gone()

    async def test_outputs_of_steps_at_the_same_time_do_not_mix(self, bench: Bench) -> None:
        async def one(name: str) -> str:
            return await bench.text(f"for i in 1 2 3 4 5; do echo {name}; done")

        names = [f"n{number}" for number in range(8)]
        texts = await asyncio.gather(*[one(name) for name in names])
        assert texts == [f"{name}\n" * 5 for name in names]
