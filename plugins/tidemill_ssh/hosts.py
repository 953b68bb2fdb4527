"""Connections, kept and shared: as many sessions on each as its server lets be.

One is opened when all there are for these credentials are full, and closed when it has been
idle for a while. When it is opened the host is asked what it can do, and for its clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from tidemill.spi import StartError, boot_time
from tidemill_ssh.login import log_in, place
from tidemill_ssh.settings import SshSettings

SESSIONS = 10
"""What OpenSSH lets be on one connection, if nobody sets `MaxSessions`."""
IDLE = 60.0
"""Seconds after which a connection that is not used is closed."""

_TRIES = 3
"""A connection that breaks just when it is to be used is replaced, so often."""

Key = tuple[Any, ...]
T = TypeVar("T")


def far_script(name: str) -> str:
    """A script of the far end, without its comments."""
    lines = (Path(__file__).parent / "far" / name).read_text("utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


@dataclass(slots=True)
class Clock:
    """The host's clock: `offset` is at most what it goes behind ours, so that a moment of ours
    becomes one of its own that is never later."""

    offset: float = float("inf")

    def shows(self, far: float) -> None:
        """It has just been heard that it showed this, at some time before now."""
        self.offset = min(self.offset, boot_time() - far)

    def moment(self, ours: float) -> int:
        """In hundredths of a second, as the far end counts."""
        return max(1, int((ours - self.offset) * 100))


class Connection:
    """One login, and what is known of its host."""

    def __init__(self, ssh: asyncssh.SSHClientConnection, where: str) -> None:
        self.ssh, self.where = ssh, where
        self.clock = Clock()
        self.waits, self.limit = "shell", "none"
        self.used, self.room = 0, SESSIONS
        self.alive = True
        self._idle: asyncio.TimerHandle | None = None
        self._watch = asyncio.ensure_future(self._watched())

    async def _watched(self) -> None:
        with contextlib.suppress(asyncssh.Error, OSError):
            await self.ssh.wait_closed()
        self.alive = False

    async def probe(self) -> None:
        """Raises: StartError: steps cannot run there."""
        command = f"exec sh -c {shlex.quote(far_script('probe.sh'))}"
        done = await self.ssh.run(command, encoding=None, **PLAIN)
        said = _bytes(done.stdout).decode(errors="replace").splitlines()
        words = next((line.split() for line in said if line.startswith("tidemill ")), [])
        if len(words) != 4:
            heard = _bytes(done.stderr).decode(errors="replace").splitlines() + said
            raise StartError(
                f"{self.where} has no usable sh for us: {(heard or ['it said nothing'])[-1]}"
            )
        if words[1] == "none":
            raise StartError(f"{self.where} has no /proc: the ssh executor runs steps on Linux")
        if words[2] == "none":
            raise StartError(f"{self.where} has no setsid: install util-linux or busybox there")
        self.clock.shows(float(words[1]))
        self.waits, self.limit = words[2], words[3]

    def take(self) -> None:
        self.used += 1
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def give_back(self) -> None:
        self.used -= 1
        if self.used == 0 and self.alive:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(IDLE, self.close)

    def close(self) -> None:
        self.alive = False
        if self._idle is not None:
            self._idle.cancel()
        self.ssh.close()

    async def closed(self) -> None:
        self.close()
        try:
            async with asyncio.timeout(2):
                await asyncio.shield(self._watch)
        except TimeoutError:
            self.ssh.abort()


PLAIN: dict[str, Any] = {
    "request_pty": False,
    "env": {},
    "send_env": (),
    "x11_forwarding": False,
}
"""What a config may ask for a person's sessions is not for those of steps."""


class Hosts:
    """The connections of one executor."""

    def __init__(self) -> None:
        self._open: dict[Key, list[Connection]] = {}
        self._locks: dict[Key, asyncio.Lock] = {}
        self._closed = False

    async def connect(self, settings: SshSettings) -> Connection:
        """A connection with room for one more session, which is taken on it.

        Raises:
            StartError: there is none to be had.
        """
        key = _key(settings)
        async with self._locks.setdefault(key, asyncio.Lock()):
            known = self._open.setdefault(key, [])
            known[:] = [connection for connection in known if connection.alive]
            for connection in known:
                if connection.used < connection.room:
                    connection.take()
                    return connection
            connection = await self._new(settings)
            known.append(connection)
            connection.take()
            return connection

    async def opened(
        self, settings: SshSettings, open_on: Callable[[Connection], Awaitable[T]]
    ) -> tuple[Connection, T]:
        """What is opened on a connection (a session), which is to be given back after it.

        Raises:
            StartError: it cannot be opened.
        """
        broken = 0
        while broken < _TRIES:
            connection = await self.connect(settings)
            try:
                return connection, await open_on(connection)
            except asyncssh.ChannelOpenError as error:
                connection.give_back()
                if connection.used == 0:
                    raise StartError(f"{connection.where} opens no session: {error}") from error
                connection.room = connection.used  # its server lets fewer be than most do
            except (asyncssh.Error, OSError):
                broken += 1
                connection.give_back()
                connection.close()  # it broke; the next round opens another
            except BaseException:
                connection.give_back()
                raise
        raise StartError(f"{place(settings)} opens no session: its connections break")

    @asynccontextmanager
    async def files(self, settings: SshSettings) -> AsyncIterator[asyncssh.SFTPClient]:
        """A session of SFTP.

        Raises:
            OSError: the host has no SFTP.
        """
        try:
            connection, client = await self.opened(
                settings, lambda connection: connection.ssh.start_sftp_client()
            )
        except StartError as error:
            raise OSError(f"{error} (files travel by SFTP: does that host allow it?)") from error
        try:
            yield client
        finally:
            client.exit()
            with contextlib.suppress(asyncssh.Error, OSError):
                await client.wait_closed()
            connection.give_back()

    async def _new(self, settings: SshSettings) -> Connection:
        if self._closed:
            raise StartError("the ssh executor is closed")
        connection = Connection(await log_in(settings), place(settings))
        try:
            async with asyncio.timeout(settings.patience):
                await connection.probe()
        except (asyncssh.Error, OSError, TimeoutError) as error:
            connection.close()
            raise StartError(
                f"{connection.where} let us in, but started no shell in "
                f"{settings.patience:g} s: {error or 'it does not answer'}"
            ) from error
        except BaseException:
            connection.close()
            raise
        return connection

    async def close(self) -> None:
        self._closed = True
        every = [connection for known in self._open.values() for connection in known]
        self._open.clear()
        await asyncio.gather(*(connection.closed() for connection in every))


def _bytes(said: object) -> bytes:
    return said if isinstance(said, bytes) else b""


def _key(settings: SshSettings) -> Key:
    """What two sessions must share to share a connection: all that a login is made of."""
    return (
        settings.host,
        settings.port,
        settings.user,
        settings.key,
        settings.private_key and settings.private_key.get_secret_value(),
        settings.password and settings.password.get_secret_value(),
        settings.known_hosts,
        settings.config,
    )
