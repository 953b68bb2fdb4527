"""The start of a step: its files, its services and its container, until its own program runs
or is known not to.

It has two parts, and the first may be done long ahead of the second. A container is ready when
its shell waits for our program on its standard input: nothing of the step is in it yet, neither
its variables nor its arguments. It begins when that program is sent.
"""

from __future__ import annotations

import asyncio

from tidemill.spi import StartError, Work
from tidemill_docker import container, images, owner, program
from tidemill_docker.attach import Streams
from tidemill_docker.engine import Engine
from tidemill_docker.fence import Fence
from tidemill_docker.services import Services
from tidemill_docker.settings import DockerSettings
from tidemill_docker.step import Step

_STREAMS = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}


class TimeIsOverError(Exception):
    """Before the step began."""


class Opening:
    def __init__(
        self,
        engine: Engine,
        step: Step,
        fence: Fence | None,
        work: Work,
        settings: DockerSettings,
        executor: str,
    ) -> None:
        self._engine = engine
        self._step = step
        self._fence = fence
        self._work = work.located(f"{program.HOME}/{program.INPUTS}")
        self._settings = settings
        self._executor = executor
        self._streams: Streams | None = None

    async def run(self) -> None:
        """Raises: StartError, SpiError, TimeIsOverError, Missing, Refused, EngineGone."""
        streams = self._streams or await self.get_ready()
        self._check()
        await streams.send(self._program(self._fence.end if self._fence else float("inf")))
        known, said = await streams.first_words()
        if not known or said != "ok":
            raise await self._not_begun(known, said, program.argv_of(self._work)[0])

    async def get_ready(self) -> Streams:
        """Raises: as `run`."""
        step, work, settings = self._step, self._work, self._settings
        self._program(0.0)  # what is wrong with it is said before anything is made
        user, private = container.user_of(settings), settings.workspace == "none"
        await asyncio.to_thread(step.folder.make, work, user, private=private)
        self._check()
        step.container = await self._create()
        streams = Streams(await self._engine.call("attach_socket", step.container, _STREAMS))
        step.streams = streams
        self._check()
        await self._engine.call("start", step.container)
        self._check()
        self._streams = streams
        return streams

    async def is_still_ready(self) -> bool:
        """Whether what was got ready is there as it was: the engine may have been restarted
        since, or a service have ended."""
        services = self._settings.service
        if self._streams is None or not self._streams.is_silent:
            return False
        if services:
            label = {"label": f"{owner.TOKEN}={self._step.token}"}
            running = await self._engine.call("containers", filters=label)
            return len(running) == len(services) + 1
        return True

    def _program(self, end: float) -> bytes:
        work = self._work
        return program.program(work, program.argv_of(work), container.variables(work), end)

    def _check(self) -> None:
        if self._step.given_up or (self._fence is not None and self._fence.is_over):
            raise TimeIsOverError
        if self._step.unwanted:
            raise StartError("the start was given up")

    async def _create(self) -> str:
        step, settings, engine = self._step, self._settings, self._engine
        recoverable = self._fence is not None and self._fence.recoverable
        labels = owner.labels(
            self._work, self._executor, step.token, step.folder.path, recoverable=recoverable
        )
        if not settings.service:
            made = self._configuration(labels, settings.network)
            return await images.create(engine, settings, made)
        services = Services(engine, labels, self._check, step.write)
        step.has_services = True
        await services.start(settings)
        network = services.network
        made = self._configuration(labels, network)
        made["networking_config"] = container.on_network(network, "step")
        found = await images.create(engine, settings, made)
        if settings.network not in {"none", "bridge"}:
            await engine.call("connect_container_to_network", found, settings.network)
        return found

    def _configuration(self, labels: dict[str, str], network: str) -> dict[str, object]:
        folder = self._step.folder.path
        return container.configuration(self._settings, self._work, folder, labels, network)

    async def _not_begun(self, known: bool, said: str, name: str) -> Exception:
        word, _, rest = said.partition(" ")
        if self._step.given_up or (known and word == "expired"):
            return TimeIsOverError()
        workdir, settings = self._work.workdir, self._settings
        if known and word == "closed":
            user = container.user_of(settings)
            return StartError(
                f"the user {user} may not enter the workdir {workdir}: set `user` to one who "
                "may, or open the folder to them"
            )
        if known and word == "workdir":
            return StartError(f"cannot use the workdir {workdir}: no such folder in the container")
        if known:
            return StartError(
                f"{name} was not found in the image {settings.image} (PATH={rest}): "
                "name one that is there"
            )
        return await self._not_run(said)

    async def _not_run(self, said: str) -> StartError:
        """Our own program did not: `said` came in its place."""
        shown = await self._engine.shown(self._step.container)
        reason = said.strip().replace("\n", "; ")[:300]
        if "exec sh failed" in said:
            reason = "it has no sh, which every step is started by"
        elif shown and shown["State"].get("OOMKilled"):
            reason = "out of memory: raise the setting `memory`"
        image = self._settings.image
        return StartError(
            f"cannot start the step in the image {image}: {reason or 'it ended at once'}"
        )
