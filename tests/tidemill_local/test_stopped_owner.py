"""A step ends in time though the process that started it stands still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from local_processes import alive, children, eventually

HOST = Path(__file__).parent.parent / "support" / "leased_executor.py"

SECONDS = 2.0
"""What the step is given at a time."""
PROMPT = 1.0
"""In which a killed tree must be gone: what a worker leaves of a lease of this length."""


@contextmanager
def start_host(tmp_path: Path, mark: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(HOST), str(tmp_path / "scratch"), str(tmp_path), str(SECONDS)]
    pipe = subprocess.PIPE
    host = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, process_group=0)
    assert host.stdin is not None
    assert host.stdout is not None
    try:
        print(mark, file=host.stdin, flush=True)
        assert host.stdout.readline() == "ready\n"
        yield host
    finally:
        host.send_signal(signal.SIGCONT)
        host.kill()
        host.communicate()
        assert eventually(lambda: not alive(mark)), alive(mark)


def warden_of(host: int) -> int:
    (warden,) = children(host, "tide-warden")
    return warden


def busy_keeper(host: int) -> int:
    (keeper,) = [pid for pid in children(warden_of(host), "tide-keeper") if children(pid)]
    return keeper


def owner(host: int) -> list[int]:
    return [host]


def owner_and_warden(host: int) -> list[int]:
    return [host, warden_of(host)]


def owner_and_keepers(host: int) -> list[int]:
    return [host, *children(warden_of(host), "tide-keeper")]


def all_but_an_idle_keeper(host: int) -> list[int]:
    return [host, warden_of(host), busy_keeper(host)]


@pytest.mark.parametrize(
    "stopped", [owner, owner_and_warden, owner_and_keepers, all_but_an_idle_keeper]
)
def test_a_step_of_a_stopped_owner_ends_when_its_time_is_over(
    tmp_path: Path, mark: str, stopped: Callable[[int], list[int]]
) -> None:
    with start_host(tmp_path, mark) as host:
        for pid in stopped(host.pid):
            os.kill(pid, signal.SIGSTOP)
        time.sleep(SECONDS / 2)  # less than is left to it in any case: the length is the test
        assert alive(mark) != []
        assert eventually(lambda: not alive(mark), SECONDS / 2 + PROMPT), alive(mark)
        os.kill(host.pid, signal.SIGCONT)
        assert host.communicate()[0] == "lost\n"


def test_a_killed_keeper_and_a_stopped_warden_leave_nothing_either(
    tmp_path: Path, mark: str
) -> None:
    with start_host(tmp_path, mark) as host:
        keeper = busy_keeper(host.pid)
        for pid in owner_and_warden(host.pid):
            os.kill(pid, signal.SIGSTOP)
        os.kill(keeper, signal.SIGKILL)
        assert eventually(lambda: not alive(mark), SECONDS + PROMPT), alive(mark)
        os.kill(host.pid, signal.SIGCONT)
        assert host.communicate()[0] == "lost\n"


def test_the_helpers_wait_on_a_timer_that_counts_suspended_time_too(
    tmp_path: Path, mark: str
) -> None:
    """Number 7 is CLOCK_BOOTTIME. A step does not get hold of it."""
    with start_host(tmp_path, mark) as host:
        keeper = busy_keeper(host.pid)
        assert clocks(warden_of(host.pid)) == clocks(keeper) == ["7"]
        assert clocks(children(keeper)[0]) == []


def clocks(pid: int) -> list[str]:
    texts = [path.read_text() for path in Path(f"/proc/{pid}/fdinfo").iterdir()]
    return [text.partition("clockid: ")[2][0] for text in texts if "clockid" in text]
