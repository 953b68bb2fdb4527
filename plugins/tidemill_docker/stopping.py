"""Making an end of a step: asking all its processes to end, and killing its container."""

from __future__ import annotations

import contextlib

from tidemill_docker import container, program
from tidemill_docker.engine import Engine, EngineGone, Missing, Refused
from tidemill_docker.step import Step


async def kill(engine: Engine, step: Step) -> None:
    if step.container:
        with contextlib.suppress(Missing, Refused, EngineGone):  # its life notices
            await engine.call("kill", step.container, "SIGKILL")


async def terminate(engine: Engine, step: Step) -> None:
    """By a process inside: the engine's own signals reach one process alone. Where no
    further process can be started in there, the end of the grace is what is left."""
    with contextlib.suppress(Missing, Refused, EngineGone):
        command = [container.SHELL, "-c", program.TERMINATE]
        made = await engine.call("exec_create", step.container, command)
        await engine.call("exec_start", made["Id"], detach=True)
