"""A step's output on its way through a keeper: what the keeper waits for beside it."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator

import pytest

from tidemill_local.warden.relay import Relay


@pytest.fixture(autouse=True)
def broken_pipes() -> Iterator[None]:
    """A relay says for its process what a broken pipe means."""
    before = signal.getsignal(signal.SIGPIPE)
    yield
    signal.signal(signal.SIGPIPE, before)


def relayed() -> tuple[Relay, int, select.poll]:
    relay, poller = Relay(b""), select.poll()
    writer = relay.open()
    relay.arm(poller)
    return relay, writer, poller


def reused(number: int) -> int:
    """A descriptor of something else that has this number, as the lowest free one."""
    found = os.eventfd(1)
    assert found == number
    return found


@pytest.mark.parametrize("end", ["source", "sink"])
def test_who_gets_the_number_of_a_closed_pipe_goes_on_being_waited_for(end: str) -> None:
    """A worker that comes back in the moment in which a step ends: the keeper would not hear
    of it any more."""
    relay, writer, poller = relayed()
    os.write(writer, b"x")
    relay.act({relay._source})  # noqa: SLF001
    reader, sink = os.pipe()
    relay.join(sink)
    relay.arm(poller)
    if end == "source":
        number = relay._source  # noqa: SLF001
        os.close(writer)
        relay.act({number})
    else:
        number = sink
        relay.part()
    other = reused(number)
    poller.register(other, select.POLLIN)
    relay.arm(poller)
    assert other in {found for found, _ in poller.poll(0)}
    os.close(other)
    os.close(reader)
    relay.close()
    if end == "sink":
        os.close(writer)
