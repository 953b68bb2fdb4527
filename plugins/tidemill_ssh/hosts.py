"""Connections, kept and shared: as many sessions on each as its server lets be.

One is opened when all there are for these credentials are full, and closed when it has been
idle for a while. When it is opened the host is asked what it can do, and for its clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from tidemill.spi import StartError, boot_time
from tidemill_ssh.login import log_in, place
from tidemill_ssh.session import Session
from tidemill_ssh.settings import SshSettings

SESSIONS = 10
"""What OpenSSH lets be on one connection, if nobody sets `MaxSessions`."""
IDLE = 60.0
"""Seconds after which a connection that is not used is closed."""
PATIENCE = 3.0
"""Seconds for the supervisors of a connection to go, when it is closed in an orderly way."""
REAPING = 30.0
"""Seconds to wait for what was lost to be ended; the next connection tries again."""

_TRIES = 3
"""A connection that breaks just when it is to be used is replaced, so often."""

Key = tuple[Any, ...]
T = TypeVar("T")


def far_script(*names: str) -> str:
    """Scripts of the far end as one, without their comments."""
    folder = Path(__file__).parent / "far"
    lines = [line for name in names for line in (folder / name).read_text("utf-8").splitlines()]
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
        self.spare: list[Session] = []
        """Sessions whose supervisor waits for a step; they count as used."""
        self.alive = True
        """Whether more may be opened on it."""
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
        self.busy()

    def busy(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def give_back(self) -> None:
        self.used -= 1
        self.rests()

    def rests(self) -> None:
        """If nobody works on it, it is closed: after a while, or soon if it is no good."""
        if self.used > len(self.spare):
            return
        if not self.alive:
            self.retire()
        elif self._idle is None:
            self._idle = asyncio.get_running_loop().call_later(IDLE, self.retire)

    def retire(self) -> None:
        """Closes it, but not before its supervisors have gone."""
        self.alive = False
        for session in self.spare:
            session.hang_up()
        if self.used == 0:
            self.close()

    def stale(self) -> None:
        """It does not answer: nothing more is opened on it. What runs there may go on."""
        self.alive = False
        self.rests()

    async def reap(self, lost: Mapping[str, int]) -> bool:
        """Ends what supervisors left whose connection was lost, by their marks and numbers.
        Whether it was done."""
        command = f"exec sh -c {shlex.quote(far_script('tree.sh', 'reap.sh'))}"
        order = "".join(f"{mark} {number}\n" for mark, number in lost.items())
        done = await self.ssh.run(command, input=order.encode(), encoding=None, **PLAIN)
        return b"tidemill reaped\n" in _bytes(done.stdout)

    def close(self) -> None:
        self.alive = False
        if self._idle is not None:
            self._idle.cancel()
        self.ssh.close()

    async def closed(self) -> None:
        self.retire()
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.shield(self._watch)
        except TimeoutError:
            self.alive = False
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
        self._lost: dict[Key, dict[str, int]] = {}
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
            await self._reap(key, connection)
            known.append(connection)
            connection.take()
            return connection

    def spare(self, settings: SshSettings) -> tuple[Connection, Session] | None:
        """A session that waits for a step."""
        for connection in self._open.get(_key(settings), ()):
            if connection.alive and connection.spare:
                session = connection.spare.pop()
                connection.busy()
                return connection, session
        return None

    def lost(self, settings: SshSettings, session: Session) -> None:
        """Its supervisor may still be there: it is ended as soon as the host is reached."""
        self._lost.setdefault(_key(settings), {})[session.mark] = session.number

    async def _reap(self, key: Key, connection: Connection) -> None:
        lost = dict(self._lost.get(key, {}))
        if not lost:
            return
        with contextlib.suppress(asyncssh.Error, OSError):
            async with asyncio.timeout(REAPING):
                if await connection.reap(lost):
                    for mark in lost:
                        del self._lost[key][mark]

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
                async with asyncio.timeout(settings.patience):
                    return connection, await open_on(connection)
            except TimeoutError:
                broken += 1
                connection.give_back()
                connection.stale()
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
        settings.passphrase and settings.passphrase.get_secret_value(),
        settings.password and settings.password.get_secret_value(),
        settings.known_hosts,
        settings.config,
    )
