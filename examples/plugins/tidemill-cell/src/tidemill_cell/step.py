"""One step, from its folder to its outcome.

    worker ── unshare ── init.py, process 1 of a new namespace ── the step

`init.py` is told what to do by its standard input, a line of JSON each, and tells what has
become of it through another pipe. When it ends, for whatever reason, the kernel ends all
processes of the namespace; and it ends when the worker does, since then its input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidemill.spi import (
    Outcome,
    ScriptAction,
    StartError,
    StepIO,
    Usage,
    Work,
    exited,
    failed_to_start,
    killed,
    lost,
)
from tidemill.spi.files import VALUES_LIMIT, collect
from tidemill_cell.settings import CellSettings

INIT = Path(__file__).with_name("init.py")
LONGEST_ARGUMENT = 100_000
"""Linux takes no argument of more than 128 KiB: a longer script goes by a file."""


class Step:
    """`folder` is the step's own, made at its start and removed at its end."""

    def __init__(self, work: Work, io: StepIO, folder: Path, env: Mapping[str, str]) -> None:
        loop = asyncio.get_running_loop()
        self.over: asyncio.Future[Outcome] = loop.create_future()
        self._work, self._io, self._folder, self._env = work, io, folder, env
        self._begun: asyncio.Future[None] = loop.create_future()
        self._life: asyncio.Task[None] | None = None
        self._control: asyncio.StreamWriter | None = None
        self._grace: float | None = None

    async def start(self, until: float | None) -> None:
        """Returns when it runs. Raises StartError where it does not."""
        self._life = asyncio.create_task(self._live(until))
        try:
            await asyncio.shield(self._begun)
        except asyncio.CancelledError:
            self.stop(0)
            raise

    def stop(self, grace: float) -> None:
        self._grace = grace if self._grace is None else min(grace, self._grace)
        self._tell(stop=self._grace)

    def extend(self, until: float) -> None:
        self._tell(until=until)

    async def ended(self) -> None:
        if self._life is not None:
            await asyncio.wait({self._life})

    def _tell(self, **what: Any) -> None:
        """Does nothing where nobody listens yet, or any more."""
        if self._control is not None and not self._control.is_closing():
            self._control.write(json.dumps(what).encode() + b"\n")

    # its life

    async def _live(self, until: float | None) -> None:
        """Its folder is gone before anybody hears that it has ended."""
        try:
            try:
                outcome = await self._carry_out(until)
            finally:
                await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        except Exception as error:  # noqa: BLE001  whoever waits is told
            self._fail(error)
        else:
            self.over.set_result(outcome)

    async def _carry_out(self, until: float | None) -> Outcome:
        await asyncio.to_thread(self._make_folder)
        outcome = await self._run(until)
        if outcome.ok:
            await self._save_files()
        return outcome

    def _fail(self, error: Exception) -> None:
        """For `start` to say, or if it runs already for `wait`."""
        if not self._begun.done():
            text = error if isinstance(error, StartError) else f"it cannot be started: {error}"
            self._begun.set_exception(StartError(str(text)))
            self.over.set_result(failed_to_start(str(text)))
        else:
            self.over.set_exception(error)

    def _make_folder(self) -> None:
        self._folder.mkdir(parents=True, mode=0o700)
        (self._folder / "tmp").mkdir()
        for file in self._work.inputs:
            path = self._folder / "inputs" / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.source, path)
            path.chmod(0o444)

    async def _run(self, until: float | None) -> Outcome:
        order = await asyncio.to_thread(self._order) | {"until": until}
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._unshare(),
                *(sys.executable, "-I", "-S", str(INIT), str(writing)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(writing,),
                env={"PATH": os.environ.get("PATH", os.defpath)},
                start_new_session=True,
            )
        except FileNotFoundError:
            os.close(reading)
            raise StartError("there is no `unshare` here: install util-linux") from None
        finally:
            os.close(writing)
        self._control = process.stdin
        self._tell(**order)
        if self._grace is not None:
            self._tell(stop=self._grace)
        with os.fdopen(reading, "rb") as told:
            news = await asyncio.to_thread(told.readline)
            return await self._follow(process, json.loads(news or "{}"), told)

    async def _follow(
        self, process: asyncio.subprocess.Process, news: dict[str, Any], told: Any
    ) -> Outcome:
        output: Any = process.stdout
        if not news:  # nobody came so far as to tell
            text = (await output.read()).decode(errors="replace").strip()
            await process.wait()
            if self._grace is not None:
                text = "it was stopped before it began"
            raise StartError(text or "unshare was killed")
        if "error" in news:
            await process.wait()
            raise StartError(news["error"])
        self._begun.set_result(None)
        while data := await output.read(1 << 16):
            self._io.write(data)
        await process.wait()
        return await asyncio.to_thread(self._outcome, json.loads(told.readline() or "{}"))

    def _outcome(self, news: dict[str, Any]) -> Outcome:
        if "lost" in news:
            return lost(news["lost"])
        if not news:
            return lost("the process that kept this step was killed, and so the step")
        usage = Usage(news["cpu_seconds"], news["peak_memory"])
        if news["status"] < 0:
            return killed(-news["status"], usage=usage)
        return exited(news["status"], usage=usage, values=self._values())

    def _values(self) -> bytes:
        try:
            with (self._folder / "output").open("rb") as file:
                return file.read(VALUES_LIMIT + 1)
        except FileNotFoundError:
            return b""

    async def _save_files(self) -> None:
        workdir = self._work.project / self._located().workdir
        for output in self._work.outputs:
            for name, path in await asyncio.to_thread(collect, workdir, output):
                await self._io.save_file(output.name, name, path)

    # what runs

    def _located(self) -> Work:
        return self._work.located(str(self._folder / "inputs"))

    def _unshare(self) -> list[str]:
        command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        if os.geteuid() != 0:
            command += ["--user", "--map-current-user"]
        if isinstance(self._work.settings, CellSettings) and not self._work.settings.network:
            command += ["--net"]
        return [*command, "--"]

    def _order(self) -> dict[str, Any]:
        work = self._located()
        env = {**self._env, **work.env, "TMPDIR": str(self._folder / "tmp")}
        env |= {"TIDE_OUTPUT": str(self._folder / "output")}
        env |= {"TIDE_INPUTS": str(self._folder / "inputs")} if work.inputs else {}
        argv = self._argv(work)
        if any("\0" in text for text in (*argv, *env, *env.values())):
            raise StartError("a variable or an argument holds a NUL character")
        return {"argv": argv, "env": env, "workdir": str(work.project / work.workdir)}

    def _argv(self, work: Work) -> list[str]:
        action = work.action
        if not isinstance(action, ScriptAction):
            return list(action.argv)
        if not action.in_file and len(action.text.encode("utf-8", "surrogateescape")) < (
            LONGEST_ARGUMENT
        ):
            return [*action.interpreter, "-c", action.text]
        script = self._folder / "script"
        script.write_bytes(action.text.encode("utf-8", "surrogateescape"))
        return [*action.interpreter, str(script)]
