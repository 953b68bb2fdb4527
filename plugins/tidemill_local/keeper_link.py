"""The executor's end of a keeper: hands it orders, hears how its step fares."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tidemill_local.step import Step
from tidemill_local.warden import folders, protocol
from tidemill_local.warden_link import ForeignWarden, WardenLink


class KeeperLink:
    """`heard(keeper, packet)` is called for each packet, and with an empty one when the
    keeper has died. `step` is what it works on; None while it is idle."""

    def __init__(
        self,
        number: int,
        folder: Path,
        warden: WardenLink | ForeignWarden,
        sock: socket.socket,
        loop: asyncio.AbstractEventLoop,
        heard: Callable[[KeeperLink, bytes], None],
    ) -> None:
        self.number = number
        self.folder = folder
        self.warden = warden
        self.tmp = str(folder / folders.TMP)
        self.output = str(folder / folders.OUTPUT)
        self.inputs = str(folder / folders.INPUTS)
        self.step: Step | None = None
        self.open = True
        self.lasting = False
        """Whether it waits for another worker, unless it is released."""
        self._socket = sock
        self._loop = loop
        self._heard = heard
        loop.add_reader(sock.fileno(), self._read)

    def give(self, order: bytes, writer: int) -> None:
        """Hands over an order and the writing end of the output's pipe.

        Raises:
            OSError: the keeper has died.
        """
        if len(order) <= protocol.PACKET_LIMIT:
            self._send(protocol.ORDER + order, writer)
            return
        with os.fdopen(os.memfd_create("order"), "w+b") as file:
            file.write(order)
            file.seek(0)
            self._send(protocol.LONG_ORDER, writer, file.fileno())

    def keep(self, door: str, begin: bytes) -> None:
        """The next step is to outlive this process; `begin` is put before its output.

        Raises:
            OSError: the keeper has died.
        """
        self._socket.send(protocol.KEEP + door.encode() + b"\0" + begin)
        self.lasting = True

    def join(self, writer: int, switch: int) -> None:
        """Takes up its step.

        Raises:
            OSError: the keeper has died.
        """
        self.lasting = True
        self._send(protocol.JOIN, writer, switch)

    def terminate(self) -> None:
        self._tell(protocol.TERMINATE)

    def kill(self) -> None:
        self._tell(protocol.KILL)

    def give_up(self) -> None:
        self._tell(protocol.GIVE_UP)

    def release(self) -> None:
        """The keeper ends, and whatever it has running."""
        if self.open:
            if self.lasting:
                self._tell(protocol.RELEASE)
            self.open = False
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _send(self, packet: bytes, *descriptors: int) -> None:
        rights = struct.pack(f"{len(descriptors)}i", *descriptors)
        self._socket.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])

    def _tell(self, packet: bytes) -> None:
        if self.open:
            with suppress(OSError):  # it has died: `_read` hears of it
                self._socket.send(packet)

    def _read(self) -> None:
        try:
            packet = self._socket.recv(4096)
        except (BlockingIOError, ConnectionResetError):
            return  # after a reset, what was said before it can still be read
        if not packet:
            self.release()
        self._heard(self, packet)
