"""The Docker executor: a step as a container of an engine on this machine.

The promise: a step sees its image, the project (as `workspace` says) and nothing else of
the machine. It has no capability and gains none, no network unless asked for, a root that
it cannot write to, and bounds on processes, memory and CPU. Its container is removed when
it ends, with all that ran in it; those of a killed worker are removed by a helper process
(where steps are leased) or by the next worker on the machine.

    tidemill ──API──  dockerd
       │                └─ container: docker-init (1)
       │                     └─ sh, our program ("program.py")
       │                          └─ docker-init: tells exit status from signal
       │                               └─ the step's own program
       └─ helper ("fence_helper.py"): kills containers when their time is over

Variables, arguments and secrets go to the container on its standard input: they are in
no label, no file and nothing that `docker inspect` shows.

Services of a step are further containers, on a network that both share and nobody else
("services.py"); all that is a step's is known by its labels ("owner.py", "reaping.py").

What it takes: an engine on this machine (files go in and out by bind mounts), reached by
a socket without TLS, and an image with a `sh`. What it cannot do: bound the disk that a
step fills in the project or the scratch folder, or tell how much memory a step used that
had to be killed.
"""

from __future__ import annotations

from tidemill.spi import Executor, ExecutorContext, ExecutorType, hookimpl
from tidemill_docker.settings import DockerSettings

__all__ = ["TIDEMILL_SPI", "DockerSettings", "tidemill_executors"]

TIDEMILL_SPI = 1


def _make(context: ExecutorContext) -> Executor:
    from tidemill_docker.executor import DockerExecutor  # asyncio and more: only where used

    return DockerExecutor(context)


@hookimpl
def tidemill_executors() -> list[ExecutorType]:
    return [
        ExecutorType(
            kind="docker",
            settings=DockerSettings,
            factory=_make,
            description="Runs steps in containers of a Docker engine on the worker's machine.",
        )
    ]
