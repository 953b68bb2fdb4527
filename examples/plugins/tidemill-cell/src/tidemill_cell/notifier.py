"""The notifier: `tidemill.spi.Notifier`."""

from __future__ import annotations

import asyncio
import os

from pydantic import BaseModel

from tidemill.spi import Notice, NotifyError
from tidemill_cell.settings import CellNotifySettings


class CellNotifier:
    async def send(self, notice: Notice, settings: BaseModel) -> None:
        """Templates are filled in by now. It is called again with the same `notice.id` where
        nobody knows whether a line was written: receivers who mind can tell by that."""
        if not isinstance(settings, CellNotifySettings):
            raise TypeError(f"these are no settings of notify cell: {settings!r}")
        line = " ".join(settings.line.split())
        try:
            await asyncio.to_thread(_append, settings.path, f"{notice.id} {line}\n")
        except OSError as error:
            raise NotifyError(f"{settings.path}: {error.strerror}") from None

    async def close(self) -> None:
        """Nothing is kept open."""


def _append(path: str, line: str) -> None:
    """In one go, so that lines of several processes do not mix."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
