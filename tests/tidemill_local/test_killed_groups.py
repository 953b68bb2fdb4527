"""What is killed with all that watches it is found by its control group, and ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import step_groups
from local_processes import NASTY, alive, children, eventually, warden

import tidemill_local
from tidemill.spi import ExecutorContext, Reason
from tidemill.testing.executor.bench import Bench
from tidemill_local import LocalSettings

HOST = Path(__file__).parent.parent / "support" / "local_host.py"
BOUNDED = LocalSettings(pids=500)
CLEARED = 'env -i PATH="$PATH" setsid sh -c "sleep 1000; : $MARK" & echo ready; sleep 1000'
"""What has cleared its environment is not found by it."""


pytestmark = pytest.mark.usefixtures("_able")


@pytest.fixture
def _able() -> None:
    step_groups.require()


def own_groups(scratch: Path) -> list[Path]:
    """Those of the executors that have this scratch folder."""
    found = [step_groups.groups(path.name) for path in scratch.glob("local-*")]
    return [group for groups in found for group in groups]


def start_host(tmp_path: Path, mark: str) -> subprocess.Popen[bytes]:
    scratch = str(tmp_path / "scratch")
    host = subprocess.Popen(
        [sys.executable, str(HOST), scratch, str(tmp_path), mark, "bounded"],
        stdout=subprocess.PIPE,
        process_group=0,
    )
    assert host.stdout is not None
    assert host.stdout.readline() == b"ready\n"
    return host


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


def exists(pid: int) -> bool:
    """A zombie, too, has ended: nobody may be there to wait for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def test_a_killed_worker_leaves_no_group(tmp_path: Path, mark: str) -> None:
    with start_host(tmp_path, mark) as host:
        groups = own_groups(tmp_path / "scratch")
        assert groups
        host.kill()
    assert eventually(lambda: not alive(mark)), alive(mark)
    assert eventually(lambda: not any(path.exists() for path in groups))


async def test_a_killed_chain_is_ended_by_the_next_executor(tmp_path: Path, mark: str) -> None:
    """Worker, warden and keepers at one stroke. The step's own process goes with its
    keeper; what it started is in its group."""
    with start_host(tmp_path, mark) as host:
        (helper,) = children(host.pid, "tide-warden")
        keepers = children(helper, "tide-keeper")
        groups = own_groups(tmp_path / "scratch")
        for pid in (host.pid, helper, *keepers):
            stop(pid)  # so that none of them is quicker
        kill([*keepers, helper, host.pid])  # a parent's death would wake its child
    assert groups
    assert eventually(lambda: not any(b"sh\0-e\0-c" in line for line in leaders_in(groups)))
    assert alive(mark)
    (kind,) = tidemill_local.tidemill_executors()
    executor = kind.factory(ExecutorContext(tmp_path / "scratch"))
    bench = Bench(executor, tmp_path, kind.settings(), lambda _: _none())
    assert await bench.text("echo next") == "next\n"
    await executor.close()
    assert not any(path.exists() for path in groups)
    assert alive(mark) == []


def leaders_in(groups: list[Path]) -> list[bytes]:
    """The command lines of those in there that lead a session."""
    found = []
    for pid in {pid for path in groups for pid in (path / "cgroup.procs").read_text().split()}:
        with contextlib.suppress(OSError):
            if os.getsid(int(pid)) == int(pid):
                found.append(Path(f"/proc/{pid}/cmdline").read_bytes())
    return found


async def _none() -> list[str]:
    return []


async def test_a_killed_warden_and_keeper_leave_not_even_who_cleared_its_environment(
    bench: Bench, mark: str
) -> None:
    running = await bench.start(CLEARED, env={"MARK": mark}, settings=BOUNDED)
    await running.says(b"ready")
    keepers = children(warden(), "tide-keeper")
    for pid in (warden(), *keepers):
        stop(pid)
    kill([warden(), *keepers])
    assert (await running.end()).reason is Reason.LOST
    assert eventually(lambda: not alive(mark)), alive(mark)


async def test_a_killed_keeper_leaves_no_group(bench: Bench, tmp_path: Path, mark: str) -> None:
    running = await bench.start(
        NASTY + "echo ready; sleep 1000", env={"MARK": mark}, settings=BOUNDED
    )
    await running.says(b"ready")
    assert own_groups(tmp_path / "scratch")
    kill(children(warden(), "tide-keeper"))
    assert (await running.end()).reason is Reason.LOST
    assert alive(mark) == []
    assert eventually(lambda: not own_groups(tmp_path / "scratch"))


async def test_the_groups_of_others_that_live_are_let_be(
    bench: Bench, tmp_path: Path, mark: str
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with start_host(other, mark) as host:
        theirs = own_groups(other / "scratch")
        assert await bench.text("echo the first one reaps") == "the first one reaps\n"
        assert theirs == [group for group in theirs if group.exists()]
        assert alive(mark)
        host.kill()
    assert eventually(lambda: not alive(mark)), alive(mark)


@pytest.mark.parametrize("name", ["tide-warden", "tide-keeper"])
def test_a_helper_that_is_stopped_is_woken_by_the_death_of_its_parent(
    tmp_path: Path, mark: str, name: str
) -> None:
    """Nobody else would: it would never see that there is something to clear up."""
    with start_host(tmp_path, mark) as host:
        (helper,) = children(host.pid, "tide-warden")
        victims = [helper] if name == "tide-warden" else children(helper, "tide-keeper")
        for pid in victims:
            stop(pid)
        host.kill()
        if name == "tide-keeper":
            os.kill(helper, signal.SIGKILL)
    assert eventually(lambda: not alive(mark), 5), alive(mark)
    assert eventually(lambda: not any(map(exists, victims)), 5)


def test_a_keeper_that_is_stopped_when_the_worker_is_killed_is_woken_by_the_warden(
    tmp_path: Path, mark: str
) -> None:
    with start_host(tmp_path, mark) as host:
        (helper,) = children(host.pid, "tide-warden")
        for pid in children(helper, "tide-keeper"):
            stop(pid)
        host.kill()
    assert eventually(lambda: not alive(mark), 5), alive(mark)
