"""What runs beside a step, and only for it: services on a network of the step's own.

They are made before the step's container and removed behind it. All that is theirs has
the step's labels, so that whoever removes what a killed worker left finds them, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from tidemill.spi import StartError
from tidemill_docker import container, images, owner, program
from tidemill_docker.attach import Streams
from tidemill_docker.engine import Engine, Missing, Refused
from tidemill_docker.settings import DockerSettings, Service

_SHOWN = 50
"""Lines of its log that are shown of a service that fails."""


class Services:
    """Of one step. `check` raises where nobody waits for the step any more, `write` takes
    what is to be read in the step's output."""

    def __init__(
        self,
        engine: Engine,
        labels: Mapping[str, str],
        check: Callable[[], None],
        write: Callable[[bytes], None],
    ) -> None:
        self._engine = engine
        self._labels = labels
        self._check = check
        self._write = write
        self._failed = False
        self._alone = True
        self.network = owner.network_of(labels)

    async def start(self, settings: DockerSettings) -> None:
        """Returns when all of them are ready.

        Raises:
            StartError: one of them is not, and why.
        """
        internal = settings.network != "bridge"
        self._alone = internal
        options = {container.NO_ADDRESS: "true"} if internal else {}
        await self._engine.call(
            "create_network",
            self.network,
            driver="bridge",
            internal=internal,
            options=options,
            labels=dict(self._labels),
        )
        # Nothing is cancelled: what the engine is asked for it does, also unheard.
        ends = await asyncio.gather(
            *(self._start(name, each) for name, each in settings.service.items()),
            return_exceptions=True,
        )
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _start(self, name: str, service: Service) -> None:
        try:
            made = await self._create(name, service)
            await self._await(name, service, made)
        except BaseException:
            self._failed = True  # the others need not become ready any more
            raise

    async def _create(self, name: str, service: Service) -> str:
        self._check()
        labels = {**self._labels, owner.SERVICE: name}
        made = container.of_service(name, service, labels, self.network, alone=self._alone)
        made["networking_config"] = container.on_network(self.network, name)
        try:
            found = await images.create(self._engine, service, made)
            if not service.env:
                await self._engine.call("start", found)
            else:
                await self._start_with(found, service)
        except Refused as error:
            raise StartError(f"the engine cannot start the service {name}: {error}") from error
        return found

    async def _start_with(self, found: str, service: Service) -> None:
        """Its variables come to it on its standard input, as a step's do."""
        image = (await self._engine.call("inspect_image", service.image))["Config"] or {}
        argv = (*(image.get("Entrypoint") or ()), *(service.command or image.get("Cmd") or ()))
        text = program.of_service(argv, service.variables())
        streams = Streams(
            await self._engine.call("attach_socket", found, {"stdin": 1, "stream": 1})
        )
        try:
            await self._engine.call("start", found)
            await streams.send(text)
        finally:
            streams.close()

    # -- until it is ready

    async def _await(self, name: str, service: Service, found: str) -> None:
        end = time.monotonic() + service.timeout.total_seconds()
        while not self._failed:
            self._check()
            state = (await self._engine.call("inspect_container", found))["State"]
            if not state["Running"]:
                raise await self._ended(name, found, state)
            if not (missing := await self._missing(service, found)):
                return
            if time.monotonic() > end:
                await self._show_log(name, found)
                limit = f"{service.timeout.total_seconds():g} s"
                raise StartError(f"the service {name} was not ready within {limit}: {missing}")
            await asyncio.sleep(service.interval.total_seconds())

    async def _missing(self, service: Service, found: str) -> str:
        """Why it is not ready yet; empty where it is."""
        if service.ready:
            command, why = list(service.ready), f"`{service.ready[0]}` ended with"
        elif service.port is not None:
            command = [container.SHELL, "-c", program.listens(service.port)]
            why = f"nothing listens on its port {service.port}"
        else:
            return ""
        try:
            asked = await self._engine.call("exec_create", found, command)
            await self._engine.call("exec_start", asked["Id"])
            code = (await self._engine.call("exec_inspect", asked["Id"]))["ExitCode"]
        except (Missing, Refused):  # it has just ended, which its state tells
            return "it could not be asked"
        if code == 0:
            return ""
        return f"{why} {code}" if service.ready else why

    async def _ended(self, name: str, found: str, state: Mapping[str, Any]) -> StartError:
        await self._show_log(name, found)
        if state.get("OOMKilled"):
            return StartError(f"the service {name} ran out of memory: raise its `memory`")
        code = state["ExitCode"]
        return StartError(f"the service {name} ended with {code} before it was ready")

    async def _show_log(self, name: str, found: str) -> None:
        with contextlib.suppress(Missing, Refused):
            log = await self._engine.call("logs", found, tail=_SHOWN)
            for line in bytes(log).splitlines():
                self._write(name.encode() + b" | " + line + b"\n")
