"""The executor contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel

from tidemill.spi.work import Outcome, SavedFile, Work

OUTPUT_KEPT = 17 << 20
"""Bytes of a step's output that an executor keeps for who recovers it: a little more than
the engine keeps of it."""


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

    @property
    def self_fencing(self) -> bool:
        """Whether `extend` is honoured: steps end when their time is over, also while the
        worker's process stands still. Always the same for one executor."""

    @property
    def recovers(self) -> bool:
        """Whether `recover` finds steps of an earlier instance, where
        `ExecutorContext.recoverable` was set for it. Always the same for one executor."""

    async def prepare(self, work: Work) -> None:
        """Does ahead of time what `start` would have to wait for (pull an image, make its
        container). Nothing of the step runs yet, and no time of its own begins. What is held
        for it ends with the executor, and where `extend` would end a step.

        `start` may be given other work of the same id (another variable, another file): then
        what was made for this one is of no use. May be called for work that is never started:
        see `discard`. Errors are logged, never fatal."""

    def discard(self, work: Work) -> None:
        """Work of this id that was prepared is not going to be started after all: frees all
        that is held for it. Does nothing where nothing is, also for work that was started.

        Never blocks and never raises: what takes time goes on in a task of the executor's
        own, for which `close` waits."""

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

    def extend(self, seconds: float, since: float) -> None:
        """All that was started, and all that will be, may be at work for `seconds` from
        `since` on, a moment of `boot_time()`. The last call counts; before the first one
        there is no limit. Does nothing where `ExecutorContext.leased` is not set.

        What is at work when that time is over must end then, at once, as `lost`, whatever
        has become of this process: somebody else is about to be given the same step. The
        worker itself calls `stop` in good time, but one that is stopped (SIGSTOP), starved
        or hung cannot. So an executor has somebody outside of this process see to it: a
        helper process, the container's supervisor, the far end of its connection. What is
        started after the time is over ends as `lost` too, and what has been over is never
        brought back by a later call.

        An executor that cannot do this says so by `self_fencing`, and does nothing here.
        Called a few times in each lease. Never blocks and never raises: what has to travel
        does so in a task of the executor's own, in less than a tenth of `seconds`, and its
        far end counts from when it was asked, not from when it heard of it."""

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

    async def recover(
        self, token: str, work: Work | None = None, io: StepIO | None = None
    ) -> Handle | None:
        """After a worker's restart: takes up the step that an earlier instance of this
        executor, which was killed, started under this token; also one that has ended
        meanwhile. It has to be of the same `scratch` folder. Called for all tokens before
        the first `start`, when it is certain that the step is still this worker's, and only
        where `ExecutorContext.recoverable` is set.

        `work` is the step's as it was started, but for its `inputs`, which have no
        `source` any more. All that the step has put out is written to `io`, from its first
        byte on; the caller leaves out what it knows. An executor keeps at least the first
        `OUTPUT_KEPT` bytes for that. Without `work` and `io` nothing is known of the step
        but its token, and it is to be stopped.

        From here on it is a step like any other. The time that `extend` tells counts for
        it too, and what was over before is over: it ends as `lost`.

        Returns None where nothing of the step is at work any more, and its outcome is not
        known.

        Raises:
            StartError: nobody can tell now. It is asked again, or ends when its time is over.
        """

    async def close(self) -> None:
        """Stops everything that still runs, at once, and frees every resource."""


@dataclass(frozen=True, slots=True)
class ExecutorContext:
    """What a factory may know of the worker.

    `scratch` is a folder of the executor's own for temporary files. `leased` tells that
    steps are held on leases, and others are given them when one ends: `extend` is called
    before the first start, and on and on. It is not set for a run on one machine, whose
    steps nobody else could be given: such a run may be stopped for hours and go on.

    `recoverable`, which is only set with `leased`, tells that a worker that was killed is
    started again, and asks by `recover` for what it had at work. So an executor that
    `recovers` lets steps outlive its process until their time is over, and remembers their
    output and how they ended. Without it nothing outlives a killed worker."""

    scratch: Path
    leased: bool = False
    recoverable: bool = False


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
