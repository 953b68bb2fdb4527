"""The warden: forks keepers, and ends what a dead keeper leaves behind.

It is a child subreaper too, so the tree of a keeper that was killed falls to it. It ends
when the executor has gone and the last keeper has ended.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import struct
import time

from . import folders, linux, protocol
from .alarm import NO_SWITCH, Alarm, wake
from .keeper import Keeper, ReleasedError
from .tree import PATIENCE, Tree

_DESCRIPTOR = socket.CMSG_SPACE(struct.calcsize("i"))


class Warden:
    def __init__(self, control: socket.socket, switch: int, *, lasting: bool) -> None:
        self.lasting = lasting
        self.control = control
        self.switch = switch
        self.scratch = os.fsdecode(protocol.receive(control)[0])
        self.keepers: dict[int, tuple[int, bytes]] = {}
        """By pidfd: pid and number."""
        self.tree = Tree()
        self.poller = select.poll()
        self.poller.register(control, select.POLLIN)
        self.own = os.pidfd_open(os.getpid())
        self.alarm = None if switch == NO_SWITCH else Alarm(switch)
        if self.alarm is not None:
            self.poller.register(self.alarm, select.POLLIN)

    def serve(self) -> None:
        self.say(protocol.READY)
        while True:
            for descriptor, _ in self.poller.poll():
                if descriptor in self.keepers:
                    self.bury(descriptor)
                elif descriptor != self.control.fileno():
                    self.rouse()
                elif not self.take_order():
                    return

    def take_order(self) -> bool:
        """Forks a keeper; false when the executor has gone."""
        data, ancillary = protocol.receive(self.control, _DESCRIPTOR)
        if not data:
            return False
        number, _, folder = data[1:].partition(b"\0")
        (descriptor,) = struct.unpack("i", ancillary[0][2])
        with socket.socket(fileno=descriptor) as sock:
            try:
                pid = os.fork()
            except OSError as error:
                self.say(protocol.NO_KEEPER + number + b" %d" % (error.errno or 0))
                return True
            if pid == 0:
                self.become_keeper(sock, os.fsdecode(folder))
            handle = os.pidfd_open(pid)
        self.keepers[handle] = (pid, number)
        self.tree.spare.add(pid)
        self.poller.register(handle, select.POLLIN)
        return True

    def rouse(self) -> None:
        """The switch has gone off. Keepers see to that by themselves, unless they are
        stopped."""
        if self.alarm is not None:
            self.alarm.take()
        for keeper in self.keepers:
            wake(keeper)

    def become_keeper(self, sock: socket.socket, folder: str) -> None:
        """Only in the child: gives up all that belongs to the warden, and never returns."""
        try:
            linux.hear_of_parents_death(signal.SIGCONT)
            os.setsid()
            gc.enable()
            self.control.close()
            if self.alarm is not None:
                self.alarm.close()
            for descriptor in self.keepers:
                os.close(descriptor)
            with contextlib.suppress(ReleasedError):
                Keeper(sock, folder, self.own, self.switch).serve()
        finally:
            os._exit(0)

    def bury(self, descriptor: int) -> None:
        """A keeper has ended, so its tree is now below the warden: ends that."""
        pid, number = self.keepers.pop(descriptor)
        self.poller.unregister(descriptor)
        os.close(descriptor)
        self.tree.reap()
        self.tree.spare.discard(pid)
        stuck = self.tree.kill()
        self.say((protocol.KEEPER_STUCK if stuck else protocol.KEEPER_GONE) + number)

    def wind_up(self) -> None:
        """The executor has gone: the keepers see it too and end; a hung one is killed.
        Where steps may be taken up by another executor, it is the keepers who know when
        they end."""
        self.poller.unregister(self.control)
        for keeper in self.keepers:
            wake(keeper)
        end = float("inf") if self.lasting else time.monotonic() + 2 * PATIENCE
        while self.keepers and (left := end - time.monotonic()) > 0:
            for descriptor, _ in self.poller.poll(None if self.lasting else left * 1000):
                if descriptor in self.keepers:
                    self.bury(descriptor)
                else:
                    self.rouse()
        self.tree.spare.clear()
        self.tree.kill()
        if self.scratch:
            folders.remove(self.scratch)

    def say(self, packet: bytes) -> None:
        with contextlib.suppress(OSError):  # the executor has gone: `serve` sees it next
            self.control.send(packet, socket.MSG_NOSIGNAL)


def main(descriptor: int, tenancy: int, switch: int = NO_SWITCH, lasting: int = 0) -> None:
    """The whole program. Signals are as a step should find them: nothing is ignored.

    `switch` is the timer of `tidemill_local.switch`, where there is one. `lasting` tells that
    steps may be taken up by another executor when this one is killed.
    `tenancy` is held open, here and in the keepers, and closed in their steps: the lock
    on it shows that something of this executor still lives.
    """
    os.set_inheritable(tenancy, False)
    if switch != NO_SWITCH:
        os.set_inheritable(switch, False)
    control = socket.socket(fileno=descriptor)
    control.set_inheritable(False)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    gc.disable()  # so that keepers share this process's memory
    os.chdir("/")
    linux.hide()  # the keepers too: what they are ordered to start has secrets in it
    linux.hear_of_parents_death(signal.SIGCONT)  # it wakes one that is stopped, to clear up
    linux.become_subreaper()
    linux.set_name(b"tide-warden")
    warden = Warden(control, switch, lasting=bool(lasting))
    try:
        warden.serve()
    finally:
        warden.wind_up()
