"""The executor contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel

from tidemill.spi.work import Outcome, SavedFile, Work


@dataclass(frozen=True, slots=True)
class Handle:
    """A started step. `token` is all that `recover` needs to find it again."""

    token: str


class StepIO(Protocol):
    """Where a step's output goes. Both calls are made on the event loop's thread."""

    def write(self, data: bytes) -> None:
        """Takes output as it comes, in pieces of any size and any encoding.

        Never blocks and never raises; lines, limits and masking are the engine's."""

    async def save_file(self, output: str, name: str, source: Path) -> None:
        """Keeps a collected file: `output` is the declared output's name, `name` the
        file's path relative to the workdir, `source` where its content can be read.

        Raises:
            OSError: the file could not be read or kept.
        """


class Executor(Protocol):
    """Runs steps of one kind. One instance serves one worker, many steps at a time.

    Every method is called on the worker's event loop and must not block it.
    """

    async def prepare(self, work: Work) -> None:
        """Does ahead of time what `start` would have to wait for (pull an image). May
        be called for work that is never started. Errors are logged, never fatal."""

    async def start(self, work: Work, io: StepIO) -> Handle:
        """Starts the step and returns as soon as it runs.

        Raises:
            StartError: nothing of the step runs, and why.
            SpiError: work of this id has been started before.
        """

    async def wait(self, handle: Handle) -> Outcome:
        """Waits for the end. Before it returns, all output has been written to the
        `StepIO`, the files of `Work.outputs` have been saved (if it exited with 0), and
        nothing of the step's process tree is left. May be called again, and returns the
        same outcome until `close`.

        Raises:
            SpiError: no step of this executor has this handle.
            OSError: the step succeeded, but a file of `Work.outputs` could not be kept.
        """

    async def stop(self, handle: Handle, grace: float) -> None:
        """Asks the whole process tree to end (SIGTERM), and kills what is left of it
        after `grace` seconds (at once, if 0). Returns without waiting for the end:
        `wait` tells of it. Calling it again with a shorter grace shortens the wait; on
        an ended step it does nothing.

        Raises:
            SpiError: no step of this executor has this handle.
        """

    async def restore(self, work: Work, files: Sequence[SavedFile]) -> None:
        """In the place of a start, where the result of an earlier attempt is used: puts
        its files where that attempt would have left them, so that people and steps that
        look there find what they would after a run. A file that is there with another
        content is replaced, one with the same is left alone. Does nothing where the
        files of a step do not outlive it.

        Raises:
            OSError: a file could not be put there, or its place is outside of the
                workdir.
        """

    async def recover(self, token: str) -> Handle | None:
        """After a worker's restart: takes up the step that an earlier instance started
        under this token, or returns None where it does not run any more."""

    async def close(self) -> None:
        """Stops everything that still runs, at once, and frees every resource."""


@dataclass(frozen=True, slots=True)
class ExecutorContext:
    """What a factory may know of the worker: a folder of its own for scratch files."""

    scratch: Path


@dataclass(frozen=True, slots=True)
class ExecutorType:
    """An executor that a plugin offers: the word behind `executor` in a `.tide` file,
    the model of its settings (their names, types, defaults and descriptions are what
    the language checks and documents), and how to make one.

    A duration reaches the model as seconds, a size as bytes, a secret (a setting of type
    `SecretStr`) as its text. The model is asked about settings that are known when a file
    is compiled too, so its validators look at nothing but their values."""

    kind: str
    settings: type[BaseModel]
    factory: Callable[[ExecutorContext], Executor]
    description: str = ""
