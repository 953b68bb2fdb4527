"""The local executor: a step as a process tree on this machine.

The promise: a step's process tree never survives the step, nor a killed `tidemill`,
whatever the processes do: fork twice, leave their session, ignore SIGTERM, close their
files. Three kinds of processes keep it:

    tidemill  ──control──  warden          a subreaper; forks keepers, buries dead ones
        ├─────socket─────  ├─ keeper 1     a subreaper; one step at a time, many in a row
        └─────socket─────  └─ keeper 2
                                └─ sh -e -c …   (and everything that it starts)

Orphans of a step become children of its keeper, which kills them before it reports the
end; those of a killed keeper become the warden's. Each notices the others' death by a
socket that closes or a pidfd, and clears up. Each is in a session of its own, so neither
Ctrl-C nor a signal to tidemill's process group reaches it. The executor is reached
by messages alone and reads the step's output from a pipe of its own.

Where a worker is `recoverable`, its steps do outlive it: their keepers and the warden stay until
another executor of this scratch folder takes them up, or their time is over (see
`tidemill_local.warden.door`).

What it cannot do: end processes of another user (`sudo`) or ones that hang in the kernel
(the outcome is then `lost`, and names them); end what is left when tidemill, warden and
keeper are all killed by SIGKILL in the same instant, before the next executor starts a
step there (and then, of a step without bounds, only what still has its environment); or
stop a step from asking a service outside of its tree (systemd, a container engine) to run
something.

It needs Linux 5.4 or newer (pidfd, prctl). On macOS there is no subreaper and no pidfd:
a keeper would have to watch with kqueue (NOTE_FORK, NOTE_EXIT) and to find orphans by
scanning for its mark in their environment.
"""

from __future__ import annotations

from tidemill.spi import Executor, ExecutorContext, ExecutorType, hookimpl
from tidemill_local.settings import LocalSettings

__all__ = ["TIDEMILL_SPI", "LocalSettings", "tidemill_executors"]

TIDEMILL_SPI = 1


def _make(context: ExecutorContext) -> Executor:
    from tidemill_local.executor import LocalExecutor  # asyncio and more: only where used
    from tidemill_local.machine import check
    from tidemill_local.warden.linux import hide

    check()
    if context.leased:  # a worker: it knows more than its steps are to know
        hide()
    return LocalExecutor(context)


@hookimpl
def tidemill_executors() -> list[ExecutorType]:
    return [
        ExecutorType(
            kind="local",
            settings=LocalSettings,
            factory=_make,
            description="Runs steps as processes on the machine that the worker runs on.",
        )
    ]
