"""stdout that never makes the event loop wait: real pipes, files and sockets."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidemill.cli.display.outlet import Outlet


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue  # the test closed it


def read_all(descriptor: int) -> bytes:
    found = bytearray()
    while data := os.read(descriptor, 65536):
        found += data
    return bytes(found)


async def test_what_is_written_in_a_turn_goes_out_with_the_next(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer)
    outlet.attach()
    outlet.write("one ")
    outlet.write("two ünï\n")
    await asyncio.sleep(0)
    assert os.read(reader, 100).decode() == "one two ünï\n"
    assert outlet.idle


async def test_a_reader_that_does_not_read_does_not_hold_the_loop(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer)
    outlet.attach()
    text = "".join(f"line {n}\n" for n in range(50_000))
    outlet.write(text)
    for _ in range(10):
        await asyncio.sleep(0)  # goes on turning although the pipe is full
    assert not outlet.idle
    received = asyncio.create_task(asyncio.to_thread(os.read, reader, 1 << 20))
    got = await received
    thread = threading.Thread(target=lambda: parts.append(read_all(reader)))
    parts = [got]
    thread.start()
    outlet.drain()
    os.close(writer)
    thread.join()
    assert b"".join(parts).decode() == text


async def test_beyond_the_limit_lines_are_left_out_and_counted_but_states_never(
    pipe: tuple[int, int],
) -> None:
    reader, writer = pipe
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    outlet = Outlet(writer, limit=10_000)
    outlet.attach()
    for n in range(5_000):
        outlet.write_line(f"{n:07}\n")
        await asyncio.sleep(0)
    outlet.write("state\n")
    parts: list[bytes] = []
    thread = threading.Thread(target=lambda: parts.append(read_all(reader)))
    thread.start()
    outlet.drain()
    os.close(writer)
    thread.join()
    *numbers, left_out, state = b"".join(parts).decode().splitlines()
    assert numbers == [f"{n:07}" for n in range(len(numbers))]
    assert left_out == f"… {5_000 - len(numbers):,} lines left out"
    assert state == "state"


async def test_a_reader_that_left_ends_the_writing_quietly(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer)
    outlet.attach()
    os.close(reader)
    outlet.write("nobody reads this\n")
    await asyncio.sleep(0)
    outlet.write("nor this\n")
    outlet.drain()
    assert isinstance(outlet.error, BrokenPipeError)


async def test_a_reader_that_leaves_while_output_waits_ends_it_too(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer)
    outlet.attach()
    outlet.write("x" * 1_000_000)
    await asyncio.sleep(0)
    os.close(reader)
    outlet.drain()
    assert isinstance(outlet.error, BrokenPipeError)


def test_a_full_disk_is_remembered() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    outlet = Outlet(descriptor)
    outlet.write("x")
    outlet.drain()
    os.close(descriptor)
    assert outlet.error is not None
    assert outlet.error.strerror == "No space left on device"


async def test_a_file_takes_everything_at_once(tmp_path: Path) -> None:
    path = tmp_path / "out"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    outlet = Outlet(descriptor)
    outlet.attach()
    outlet.write("ä" * 3_000_000)
    await asyncio.sleep(0)
    assert outlet.idle
    assert path.read_text() == "ä" * 3_000_000
    os.close(descriptor)


async def test_a_descriptor_that_others_made_non_blocking_loses_nothing(
    pipe: tuple[int, int],
) -> None:
    reader, writer = pipe
    os.set_blocking(writer, False)
    outlet = Outlet(writer)
    outlet.attach()
    outlet.write("x" * 500_000)
    await asyncio.sleep(0)
    parts: list[bytes] = []
    thread = threading.Thread(target=lambda: parts.append(read_all(reader)))
    thread.start()
    outlet.drain()
    os.close(writer)
    thread.join()
    assert b"".join(parts) == b"x" * 500_000


def test_a_character_the_encoding_lacks_becomes_a_question_mark(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer, encoding="ascii")
    outlet.write("a ✓\n")
    outlet.drain()
    assert os.read(reader, 100) == b"a ?\n"
