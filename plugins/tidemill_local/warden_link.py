"""The executor's end of the warden: starts it, has keepers forked, hears of their deaths."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from fcntl import F_DUPFD_CLOEXEC, fcntl
from pathlib import Path

from tidemill.spi import StartError
from tidemill_local.warden import protocol

_PROGRAM = (
    "import sys; sys.path.insert(0, ''); from warden.main import main; "
    "main(*map(int, sys.argv[1:]))"
)


class WardenLink:
    """One warden. `on_buried(number, clean)` tells that a keeper has died and whether
    its tree is gone, `on_refused(number, errno)` that it could not be forked.
    `tenancy` is a descriptor that warden and keepers keep open for as long as they live,
    `switch` the timer that tells them that what they have in hand must end."""

    def __init__(
        self,
        scratch: Path,
        tenancy: int,
        switch: int | None,
        on_buried: Callable[[int, bool], None],
        on_refused: Callable[[int, int], None],
        on_lost: Callable[[], None],
        *,
        lasting: bool,
    ) -> None:
        self.alive = True
        self._asked: deque[tuple[bytes, socket.socket]] = deque()
        """Keepers that the warden has not been asked for yet, with their ends."""
        self._on_buried = on_buried
        self._on_refused = on_refused
        self._on_lost = on_lost
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gone: asyncio.Future[None] | None = None
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._process = _spawn(theirs, tenancy, switch, lasting=lasting)
        except BaseException:
            self._socket.close()
            raise
        finally:
            theirs.close()
        self._socket.send(os.fsencode(scratch))

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Must be called once, on the loop, before anything else."""
        if self._loop is None:
            self._loop = loop
            self._gone = loop.create_future()
            self._socket.setblocking(False)
            loop.add_reader(self._socket.fileno(), self._on_readable)

    def new_keeper(self, number: int, folder: Path) -> socket.socket:
        """The executor's end of a new keeper. It can be used at once.

        Raises:
            ConnectionError: the warden has died.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        packet = protocol.NEW_KEEPER + b"%d\0" % number + os.fsencode(folder)
        self._asked.append((packet, theirs))
        try:
            self._ask()
        except OSError as error:
            ours.close()
            self._lost()
            raise ConnectionError("the warden has died") from error
        ours.setblocking(False)
        return ours

    def _ask(self) -> None:
        """Sends what the warden has room for, and the rest when it has some again: it forks one
        keeper after the other, and hundreds of steps may start at once.

        Raises:
            OSError: it has died.
        """
        while self._asked:
            packet, theirs = self._asked[0]
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", theirs.fileno()))
            try:
                self._socket.sendmsg([packet], [rights])
            except BlockingIOError:
                if self._loop is not None:
                    self._loop.add_writer(self._socket.fileno(), self._on_writable)
                return
            self._asked.popleft()
            theirs.close()
        if self._loop is not None:
            self._loop.remove_writer(self._socket.fileno())

    def _on_writable(self) -> None:
        try:
            self._ask()
        except OSError:
            self._lost()

    async def close(self, patience: float) -> None:
        """Lets the warden end, which it does when its keepers have; kills it if it hangs."""
        if self._loop is None or self._gone is None:
            self._socket.close()
            await asyncio.to_thread(self._process.wait)
            return
        if self.alive:
            self._loop.remove_writer(self._socket.fileno())
            self._ask_no_more()
            self._socket.shutdown(socket.SHUT_WR)
            try:
                await asyncio.wait_for(asyncio.shield(self._gone), patience)
            except TimeoutError:
                self._process.kill()
                await self._gone

    def _on_readable(self) -> None:
        try:
            packet = self._socket.recv(1024)
        except (BlockingIOError, ConnectionResetError):
            return  # after a reset, what was said before it can still be read
        kind, text = packet[:1], packet[1:]
        if not packet:
            self._lost()
        elif kind in (protocol.KEEPER_GONE, protocol.KEEPER_STUCK):
            self._on_buried(int(text), kind == protocol.KEEPER_GONE)
        elif kind == protocol.NO_KEEPER:
            number, code = text.split()
            self._on_refused(int(number), int(code))

    def _ask_no_more(self) -> None:
        """Whoever has the other ends hears of it."""
        while self._asked:
            self._asked.popleft()[1].close()

    def _lost(self) -> None:
        self.alive = False
        if self._loop is None or self._gone is None:
            return
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        self._ask_no_more()
        self._process.wait()  # its end of the socket is closed: it has ended
        self._gone.set_result(None)
        self._on_lost()


def _spawn(
    theirs: socket.socket, tenancy: int, switch: int | None, *, lasting: bool
) -> subprocess.Popen[bytes]:
    """The command line holds neither the word "tidemill" nor a path of the project, so
    that `pkill -9 -f tidemill` leaves the warden its work of ending the steps. For the
    same reason it is the interpreter behind a virtual environment that is started."""
    descriptor = fcntl(theirs.fileno(), F_DUPFD_CLOEXEC, 3)
    passed = [descriptor, tenancy] + ([] if switch is None else [switch])
    program = [os.path.realpath(sys.executable), "-I", "-S", "-c", _PROGRAM]
    try:
        return subprocess.Popen(
            [*program, *map(str, passed), *(["1"] if lasting else [])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parent,
            env={name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
            pass_fds=passed,
            start_new_session=True,
        )
    except OSError as error:
        raise StartError(
            f"the local executor cannot start its helper process: {error.strerror}"
        ) from error
    finally:
        os.close(descriptor)


class ForeignWarden:
    """That of an executor that was killed: it does its work, and tells nobody of it."""

    alive = False
