"""The bench that a test works at: makes work, runs it, keeps what it put out."""

# ruff: noqa: S101 -- asserts are what tests are made of
from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tidemill.spi import (
    ArgvAction,
    Executor,
    ExecutorType,
    Handle,
    Outcome,
    ScriptAction,
    Work,
)

LIMIT = 60.0
"""Seconds after which anything that a test waits for counts as hung."""

MARK = "TIDEMILL_TEST_MARK"
KEEP = 8 << 20
"""So much of a step's output is kept for a test to look at; all of it is counted."""

Action = str | tuple[str, ...] | ScriptAction | ArgvAction


class Subject:
    """What the author of an executor supplies."""

    def executor_type(self) -> ExecutorType:
        """The executor under test."""
        raise NotImplementedError("a conformance suite needs executor_type()")

    def settings(self) -> BaseModel:
        """The settings of every step of the suite."""
        return self.executor_type().settings()

    async def survivors(self, mark: str) -> list[str]:
        """The processes that are alive and have `TIDEMILL_TEST_MARK=<mark>` in their
        environment, one text for each. Override it where steps do not run on this
        machine."""
        return await asyncio.to_thread(marked_processes, mark)


class RecordingIO:
    """A `StepIO` that keeps what it is given, and can be waited on."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self.size = 0
        self.largest = 0
        self.files: dict[tuple[str, str], bytes] = {}
        self.refusal: OSError | None = None
        self._changed = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.size += len(data)
        self.largest = max(self.largest, len(data))
        self.kept += data[: KEEP - len(self.kept)]
        self._changed.set()

    async def save_file(self, output: str, name: str, source: Path) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.files[output, name] = await asyncio.to_thread(source.read_bytes)

    async def until(self, holds: Callable[[RecordingIO], bool]) -> None:
        async with asyncio.timeout(LIMIT):
            while not holds(self):
                self._changed.clear()
                await self._changed.wait()


@dataclass(frozen=True, slots=True)
class Running:
    """A step that was started."""

    executor: Executor
    work: Work
    handle: Handle
    io: RecordingIO

    @property
    def output(self) -> bytes:
        return bytes(self.io.kept)

    async def says(self, text: bytes) -> None:
        """Waits until the step has written this: how a test knows where it stands."""
        await self.io.until(lambda io: text in io.kept)

    async def end(self) -> Outcome:
        async with asyncio.timeout(LIMIT):
            return await self.executor.wait(self.handle)

    async def stop(self, grace: float) -> None:
        async with asyncio.timeout(LIMIT):
            await self.executor.stop(self.handle, grace)


@dataclass(slots=True)
class Bench:
    """`mark` is in the environment of every step, and finds its processes."""

    executor: Executor
    project: Path
    settings: BaseModel
    find: Callable[[str], Awaitable[list[str]]]
    mark: str = field(default_factory=lambda: secrets.token_hex(12))
    _numbers: count[int] = field(default_factory=count)

    def work(self, action: Action, **changes: Any) -> Work:
        """Work of a new id; a text is a script, a tuple an argv."""
        if isinstance(action, tuple):
            action = ArgvAction(action)
        elif isinstance(action, str):
            action = ScriptAction(action)
        env = {MARK: self.mark, **changes.pop("env", {})}
        number = next(self._numbers)
        values: dict[str, Any] = {
            "id": f"1-{number}-1",
            "run": 1,
            "step": f"step{number}",
            "attempt": 1,
            "fence": 1,
            "action": action,
            "project": self.project,
            "settings": self.settings,
            "env": env,
        }
        return Work(**{**values, **changes})

    async def start(self, action: Action | Work, **changes: Any) -> Running:
        work = action if isinstance(action, Work) else self.work(action, **changes)
        io = RecordingIO()
        async with asyncio.timeout(LIMIT):
            handle = await self.executor.start(work, io)
        return Running(self.executor, work, handle, io)

    async def run(self, action: Action | Work, **changes: Any) -> tuple[Outcome, Running]:
        running = await self.start(action, **changes)
        return await running.end(), running

    async def text(self, action: Action | Work, **changes: Any) -> str:
        """What a step that must succeed writes."""
        outcome, running = await self.run(action, **changes)
        assert outcome.ok, (outcome, running.output)
        return running.output.decode()

    async def assert_gone(self) -> None:
        """Nothing of any step is left."""
        assert await self.find(self.mark) == []

    def deadline(self) -> AbstractAsyncContextManager[Any]:
        return asyncio.timeout(LIMIT)


def marked_processes(mark: str) -> list[str]:
    """Processes of this machine with the mark in their environment, zombies apart."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    line = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                    found.append(f"{folder.name} {line.decode(errors='replace')}".strip())
            except OSError:
                continue  # it has ended, or is another user's
    return found
