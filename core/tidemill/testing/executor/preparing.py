"""What is got ready ahead of a start makes no difference but of time."""

# ruff: noqa: S101 -- asserts are what tests are made of
from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tidemill.spi import InputFile, Reason, ScriptAction, boot_time
from tidemill.testing.executor.bench import LIMIT, Bench

SEEN = (
    "env | grep -v '^HOSTNAME\\|^TMPDIR\\|^TIDE_OUTPUT\\|^TIDE_INPUTS' | sort; pwd; id; ulimit -a;"
    " trap; cat; cat $TIDE_INPUTS/in; exit 7"
)
"""What a step can say of itself, but for its own folders, and the name of its container."""


@pytest.mark.asyncio
class Preparing:
    async def test_a_step_sees_no_difference(self, bench: Bench) -> None:
        source = bench.project / "source"
        source.write_text("content\n")
        inputs = (InputFile("in", source),)
        cold = bench.work(SEEN, inputs=inputs)
        warm = replace(cold, id="ahead")
        await bench.executor.prepare(warm)
        (one, first), (other, second) = await bench.run(cold), await bench.run(warm)
        assert (one.reason, one.code) == (other.reason, other.code) == (Reason.EXITED, 7)
        assert first.output == second.output
        assert first.output.endswith(b"content\n")

    async def test_nothing_runs_before_the_start(self, bench: Bench) -> None:
        work = bench.work("touch begun; sleep 0.2")
        await bench.executor.prepare(work)
        await bench.assert_gone()
        assert not (bench.project / "begun").exists()
        outcome, _ = await bench.run(work)
        assert outcome.ok
        assert (bench.project / "begun").exists()

    async def test_what_is_started_counts_not_what_was_prepared(self, bench: Bench) -> None:
        one, two = bench.project / "one", bench.project / "two"
        one.write_text("one")
        two.write_text("two")
        text = 'echo "$SAYS $(cat $TIDE_INPUTS/in)"'
        work = bench.work(text, env={"SAYS": "early"}, inputs=(InputFile("in", one),))
        await bench.executor.prepare(work)
        other = replace(work, env={**work.env, "SAYS": "late"}, inputs=(InputFile("in", two),))
        assert await bench.text(other) == "late two\n"
        work = bench.work("echo early")
        await bench.executor.prepare(work)
        assert await bench.text(replace(work, action=ScriptAction("echo late"))) == "late\n"

    async def test_work_that_is_prepared_need_not_be_started(self, bench: Bench) -> None:
        await bench.executor.prepare(bench.work("true"))
        assert await bench.text("echo fine") == "fine\n"

    async def test_several_are_prepared_at_once(self, bench: Bench) -> None:
        works = [bench.work(f"echo {number}") for number in range(4)]
        await asyncio.gather(*map(bench.executor.prepare, works))
        said = await asyncio.gather(*map(bench.text, works))
        assert said == [f"{number}\n" for number in range(4)]

    async def test_what_was_discarded_may_still_be_started(self, bench: Bench) -> None:
        work = bench.work("echo fine")
        await bench.executor.prepare(work)
        bench.executor.discard(work)
        bench.executor.discard(work)
        assert await bench.text(work) == "fine\n"

    async def test_what_was_never_prepared_may_be_discarded(self, bench: Bench) -> None:
        work = bench.work("echo fine")
        bench.executor.discard(work)
        assert await bench.text(work) == "fine\n"

    async def test_what_was_started_is_not_discarded(self, bench: Bench) -> None:
        work = bench.work("echo ready; until [ -e go ]; do sleep 0.02; done; echo done")
        await bench.executor.prepare(work)
        running = await bench.start(work)
        await running.says(b"ready")
        bench.executor.discard(work)
        (bench.project / "go").touch()
        assert (await running.end()).ok
        assert running.output == b"ready\ndone\n"

    async def test_one_that_is_being_prepared_may_be_discarded(self, bench: Bench) -> None:
        work = bench.work("echo fine")
        preparing = asyncio.ensure_future(bench.executor.prepare(work))
        await asyncio.sleep(0.01)
        preparing.cancel()
        bench.executor.discard(work)
        await asyncio.wait({preparing})
        assert await bench.text(work) == "fine\n"

    async def test_closing_frees_what_was_prepared(self, bench: Bench) -> None:
        await bench.executor.prepare(bench.work("sleep 1000"))
        async with bench.deadline():
            await bench.executor.close()
        await bench.assert_gone()

    async def test_time_that_is_over_ends_what_was_prepared(self, leased: Bench) -> None:
        if not leased.executor.self_fencing:
            pytest.skip("this executor does not promise to end steps by itself")
        leased.executor.extend(LIMIT, boot_time())
        late, next_one = leased.work("touch begun"), leased.work("echo next")
        for work in (late, next_one):
            await leased.executor.prepare(work)
        leased.executor.extend(LIMIT, boot_time() - LIMIT)
        outcome, _ = await leased.run(late)
        assert outcome.reason is Reason.LOST
        assert not (leased.project / "begun").exists()
        leased.executor.extend(LIMIT, boot_time())
        assert await leased.text(next_one) == "next\n"
