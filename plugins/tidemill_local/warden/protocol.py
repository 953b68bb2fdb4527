"""What executor, warden and keepers say to each other, over SOCK_SEQPACKET sockets.

Every message is one packet whose first byte is its kind. Strings travel as bytes, apart
by NULs, which no argument, path or variable can hold.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

PACKET_LIMIT = 30_000
"""Bytes. A longer order travels in a memory file: a packet must fit the socket's buffer, and so
little room is had from the heap, where for more the kernel would have to map memory each time."""

# executor to warden
NEW_KEEPER = b"N"
"""And the keeper's number and its folder; its socket comes with the packet."""

# warden to executor
READY = b"H"
KEEPER_GONE = b"G"
"""And a number: this keeper died, and nothing of its tree is left."""
KEEPER_STUCK = b"U"
"""And a number: this keeper died, and some of its tree cannot be killed."""
NO_KEEPER = b"X"
"""And a number and an errno: this keeper could not be forked."""

# executor to keeper
ORDER = b"O"
"""And an order; the output pipe comes with the packet."""
LONG_ORDER = b"M"
"""The order is in a memory file, which comes with the packet behind the pipe."""
KEEP = b"P"
"""The step that comes next outlives its worker. And the name of a socket by which another
one may take it up, and what is put before its output."""
RELEASE = b"R"
"""The socket closes on purpose: nobody comes back."""
JOIN = b"J"
"""From a worker that takes a step up; the output pipe and the switch come with it."""
TERMINATE = b"T"
KILL = b"K"
GIVE_UP = b"G"
"""As `KILL`, and it is told as `EXPIRED`: its time was over, and this keeper may have
slept through that."""

# keeper to executor
STARTED = b"S"
ENDED = b"E"
NOT_STARTED = b"F"
EXPIRED = b"X"
"""The tree was killed, or never started, because the switch had gone off."""
ABANDONED = b"L"
"""The tree was killed because the warden died."""
STUCK = b"U"
"""Some of the tree cannot be killed. And the pids, apart by blanks."""

# at which stage a start failed
AT_WORKDIR = b"w"
AT_SCRATCH = b"s"
AT_SEARCH = b"p"
AT_EXEC = b"x"
AT_GROUP = b"g"
AT_KEEPER = b"k"
"""The keeper ended because the warden had died, without looking at its orders: another
may be asked to carry them out."""

HAS_OUTPUT = 1
"""The step has written its `$TIDE_OUTPUT`."""
WORN = 2
"""The keeper's temporary folder could not be emptied; it takes no more orders."""
OUT_OF_MEMORY = 4
"""The kernel has killed something of the step, which had come to its bound of memory."""

_ENDED = struct.Struct("=ciBdq")
_FAILED = struct.Struct("=cci")


class Order(NamedTuple):
    """What a keeper starts."""

    workdir: bytes
    argv: tuple[bytes, ...]
    env: dict[bytes, bytes]
    bounds: tuple[bytes, ...] = ()


class Value(NamedTuple):
    """What is written to a file of a control group. One that is not `needed` is left out
    where the system has no such file."""

    file: str
    value: bytes
    needed: bool


class Bounds(NamedTuple):
    """`groups` are control groups to make, each with what is written there; `rlimits` are
    numbers of limits, each with its soft and hard value."""

    groups: tuple[tuple[str, tuple[Value, ...]], ...]
    rlimits: tuple[tuple[int, int, int], ...]


class Ended(NamedTuple):
    """How a tree ended. `status` is a wait status, `cpu` seconds, `memory` bytes."""

    status: int
    flags: int
    cpu: float
    memory: int


def receive(sock: socket.socket, room: int = 0) -> tuple[bytes, list[tuple[int, int, bytes]]]:
    """A packet and what came with it; an empty one when the other side has gone (which
    the kernel calls a reset if the other side had packets left to read)."""
    try:
        data, ancillary, _, _ = sock.recvmsg(2 * PACKET_LIMIT, room, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return b"", []
    return data, ancillary


def pack_order(
    workdir: str, argv: Sequence[str], env: Mapping[str, str], bounds: Sequence[str] = ()
) -> str:
    """An order as text; the caller encodes it. `bounds` are strings of `pack_group`,
    `pack_value` and `pack_rlimit`."""
    counts = f"{len(argv)} {len(bounds)}"
    return "\0".join((workdir, counts, *argv, *bounds, *env, *env.values()))


def unpack_order(data: bytes) -> Order:
    workdir, counts, *rest = data.split(b"\0")
    size, bounds = map(int, counts.split())
    names = size + bounds
    values = (names + len(rest)) // 2
    env = dict(zip(rest[names:values], rest[values:], strict=True))
    return Order(workdir, tuple(rest[:size]), env, tuple(rest[size:names]))


def pack_group(folder: str) -> str:
    """The values that come next are this group's."""
    return f"G{folder}"


def pack_value(file: str, value: int | str, *, needed: bool = True) -> str:
    return f"{'V' if needed else 'v'}{file} {value}"


def pack_rlimit(number: int, soft: int, hard: int) -> str:
    return f"R{number} {soft} {hard}"


def unpack_bounds(items: Sequence[bytes]) -> Bounds:
    groups: list[tuple[str, list[Value]]] = []
    rlimits: list[tuple[int, int, int]] = []
    for item in items:
        kind, text = item[:1], item[1:]
        if kind == b"G":
            groups.append((os.fsdecode(text), []))
        elif kind == b"R":
            number, soft, hard = map(int, text.split())
            rlimits.append((number, soft, hard))
        else:
            file, _, value = text.partition(b" ")
            groups[-1][1].append(Value(file.decode(), value, kind == b"V"))
    made = tuple((folder, tuple(values)) for folder, values in groups)
    return Bounds(made, tuple(rlimits))


def pack_ended(ended: Ended) -> bytes:
    status, flags, cpu, memory = ended
    return _ENDED.pack(ENDED, status, flags, cpu, memory)


def unpack_ended(packet: bytes) -> Ended:
    _, status, flags, cpu, memory = _ENDED.unpack(packet)
    return Ended(status, flags, cpu, memory)


def pack_failed(stage: bytes, errno: int) -> bytes:
    return _FAILED.pack(NOT_STARTED, stage, errno)


def unpack_failed(packet: bytes) -> tuple[bytes, int]:
    _, stage, errno = _FAILED.unpack(packet)
    return stage, errno
