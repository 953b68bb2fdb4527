"""No process of a step outlives a `tidemill` that was killed, whenever that happens."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from local_processes import alive, children, eventually

HOST = Path(__file__).parent.parent / "support" / "local_host.py"


def start_host(tmp_path: Path, mark: str) -> subprocess.Popen[bytes]:
    """In a process group of its own, as a shell would start `tidemill`."""
    return subprocess.Popen(
        [sys.executable, str(HOST), str(tmp_path / "scratch"), str(tmp_path), mark],
        stdout=subprocess.PIPE,
        process_group=0,
    )


def assert_nothing_is_left(tmp_path: Path, mark: str) -> None:
    """No process and no file. Who was killed before the warden was up may leave its two
    empty locks, which the next executor on the folder clears away."""
    assert eventually(lambda: not alive(mark)), alive(mark)
    assert eventually(lambda: not files_in(tmp_path / "scratch")), files_in(tmp_path / "scratch")
    assert alive(mark) == []


def files_in(folder: Path) -> list[Path]:
    found = (Path(at, name) for at, _, names in os.walk(folder) for name in names)
    return [path for path in found if path.name not in {"owner", "helpers"}]


@pytest.mark.parametrize("seed", range(10))
def test_a_kill_at_any_moment_leaves_nothing(tmp_path: Path, mark: str, seed: int) -> None:
    """From before the warden is up until long after the steps have started."""
    with start_host(tmp_path, mark) as host:
        time.sleep(random.Random(seed).uniform(0.1, 0.7))  # noqa: S311 -- the moment is the test
        host.kill()
    assert_nothing_is_left(tmp_path, mark)


@pytest.mark.parametrize("seed", range(10))
def test_a_kill_amid_its_steps_leaves_nothing(tmp_path: Path, mark: str, seed: int) -> None:
    with start_host(tmp_path, mark) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"ready\n"
        time.sleep(random.Random(seed).uniform(0, 0.2))  # noqa: S311 -- the moment is the test
        host.kill()
    assert_nothing_is_left(tmp_path, mark)


def test_a_kill_of_its_process_group_leaves_nothing(tmp_path: Path, mark: str) -> None:
    with start_host(tmp_path, mark) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"ready\n"
        os.killpg(host.pid, signal.SIGKILL)
    assert_nothing_is_left(tmp_path, mark)


def test_an_interrupt_from_the_terminal_does_not_reach_the_helpers(
    tmp_path: Path, mark: str
) -> None:
    """The owner decides what Ctrl-C means: the helpers must live to carry it out."""
    with start_host(tmp_path, mark) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"ready\n"
        (warden,) = children(host.pid, "tide-warden")
        for pid in (warden, *children(warden, "tide-keeper")):
            assert os.getsid(pid) == os.getpgid(pid) == pid
        host.kill()
    assert_nothing_is_left(tmp_path, mark)


def test_the_helpers_command_line_does_not_name_tidemill(tmp_path: Path, mark: str) -> None:
    """`pkill -9 -f tidemill` must not hit owner and helpers at one stroke."""
    with start_host(tmp_path, mark) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"ready\n"
        (warden,) = children(host.pid, "tide-warden")
        arguments = Path(f"/proc/{warden}/cmdline").read_bytes().split(b"\0")[1:]
        assert b"tidemill" not in b" ".join(arguments)
        assert mark.encode() not in Path(f"/proc/{warden}/environ").read_bytes()
        host.kill()
    assert_nothing_is_left(tmp_path, mark)


def test_a_kill_of_owner_and_keepers_leaves_nothing(tmp_path: Path, mark: str) -> None:
    with start_host(tmp_path, mark) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"ready\n"
        (warden,) = children(host.pid, "tide-warden")
        for pid in (host.pid, *children(warden, "tide-keeper")):
            with contextlib.suppress(ProcessLookupError):  # a keeper may be quicker
                os.kill(pid, signal.SIGKILL)
    assert_nothing_is_left(tmp_path, mark)


def test_a_kill_of_owner_and_warden_leaves_nothing(tmp_path: Path, mark: str) -> None:
    """The keepers' folders go with the keepers; the executor's own stays."""
    with start_host(tmp_path, mark) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"ready\n"
        (warden,) = children(host.pid, "tide-warden")
        for pid in (host.pid, warden):
            os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not alive(mark)), alive(mark)
