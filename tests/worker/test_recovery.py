"""A worker that was killed takes back what it had at work: see `tidemill.worker.recovery`."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from engine_world import LEASE, World, step
from letter_box import KnownSecrets

from tidemill.app.records import FileRecords


@asynccontextmanager
async def at_work(
    folder: Path, secrets: KnownSecrets | None = None, **options: Any
) -> AsyncIterator[World]:
    """A world whose only step is at work, on a worker that writes it down."""
    world = World(folder, [step("a", **options)])
    world.records = FileRecords.of(folder / "steps")
    world.secrets = secrets or world.secrets
    world.worker = world.new_worker()
    async with world:
        await world.settle()
        assert world.at_work() == ["a"]
        yield world


async def killed(world: World) -> None:
    """The worker is gone, its step goes on."""
    world.executor.on_stop = False
    world.tasks[1].cancel()
    await asyncio.wait([world.tasks[1]])
    world.executor.started["a"][-1].stops.clear()
    world.executor.on_stop = True


async def returned(world: World) -> None:
    world.worker = world.new_worker()
    world.tasks[1] = asyncio.create_task(world.worker.run())
    for _ in range(5):
        await world.clock.advance(0.2)
        await world.settle()


def shown(world: World) -> str:
    """As a reader puts it together."""
    text, upto = b"", 0
    for piece in world.output:
        assert piece.at <= upto
        assert piece.size == len(piece.text)
        text += piece.text.encode()[upto - piece.at :]
        upto = max(upto, piece.at + piece.size)
    return text.decode()


def records(folder: Path) -> list[Path]:
    return sorted((folder / "steps").glob("*.step"))


async def test_a_step_is_taken_back_and_told_of(tmp_path: Path) -> None:
    async with at_work(tmp_path) as world:
        world.executor.started["a"][0].say(b"one\ntw")
        await killed(world)
        world.executor.started["a"][0].written += b"o\nthree\n"
        await returned(world)
        world.executor.started["a"][0].say(b"four\n")
        await world.end("a")
        await world.settle()
        assert (world.state("a"), world.row("a").fence, world.row("a").attempt) == (
            "succeeded",
            1,
            1,
        )
        assert shown(world) == "one\ntwo\nthree\nfour\n"
        assert len(world.executor.started["a"]) == 1
        assert world.refused() == 0
    assert records(tmp_path) == []


async def test_what_the_log_has_is_not_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(tmp_path) as world:
        world.executor.started["a"][0].say(b"one\ntw")
        await killed(world)

        async def told(order: object) -> int:
            del order
            return len(b"one\n")

        monkeypatch.setattr(world.broker, "told", told)
        await returned(world)
        world.executor.started["a"][0].say(b"o\n")
        await world.end("a")
        pieces = [(piece.at, piece.size, piece.text) for piece in world.output]
        assert pieces == [(0, 4, "one\n"), (4, 4, "two\n")]


async def test_a_step_that_ended_meanwhile_is_told_of(tmp_path: Path) -> None:
    async with at_work(tmp_path) as world:
        await killed(world)
        world.executor.started["a"][0].end(3)
        await returned(world)
        assert (world.state("a"), world.row("a").exit_code) == ("failed", 3)


async def test_a_step_that_is_not_there_any_more_is_lost_at_once(tmp_path: Path) -> None:
    async with at_work(tmp_path) as world:
        await killed(world)
        world.executor.started.clear()
        before = world.clock.now()
        await returned(world)
        assert world.clock.now() - before < LEASE / 3
        assert world.state("a") == "lost"
        assert "not there any more" in world.row("a").detail
    assert records(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is damaged"),
        (b"tidemill step 1\n{", "is damaged"),
        (b"tidemill step 1\n" + b"[" * 100_000, "is damaged"),
        (b"tidemill step 1\n{}", "is damaged"),
        (b"\xff\x00", "is damaged"),
        (b"tidemill step 2\n{}", "is of another version"),
    ],
)
async def test_a_record_that_cannot_be_read_ends_its_step_and_says_so_in_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes, why: str
) -> None:
    async with at_work(tmp_path) as world:
        await killed(world)
        (record,) = records(tmp_path)
        record.write_bytes(content)
        with caplog.at_level(logging.WARNING):
            await returned(world)
        assert world.executor.started["a"][0].stops == [0]
        assert world.state("a") == "lost"
        assert why in world.row("a").detail
        (line,) = [line for line in caplog.messages if "of run 1" in line]
        assert why in line
        assert "\n" not in line
    assert records(tmp_path) == []


async def test_a_file_that_is_no_record_is_let_be_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_work(tmp_path) as world:
        await killed(world)
        (tmp_path / "steps/hello.step").touch()
        await returned(world)
        assert "hello.step is no record of a step" in caplog.text
        await world.end("a")
        assert world.state("a") == "succeeded"


async def test_a_step_whose_secrets_have_changed_is_ended(tmp_path: Path) -> None:
    """What it was given could not be hidden in what it writes."""
    async with with_secret(tmp_path, "first-value") as world:
        await killed(world)
        world.secrets = KnownSecrets(S="other-value")
        await returned(world)
        assert world.executor.started["a"][0].stops == [0]
        assert world.state("a") == "lost"
        assert "secrets had changed" in world.row("a").detail


async def test_no_secret_is_written_down_and_all_are_hidden_again(tmp_path: Path) -> None:
    async with with_secret(tmp_path, "hunter2-hunter2") as world:
        world.executor.started["a"][0].say(b"it is hunter2-")
        await killed(world)
        (record,) = records(tmp_path)
        assert b"hunter2" not in record.read_bytes()
        assert record.stat().st_mode & 0o077 == 0
        await returned(world)
        assert world.executor.started["a"][0].work.env["S"] == "hunter2-hunter2"
        world.executor.started["a"][0].say(b"hunter2!\n")
        await world.end("a")
        assert "".join(piece.text for piece in world.output) == "it is ***!\n"


async def test_a_step_may_be_stopped_after_it_was_taken_back(tmp_path: Path) -> None:
    async with at_work(tmp_path) as world:
        await killed(world)
        await returned(world)
        await world.worker._held[next(iter(world.worker._held))].stop(5)  # noqa: SLF001
        await world.clock.advance(0.1)
        assert world.executor.started["a"][0].stops == [5]
        assert world.state("a") != "succeeded"


async def test_its_time_counts_from_its_beginning(tmp_path: Path) -> None:
    async with at_work(tmp_path, timeout=60_000) as world:
        await world.clock.advance(40)
        await killed(world)
        await returned(world)
        await world.clock.advance(10)
        assert world.state("a") == "running"
        await world.clock.advance(10)
        assert world.state("a") == "timed_out"


async def test_what_ended_before_its_time_was_over_did_not_run_into_it(tmp_path: Path) -> None:
    async with at_work(tmp_path, timeout=20_000) as world:
        await killed(world)
        world.executor.started["a"][0].end()
        await world.clock.advance(25)
        await returned(world)
        assert world.state("a") == "succeeded"


async def test_an_executor_that_cannot_tell_is_asked_for_a_lease(tmp_path: Path) -> None:
    async with at_work(tmp_path) as world:
        await killed(world)
        world.executor.cannot_tell = True
        await returned(world)
        await world.clock.advance(LEASE - 5)
        assert (world.state("a"), len(world.executor.recovered) > 5) == ("running", True)
        await world.clock.advance(10)
        assert world.state("a") == "lost"
        assert "the engine does not answer" in world.row("a").detail


async def test_nothing_is_asked_of_the_executor_before_a_scheduler_has_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then the lease may be over, and the step somebody else's."""
    async with at_work(tmp_path) as world:
        await killed(world)
        answered = [world.clock.now()]
        monkeypatch.setattr(world.broker, "last_contact", lambda: answered[-1])
        await returned(world)
        assert world.executor.recovered == []
        answered.append(world.clock.now())
        await world.clock.advance(0.3)
        await world.settle()
        assert world.executor.recovered == [world.executor.started["a"][0].work.id]


async def test_without_an_answer_it_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(tmp_path) as world:
        await killed(world)
        silent = world.clock.now()
        monkeypatch.setattr(world.broker, "last_contact", lambda: silent)
        await returned(world)
        await world.clock.advance(LEASE)
        await world.settle()
        assert world.executor.started["a"][0].stops == [0]
        assert world.state("a") == "lost"


async def test_a_result_that_may_not_have_arrived_is_told_again(tmp_path: Path) -> None:
    async with at_work(tmp_path) as world:
        (record,) = records(tmp_path)
        kept: list[bytes] = []
        drop = world.worker.records.drop  # type: ignore[union-attr]

        def keep_and_drop(begun: Any) -> None:
            kept.append(record.read_bytes())
            drop(begun)

        world.worker.records.drop = keep_and_drop  # type: ignore[method-assign,union-attr]
        await world.end("a", 3)
        assert records(tmp_path) == []
        await killed(world)
        record.write_bytes(kept[0])
        await returned(world)
        assert (world.state("a"), world.executor.recovered) == ("failed", [])
    assert records(tmp_path) == []


def test_two_processes_do_not_share_records(tmp_path: Path) -> None:
    first = FileRecords.of(tmp_path)
    assert first is not None
    assert FileRecords.of(tmp_path) is None
    first.close()
    again = FileRecords.of(tmp_path)
    assert again is not None
    again.close()


async def test_a_full_disk_costs_the_record_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tmp_path, [step("a")])
    world.records = FileRecords.of(tmp_path / "steps")
    world.worker = world.new_worker()
    shutil.rmtree(tmp_path / "steps")
    async with world:
        await world.settle()
        await world.end("a")
        assert world.state("a") == "succeeded"
        assert "nothing is written down of it" in caplog.text


@asynccontextmanager
async def with_secret(folder: Path, value: str) -> AsyncIterator[World]:
    known = KnownSecrets(S=value)
    async with at_work(folder, known, env=(("S", ("secret", "S")),)) as world:
        yield world
