"""Inputs that were copied ahead are in place when their step starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.spi import ExecutorContext, InputFile, ScriptAction, StartError, Work
from tidemill.testing.executor.bench import RecordingIO
from tidemill_local import LocalSettings
from tidemill_local.ahead import KEPT, NAME
from tidemill_local.executor import LocalExecutor


def work(folder: Path, number: int, source: Path) -> Work:
    return Work(
        f"1.{number}.1", 1, "s", 1, 1, ScriptAction("cat $TIDE_INPUTS/in/a.txt"), folder,
        LocalSettings(), inputs=(InputFile("in/a.txt", source),),
    )  # fmt: skip


async def test_a_copy_made_ahead_is_what_the_step_reads(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("content")
    executor, io = LocalExecutor(ExecutorContext(tmp_path / "scratch")), RecordingIO()
    await executor.prepare(work(tmp_path, 0, source))
    source.unlink()
    outcome = await executor.wait(await executor.start(work(tmp_path, 0, source), io))
    assert outcome.ok
    assert bytes(io.kept) == b"content"
    assert not list((tmp_path / "scratch").glob(f"*/{NAME}/*")), "nothing is left of it"
    with pytest.raises(StartError):
        await executor.start(work(tmp_path, 1, source), io)
    await executor.close()


async def test_copies_of_what_is_never_started_do_not_pile_up(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("content")
    executor = LocalExecutor(ExecutorContext(tmp_path / "scratch"))
    for number in range(KEPT + 3):
        await executor.prepare(work(tmp_path, number, source))
    assert len(list((tmp_path / "scratch").glob(f"*/{NAME}/*"))) == KEPT
    await executor.close()
    assert not list((tmp_path / "scratch").rglob("*"))
