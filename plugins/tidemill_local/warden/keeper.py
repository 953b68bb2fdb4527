"""A keeper: runs one step at a time, and sees to it that nothing of it stays behind.

It is a child subreaper in a session of its own. When the executor's end of its socket
closes (tidemill has ended, by whatever means) or the warden dies, it kills its tree,
empties its folder and ends. When the switch goes off, it kills its tree.

A step that it was told to keep goes on when the socket closes: then it waits for another
worker, at `door`, until the switch goes off, and remembers output and end for that one.
"""

# pathlib would take as long to import as all the rest of this program:
# ruff: noqa: PTH103, PTH113, PTH120, PTH118, PTH123

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import struct
import time

from . import confined, door, folders, linux, protocol
from .alarm import NO_SWITCH, wake
from .group import Group, Used
from .protocol import Ended, Order
from .relay import Relay
from .tree import Tree

PROMPT = 2
"""Milliseconds for which a keeper waits before it says that a step has started: of a
shorter step it tells start and end in one message, and spares the executor a wake-up."""

_SIGNALS = tuple(signal.valid_signals())
"""All: of each that is not named the C library asks first how it is, in the way of the step."""

_DESCRIPTORS = socket.CMSG_SPACE(2 * struct.calcsize("i"))


class NotStartedError(Exception):
    def __init__(self, stage: bytes, error: OSError) -> None:
        super().__init__(stage, error)
        self.packet = protocol.pack_failed(stage, error.errno or 0)


class ReleasedError(Exception):
    """The executor has gone: there is nobody left to work for."""


class AbandonedError(Exception):
    """The warden has gone: this keeper's own death would not be noticed any more."""


class Keeper:
    def __init__(self, sock: socket.socket, folder: str, warden: int, switch: int) -> None:
        self.socket: socket.socket | None = sock
        self.listener: socket.socket | None = None
        self.door = ""
        """The name of the socket by which its step may be taken up; else the step ends with
        its worker."""
        self.relay: Relay | None = None
        self.last_words = b""
        """How that step has ended."""
        self.folder = folder
        self.tmp = os.path.join(folder, folders.TMP)
        self.output = os.path.join(folder, folders.OUTPUT)
        self.busy = False
        self.expired = False
        self.had_output = False
        self.fresh = False
        self.mark = 0
        self.tree = Tree()
        self.group = Group()
        self.warden = warden
        self.switch = switch
        self.poller = select.poll()
        self.poller.register(sock, select.POLLIN)
        self.poller.register(warden, select.POLLIN)
        if switch != NO_SWITCH:
            self.poller.register(switch, select.POLLIN)

    def serve(self) -> None:
        """Works until executor or warden have gone."""
        linux.become_subreaper()
        linux.set_name(b"tide-keeper")
        try:
            while True:
                self.next_order()
        except AbandonedError:
            self.clear_out()
            idle = protocol.pack_failed(protocol.AT_KEEPER, 0)
            self.say(protocol.ABANDONED if self.busy else idle)
        finally:
            self.clear_out()

    def clear_out(self) -> None:
        self.tree.kill()
        self.group.end()
        if self.listener is not None:
            folders.remove(os.path.join(os.path.dirname(self.folder), self.door))
        folders.remove(self.folder)

    def next_order(self) -> None:
        self.busy = False
        order, pipe = self.receive_order()
        self.busy = True
        if self.relay is not None:
            self.relay.join(pipe)
            pipe = self.relay.open()
        try:
            if self.expired:
                self.say(protocol.EXPIRED)
                return
            main = self.start(order, pipe)
        except NotStartedError as failure:
            self.say(failure.packet)
            return
        finally:
            os.close(pipe)
            os.chdir("/")
        said = self.supervise(main)
        if self.relay is not None:
            self.relay.drain()
            self.last_words = said
        self.deliver(said)

    # -- starting

    def receive_order(self) -> tuple[Order, int]:
        self.expired = self.idle()
        data, ancillary = self.receive(_DESCRIPTORS)
        if not data:
            if not self.last_words:
                raise ReleasedError
            self.part()
            self.deliver(self.last_words)
            return self.receive_order()
        if data[:1] == protocol.KEEP:
            self.keep(data[1:])
        if not ancillary:  # or it is about a step that has just ended
            return self.receive_order()
        descriptors = [number for (number,) in struct.iter_unpack("i", ancillary[0][2])]
        if data[:1] == protocol.LONG_ORDER:
            with open(descriptors[1], "rb") as file:
                data = b"." + file.read()
        return protocol.unpack_order(data[1:]), descriptors[0]

    def idle(self) -> bool:
        """Until there is something to read. Whether it comes too late, since the switch
        has gone off."""
        found = self.poll()
        if self.line not in found:
            wake(self.warden)
            self.poller.unregister(self.switch)
            self.poll()
            self.poller.register(self.switch, select.POLLIN)
            found = self.poll(0)
        return self.switch in found

    def keep(self, said: bytes) -> None:
        """The next step is to outlive its worker."""
        name, _, begin = said.partition(b"\0")
        if self.relay is not None:
            self.relay.close()
        self.shut_door()
        self.door, self.relay, self.last_words = name.decode(), Relay(begin), b""

    def start(self, order: Order, pipe: int) -> int:
        try:
            self.freshen()
        except OSError as error:
            raise NotStartedError(protocol.AT_SCRATCH, error) from error
        try:
            os.chdir(order.workdir)
        except OSError as error:
            raise NotStartedError(protocol.AT_WORKDIR, error) from error
        try:
            program = find_program(order.argv[0], order.env.get(b"PATH"))
        except OSError as error:
            raise NotStartedError(protocol.AT_SEARCH, error) from error
        if order.bounds:
            return self.start_bounded(program, order, pipe)
        try:
            return os.posix_spawn(
                program,
                order.argv,
                order.env,
                file_actions=((os.POSIX_SPAWN_DUP2, pipe, 1), (os.POSIX_SPAWN_DUP2, pipe, 2)),
                setsid=True,
                setsigdef=_SIGNALS,
            )
        except OSError as error:
            raise NotStartedError(protocol.AT_EXEC, error) from error

    def start_bounded(self, program: bytes, order: Order, pipe: int) -> int:
        bounds = protocol.unpack_bounds(order.bounds)
        try:
            self.group.make(bounds)
        except OSError as error:
            self.group.end()
            raise NotStartedError(protocol.AT_GROUP, error) from error
        try:
            return confined.spawn(program, order, pipe, bounds, self.group)
        except OSError as error:
            self.group.end()
            raise NotStartedError(protocol.AT_EXEC, error) from error

    def freshen(self) -> None:
        """The executor takes the output file away, if it is one; it is looked for only
        after a step that had something there."""
        if self.had_output:
            folders.remove(self.output)
            self.had_output = False
        if not self.fresh:
            folders.remove(self.tmp)
            os.makedirs(self.folder, 0o700, exist_ok=True)
            self.mark = folders.make_fresh(self.tmp)
            self.fresh = True

    # -- watching

    def supervise(self, main: int) -> bytes:
        self.tree.reset(main)
        handle = os.pidfd_open(main)
        self.poller.register(handle, select.POLLIN)
        try:
            lingers = self.watch(handle)
        finally:
            self.poller.unregister(handle)
            os.close(handle)
        if lingers:
            self.linger()
        stuck = self.tree.kill()
        used = self.group.used() if self.group.folders else None
        self.group.end()
        if stuck:
            return protocol.STUCK + b" ".join(b"%d" % pid for pid in stuck)
        if self.expired:
            return protocol.EXPIRED
        return self.account(main, used)

    def watch(self, handle: int) -> bool:
        """Until the step's own process ends. Whether the rest of its tree has been
        asked to end as well, and may take its time."""
        asked = False
        found = self.poll(PROMPT)
        if not found:
            self.say(protocol.STARTED)
        while handle not in found:
            if self.switch in found:
                self.expired = True
                return False
            if self.line in found:
                request = self.obey()
                if request == protocol.KILL:
                    return False
                asked = asked or request == protocol.TERMINATE
            found = self.poll()
        return asked

    def linger(self) -> None:
        """Until the last process has ended, or the executor's patience has."""
        while self.tree.reap() and (pids := self.tree.children()):
            handles = _open_pidfds(pids)
            for handle in handles:
                self.poller.register(handle, select.POLLIN)
            try:
                ready = self.poll()
            finally:
                for handle in handles:
                    self.poller.unregister(handle)
                    os.close(handle)
            if self.switch in ready:
                self.expired = True
                return
            if self.line in ready and self.obey() == protocol.KILL:
                return

    def poll(self, milliseconds: int | None = None, *, once: bool = False) -> set[int]:
        """The descriptors that became readable within this time. Output is passed on here,
        and another worker let in; `once` returns after that, too."""
        if self.relay is None:
            return self.poll_once(milliseconds)
        end = None if milliseconds is None else time.monotonic() + milliseconds / 1000
        while True:
            self.relay.arm(self.poller)
            left = None if end is None else max(0, end - time.monotonic()) * 1000
            found = self.poll_once(left)
            rest = self.relay.act(found)
            if self.listener is not None and self.listener.fileno() in rest:
                rest.discard(self.listener.fileno())
                self.let_in(self.listener)
            if rest or once or not found or left == 0:
                return rest

    def poll_once(self, milliseconds: float | None) -> set[int]:
        found = {descriptor for descriptor, _ in self.poller.poll(milliseconds)}
        if self.warden in found:
            raise AbandonedError
        return found

    def obey(self) -> bytes:
        """Reads a request about the step: `KILL`, `TERMINATE`, or nothing, where the worker
        has gone and the step goes on."""
        request, _ = self.receive()
        if not request:
            self.part()
        elif request in (protocol.KILL, protocol.GIVE_UP):
            self.expired = request == protocol.GIVE_UP
            return protocol.KILL
        elif request == protocol.TERMINATE:
            self.tree.terminate()
        return request

    # -- the worker goes, and another one comes

    @property
    def line(self) -> int:
        """The socket's descriptor; -1 where nobody is at its other end."""
        return -1 if self.socket is None else self.socket.fileno()

    def receive(self, room: int = 0) -> tuple[bytes, list[tuple[int, int, bytes]]]:
        """An empty packet tells that the worker has gone, and may come back.

        Raises:
            ReleasedError: it does not.
        """
        if self.socket is None:
            raise ReleasedError
        data, ancillary = protocol.receive(self.socket, room)
        if data == protocol.RELEASE or (not data and self.relay is None):
            raise ReleasedError
        return data, ancillary

    def part(self) -> None:
        """The worker has gone, and has not said that it would."""
        if self.relay is None:
            raise ReleasedError
        if self.socket is not None:
            self.poller.unregister(self.socket)
            self.socket.close()
            self.socket = None
        self.relay.part()
        if self.listener is None:
            try:
                self.listener = door.listener(os.path.dirname(self.folder), self.door)
            except OSError as error:
                raise ReleasedError from error
            self.poller.register(self.listener, select.POLLIN)

    def let_in(self, listener: socket.socket) -> None:
        """Somebody is at the door. Whose time is over finds nothing to take up."""
        caller, _ = listener.accept()
        over = {self.switch} & {found for found, _ in self.poller.poll(0)}
        if self.socket is not None or over or not door.is_welcome(caller):
            caller.close()
            return
        caller.settimeout(door.PATIENCE)
        try:
            data, ancillary = protocol.receive(caller, _DESCRIPTORS)
        except OSError:
            data, ancillary = b"", []
        if data != protocol.JOIN or not ancillary:
            caller.close()
            return
        caller.settimeout(None)
        pipe, switch = (number for (number,) in struct.iter_unpack("i", ancillary[0][2]))
        self.take_line(caller, pipe, switch)

    def take_line(self, caller: socket.socket, pipe: int, switch: int) -> None:
        self.poller.unregister(self.switch)
        os.close(self.switch)
        self.switch, self.socket = switch, caller
        self.poller.register(switch, select.POLLIN)
        self.poller.register(caller, select.POLLIN)
        if self.relay is not None:
            self.relay.join(pipe)
        self.say(protocol.STARTED)

    def shut_door(self) -> None:
        if self.listener is not None:
            self.poller.unregister(self.listener)
            self.listener.close()
            self.listener = None
            folders.remove(os.path.join(os.path.dirname(self.folder), self.door))

    def deliver(self, words: bytes) -> None:
        """Tells how the step has ended, behind all of its output; to another worker, where
        there is none. When time is over before, nobody wants to know any more."""
        while self.relay is not None:
            while self.socket is None or self.relay.is_behind:
                found = self.poll(once=True)
                if self.switch in found:
                    words = protocol.EXPIRED
                    if self.socket is None:
                        raise ReleasedError
                    break
                if self.line in found and not self.receive()[0]:
                    self.part()
            if self.try_to_say(words):
                return
            self.part()
        self.say(words)

    # -- the end

    def account(self, main: int, used: Used | None) -> bytes:
        """What the groups tell counts, where there are some: of the whole tree, while
        what is waited for is told of processes one by one."""
        self.had_output = os.path.lexists(self.output)
        flags = protocol.HAS_OUTPUT if self.had_output else 0
        self.fresh = folders.is_fresh(self.tmp, self.mark)
        if not self.fresh and not folders.remove(self.tmp):
            flags |= protocol.WORN
        status = self.tree.statuses[main]
        cpu, memory = self.tree.cpu, self.tree.memory
        if used is not None:
            cpu, memory = used.cpu or cpu, used.memory or memory
            flags |= protocol.OUT_OF_MEMORY if used.oom else 0
        return protocol.pack_ended(Ended(status, flags, cpu, memory))

    def say(self, packet: bytes) -> None:
        if not self.try_to_say(packet) and self.relay is None:
            raise ReleasedError

    def try_to_say(self, packet: bytes) -> bool:
        """False where the worker has gone."""
        if self.socket is None:
            return False
        try:
            self.socket.send(packet, socket.MSG_NOSIGNAL)
        except OSError:
            return False
        return True


def find_program(name: bytes, path: bytes | None) -> bytes:
    """Where `execvp` would find it: by the step's own PATH, from its workdir."""
    if b"/" in name:
        return name
    path = os.defpath.encode() if path is None else path
    candidates = [(folder or b".") + b"/" + name for folder in path.split(b":")]
    for candidate in candidates:
        if os.access(candidate, os.X_OK) and os.path.isfile(candidate):
            return candidate
    denied = any(os.path.isfile(candidate) for candidate in candidates)
    raise OSError(errno.EACCES if denied else errno.ENOENT, "")


def _open_pidfds(pids: list[int]) -> list[int]:
    """Of the first few: one that ends is enough to look again."""
    handles = []
    for pid in pids[:64]:
        try:
            handles.append(os.pidfd_open(pid))
        except OSError:
            continue
    return handles
