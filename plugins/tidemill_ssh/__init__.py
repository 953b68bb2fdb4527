"""The ssh executor: a step on another host, over a kept SSH connection.

The promise: a step's process tree never outlives the step, nor the connection, nor a killed
worker. Who keeps it is on the far end: a supervisor in plain `sh`, sent along with each session,
so that nothing has to be installed there.

    worker ──connection── sshd ─┬─ supervisor ── sh -e -c …   (and everything that it starts)
                                │    └─ listener              hears orders, and the cut
                                └─ supervisor ── …

It hears orders from its standard input (run this, ask it to end, kill, more time), and ends
everything when that is closed. It counts a step's time down by itself, on the host's own clock.
It runs one step at a time, and the next one after it if the step left nothing behind: a session
is opened for as many steps as run at once, not for each, and the shell of the next step is started
when the one before has ended, and waits for its order. What it left where a connection broke
without its host noticing is ended when the worker next connects to that host.
Every process of a step bears a number that no child can lose by itself (its soft limit of
file locks, which Linux does not use for anything), so that those are found too that left
their session or emptied their environment.

The far end must be Linux with `/proc`, `sh`, `setsid`, `env`, `grep`, `head`, `rm` and the
like, of GNU or of busybox; the user's login shell has to understand what `sh` quotes.

What it cannot do: end processes of another user (`sudo`), or a step that goes after its own
supervisor; notice a network that is cut without a word before the server's own keepalive
does, or the worker is back (only steps on leases end in time by themselves, then); keep steps of
one user apart from each other; take up a step after a restart of the worker: its connection is
gone, and so is the step.
"""

from __future__ import annotations

from tidemill.spi import Executor, ExecutorContext, ExecutorType, StartError, hookimpl
from tidemill_ssh.settings import SshSettings

__all__ = ["TIDEMILL_SPI", "SshSettings", "tidemill_executors"]

TIDEMILL_SPI = 1


def _make(context: ExecutorContext) -> Executor:
    try:
        from tidemill_ssh.executor import SshExecutor  # asyncssh: only where it is used
    except ModuleNotFoundError as error:
        if error.name != "asyncssh":
            raise
        raise StartError(
            "the ssh executor needs the package asyncssh: pip install 'tidemill[ssh]'"
        ) from error
    return SshExecutor(context)


@hookimpl
def tidemill_executors() -> list[ExecutorType]:
    return [
        ExecutorType(
            kind="ssh",
            settings=SshSettings,
            factory=_make,
            description="Runs steps on another host, over SSH.",
        )
    ]
