"""Inputs that were copied ahead are in place when their step starts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tidemill.spi import ExecutorContext, InputFile, ScriptAction, StartError, Work
from tidemill.testing.executor.bench import RecordingIO
from tidemill_local import LocalSettings
from tidemill_local.ahead import NAME
from tidemill_local.executor import LocalExecutor


def work(folder: Path, number: int, source: Path) -> Work:
    return Work(
        f"1.{number}.1", 1, "s", 1, 1, ScriptAction("cat $TIDE_INPUTS/in/a.txt"), folder,
        LocalSettings(), inputs=(InputFile("in/a.txt", source),),
    )  # fmt: skip


def copies(folder: Path) -> list[Path]:
    return list((folder / "scratch").glob(f"*/{NAME}/*"))


async def become_none(folder: Path) -> None:
    async with asyncio.timeout(30):
        while copies(folder):  # noqa: ASYNC110  a thread does it
            await asyncio.sleep(0.01)


async def test_a_copy_made_ahead_is_what_the_step_reads(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("content")
    executor, io = LocalExecutor(ExecutorContext(tmp_path / "scratch")), RecordingIO()
    await executor.prepare(work(tmp_path, 0, source))
    source.unlink()
    outcome = await executor.wait(await executor.start(work(tmp_path, 0, source), io))
    assert outcome.ok
    assert bytes(io.kept) == b"content"
    assert not copies(tmp_path), "nothing is left of it"
    with pytest.raises(StartError):
        await executor.start(work(tmp_path, 1, source), io)
    await executor.close()


async def test_a_copy_of_another_file_is_not_what_the_step_reads(tmp_path: Path) -> None:
    source, other = tmp_path / "source", tmp_path / "other"
    source.write_text("content")
    other.write_text("another")
    executor, io = LocalExecutor(ExecutorContext(tmp_path / "scratch")), RecordingIO()
    await executor.prepare(work(tmp_path, 0, source))
    await executor.wait(await executor.start(work(tmp_path, 0, other), io))
    assert bytes(io.kept) == b"another"
    await become_none(tmp_path)
    await executor.close()


async def test_copies_of_what_is_never_started_are_removed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("content")
    executor = LocalExecutor(ExecutorContext(tmp_path / "scratch"))
    for number in range(3):
        await executor.prepare(work(tmp_path, number, source))
    assert len(copies(tmp_path)) == 3
    for number in range(3):
        executor.discard(work(tmp_path, number, source))
    await become_none(tmp_path)
    await executor.close()
    assert not list((tmp_path / "scratch").rglob("*"))


async def test_a_copy_that_is_still_being_made_can_be_discarded(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(50_000_000))
    executor = LocalExecutor(ExecutorContext(tmp_path / "scratch"))
    making = asyncio.ensure_future(executor.prepare(work(tmp_path, 0, source)))
    await asyncio.sleep(0)
    making.cancel()
    executor.discard(work(tmp_path, 0, source))
    await asyncio.wait({making})
    await executor.close()
    assert not list((tmp_path / "scratch").rglob("*"))
