"""A plugin for Tidemill: what it finds through the entry point in `pyproject.toml`.

It is imported wherever a file names `cell`, so what is heavy is imported later.
"""

from __future__ import annotations

from tidemill.spi import (
    Executor,
    ExecutorContext,
    ExecutorType,
    Notifier,
    NotifierType,
    hookimpl,
)
from tidemill_cell.settings import CellNotifySettings, CellSettings

TIDEMILL_SPI = 1
"""The version of `tidemill.spi` that this was written for: another one refuses it."""


def _executor(context: ExecutorContext) -> Executor:
    from tidemill_cell.executor import CellExecutor

    return CellExecutor(context)


def _notifier() -> Notifier:
    from tidemill_cell.notifier import CellNotifier

    return CellNotifier()


@hookimpl
def tidemill_executors() -> list[ExecutorType]:
    return [
        ExecutorType(
            kind="cell",
            settings=CellSettings,
            factory=_executor,
            description="Runs steps in a process namespace of their own.",
        )
    ]


@hookimpl
def tidemill_notifiers() -> list[NotifierType]:
    return [
        NotifierType(
            kind="cell",
            settings=CellNotifySettings,
            factory=_notifier,
            description="Appends a line to a file.",
        )
    ]
