"""Sessions with supervisors, kept between steps.

A step needs a session of its own, and most of what one costs is its opening: a channel, the
login shell and what that reads. So one that has ended a step well waits for the next.
"""

from __future__ import annotations

import asyncio
import secrets
import shlex
from collections.abc import Callable
from functools import partial
from typing import Any

from tidemill.spi import StartError, boot_time
from tidemill_ssh.hosts import PLAIN, Connection, Hosts, far_script
from tidemill_ssh.session import Session
from tidemill_ssh.settings import SshSettings

SPARE = 8
"""So many wait on one connection, at most: there is room beside them for files."""
QUIET = 5.0
"""Seconds without a word after which a session is asked whether it is there, before it is used:
the network may have been cut since."""

_CLEAN = (
    'exec env -i HOME="$HOME" PATH="$PATH" ${USER:+USER="$USER"} ${LOGNAME:+LOGNAME="$LOGNAME"} '
    '${SHELL:+SHELL="$SHELL"} ${LANG:+LANG="$LANG"} ${TZ:+TZ="$TZ"} sh -c "$0" tidemill "$@"'
)
"""What steps find in their environment is what the supervisor has."""


class Sessions:
    """The sessions of one executor."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        script = shlex.quote(far_script("tree.sh", "supervisor.sh"))
        self._command = f"exec sh -c {shlex.quote(_CLEAN)} {script}"
        self._begin = shlex.quote(far_script("begin.sh"))

    async def take(self, settings: SshSettings) -> tuple[Connection, Session]:
        """A session whose supervisor is ready. Give it back, or hang up.

        Raises:
            StartError: there is none to be had.
        """
        while spare := self._hosts.spare(settings):
            connection, session = spare
            if await self._answers(session, settings.patience):
                return connection, session
            session.hang_up()
            if not session.gone.done():
                connection.stale()
        connection, session = await self._hosts.opened(settings, partial(self._open, settings))
        try:
            heard: set[asyncio.Future[Any]] = {session.ready, session.gone}
            await asyncio.wait(
                heard, timeout=settings.patience, return_when=asyncio.FIRST_COMPLETED
            )
            if not session.ready.done():
                raise StartError(unheard(connection, session))
        except BaseException:
            session.hang_up()
            raise
        connection.clock.shows(session.ready.result())
        return connection, session

    def give_back(self, connection: Connection, session: Session) -> None:
        """It is kept, if it is fit and wanted."""
        if session.gone.done() or not connection.alive or len(connection.spare) >= SPARE:
            session.hang_up()
        else:
            connection.spare.append(session)
            connection.rests()

    async def _answers(self, session: Session, patience: float) -> bool:
        if session.gone.done():
            return False
        if boot_time() - session.used < QUIET:
            return True
        try:
            async with asyncio.timeout(patience):
                return await session.asked("here", "here") is not None
        except TimeoutError:
            return False

    async def _open(self, settings: SshSettings, connection: Connection) -> Session:
        plain = connection.limit == "none"
        session = Session(secrets.token_hex(12), 0 if plain else secrets.randbits(60) + (1 << 60))
        command = f"{self._command} {session.mark} {session.number} {connection.waits}"
        command += f" {connection.limit} {self._begin}"
        await connection.ssh.create_session(lambda: session, command, encoding=None, **PLAIN)
        session.gone.add_done_callback(self._gone(settings, connection, session))
        return session

    def _gone(
        self, settings: SshSettings, connection: Connection, session: Session
    ) -> Callable[[asyncio.Future[None]], None]:
        def gone(_: asyncio.Future[None]) -> None:
            if not session.exited:
                self._hosts.lost(settings, session)
            if session in connection.spare:
                connection.spare.remove(session)
            connection.give_back()

        return gone


def unheard(connection: Connection, session: Session) -> str:
    """Why no supervisor speaks there, in one line."""
    heard = bytes(session.heard).decode(errors="replace").split("\n")
    words = " ".join(" ".join(heard).split())[:300]
    return f"{connection.where} did not start the step: {words or 'the connection was lost'}"
