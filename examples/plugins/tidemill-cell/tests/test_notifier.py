"""The notifier writes a line, or says why it could not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import tidemill_cell
from tidemill.spi import Notice, NotifyError
from tidemill_cell.settings import CellNotifySettings

NOTICE = Notice("7", "failed", 0.0, {"pipeline": "release", "number": 3})


def send(path: Path, line: str = "it failed") -> None:
    (notifier,) = tidemill_cell.tidemill_notifiers()
    settings = CellNotifySettings(path=str(path), line=line)
    asyncio.run(notifier.factory().send(NOTICE, settings))


def test_a_notice_is_a_line(tmp_path: Path) -> None:
    send(tmp_path / "log")
    send(tmp_path / "log", "of two\nlines")
    assert (tmp_path / "log").read_text() == "7 it failed\n7 of two lines\n"


def test_what_cannot_be_written_may_be_tried_again(tmp_path: Path) -> None:
    with pytest.raises(NotifyError, match="No such file or directory") as caught:
        send(tmp_path / "nowhere" / "log")
    assert not caught.value.permanent
