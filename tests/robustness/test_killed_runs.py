"""`kill -9` of `tidemill run`, whenever: nothing is left, and `retry` goes on.

Every step daemonizes a child that holds a lock of the step's for ever. An attempt that
starts while a process of an earlier one still lives finds the lock taken, and says so.
"""

from __future__ import annotations

import ctypes
import errno
import os
import random
import signal
import time

import pytest
from local_processes import alive, children, eventually
from tide_project import TideProject, assert_told

STEPS = 40

STEP = """
  step s{i} {{
    {needs}
    env {{ MARK = "{mark}" }}
    run = \"\"\"
      exec 9>"lock.$TIDE_STEP"
      flock -n 9 || echo "$TIDE_STEP $TIDE_ATTEMPT $TIDE_FENCE OVERLAP" >> ledger
      echo "$TIDE_STEP $TIDE_ATTEMPT $TIDE_FENCE start" >> ledger
      (setsid sh -c "trap '' TERM HUP; exec >/dev/null 2>&1; sleep 1000" &)
      sleep 0.03
      echo "$TIDE_STEP $TIDE_ATTEMPT $TIDE_FENCE end" >> ledger
    \"\"\"
  }}
"""


def pipeline(mark: str) -> str:
    """Four chains of ten steps."""
    steps = [
        STEP.format(i=i, mark=mark, needs=f"needs = [s{i - 4}]" if i >= 4 else "")
        for i in range(STEPS)
    ]
    return "pipeline p {" + "".join(steps) + "}"


def succeeded(project: TideProject) -> set[tuple[str, int]]:
    """Key and fence of each success that the database knows."""
    query = """SELECT task.key, attempt.fence FROM attempt JOIN task USING (run, ordinal)
               WHERE attempt.outcome = 'exited' AND attempt.exit_code = 0"""
    return set(project.rows(query))


def started(project: TideProject) -> list[tuple[str, int]]:
    """Key and fence of each start in the steps' own ledger."""
    lines = [line.split() for line in project.lines("ledger")]
    return [(key, int(fence)) for key, _, fence, what in lines if what == "start"]


def kill(project: TideProject, moment: float, *, group: bool) -> None:
    """Kills a run after so many seconds."""
    process = project.start("run", "p.tide", "--max-parallel", "4")
    time.sleep(moment)
    if group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def assert_goes_on(project: TideProject, before: set[tuple[str, int]]) -> None:
    """`retry` finishes the run, and repeats nothing that was known to have succeeded."""
    ended = project.run("retry", "1", "--max-parallel", "4")
    assert_told(ended, 0, "p #1 succeeded")
    assert project.rows("SELECT count(*) FROM task WHERE state = 'succeeded'") == [(STEPS,)]
    starts = started(project)
    assert len(starts) == len(set(starts)), "a fence was started twice"
    for key, fence in before:
        assert max(at for name, at in starts if name == key) == fence, f"{key} was repeated"
    assert [line for line in project.lines("ledger") if "OVERLAP" in line] == []


@pytest.mark.parametrize("seed", range(16))
def test_a_run_killed_at_any_moment_leaves_nothing_and_is_finished_by_retry(
    project: TideProject, mark: str, seed: int
) -> None:
    """`retry` starts at once: it must see to it itself that the dying are dead."""
    project.write(pipeline(mark))
    chance = random.Random(seed)  # noqa: S311 -- the moment is the test
    kill(project, chance.uniform(0.25, 2.2), group=seed % 2 == 0)
    stored = project.rows("SELECT state FROM run")
    before = succeeded(project)
    if stored == [("running",)] or stored == [("pending",)]:
        assert_goes_on(project, before)
    elif not stored:  # killed before anything was promised
        assert_told(project.run("run", "p.tide", "--max-parallel", "4"), 0, "p #1 succeeded")
    else:
        assert stored == [("succeeded",)]
    assert eventually(lambda: not alive(mark)), alive(mark)


@pytest.mark.parametrize("seed", range(3))
def test_a_run_killed_again_and_again_is_finished_by_retry(
    project: TideProject, mark: str, seed: int
) -> None:
    """Each time amid steps, with some done since the last time."""
    project.write(pipeline(mark))
    chance = random.Random(100 + seed)  # noqa: S311 -- the moment is the test
    for command in (["run", "p.tide"], ["retry", "1"], ["retry", "1"]):
        done = len(succeeded(project))
        process = project.start(*command, "--max-parallel", "4")
        assert eventually(lambda done=done: len(succeeded(project)) > done + 2)  # type: ignore[misc]
        time.sleep(chance.uniform(0, 0.05))
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    before = succeeded(project)
    assert len(before) >= 9
    assert_goes_on(project, before)
    assert eventually(lambda: not alive(mark)), alive(mark)


def test_the_processes_of_a_killed_run_are_gone_without_anybody_asking(
    project: TideProject, mark: str
) -> None:
    project.write(pipeline(mark))
    process = project.start("run", "p.tide", "--max-parallel", "4")
    assert eventually(lambda: len(started(project)) > 5)
    assert alive(mark)
    os.killpg(process.pid, signal.SIGKILL)
    assert eventually(lambda: not alive(mark)), alive(mark)
    scratch = project.root / ".tidemill" / "runs" / "1" / "scratch" / "local"
    assert eventually(lambda: not list(scratch.glob("local-*")))  # one level: it is being emptied


PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000
"""Of waitpid(2): also those that are no children of ours."""


def trace(request: int, pid: int) -> None:
    """See ptrace(2). A process that is stopped so is not woken by SIGCONT."""
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = [ctypes.c_long(request), ctypes.c_long(pid), ctypes.c_void_p(), ctypes.c_void_p()]
    if libc.ptrace(*arguments) != 0:
        if ctypes.get_errno() == errno.EPERM and not os.environ.get("CI"):
            pytest.skip("only root may hold up the helpers, which are hidden from others")
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")


def test_no_step_starts_while_the_processes_of_a_killed_run_are_still_dying(
    project: TideProject, mark: str
) -> None:
    """Those that end the steps are held up here, until `retry` has long been at work. They
    wake from SIGSTOP when it is killed, so they are held as a debugger does."""
    project.write(pipeline(mark))
    process = project.start("run", "p.tide", "--max-parallel", "4")
    assert eventually(lambda: len(started(project)) > 5)
    (warden,) = children(process.pid, "tide-warden")
    keepers = children(warden, "tide-keeper")
    for pid in keepers:
        trace(PTRACE_SEIZE, pid)
        trace(PTRACE_INTERRUPT, pid)
        os.waitpid(pid, WALL)
    process.kill()
    process.wait()
    before = len(started(project))
    retry = project.start("retry", "1", "--max-parallel", "4")
    assert retry.stdout is not None
    assert retry.stdout.readline().startswith("p #1: 40 tasks")
    time.sleep(1)  # in which its first steps would have started
    early = len(started(project)) - before
    for pid in keepers:
        trace(PTRACE_DETACH, pid)
    out, error = retry.communicate(timeout=60)
    assert retry.returncode == 0, out + error
    assert early == 0
    assert [line for line in project.lines("ledger") if "OVERLAP" in line] == []
    assert eventually(lambda: not alive(mark)), alive(mark)


AT_MOST_ONCE = """
pipeline pay {{
  step charge {{
    idempotent = false
    env {{ MARK = "{mark}" }}
    run = \"\"\"
      echo "$TIDE_ATTEMPT" >> charged
      if [ ! -e go ]; then sleep 1000; fi
    \"\"\"
  }}
  step thank {{
    needs = [charge]
    run   = "echo thanks"
  }}
}}
"""


def test_a_step_that_must_not_be_repeated_is_lost_with_its_process_and_said_so(
    project: TideProject, mark: str
) -> None:
    project.write(AT_MOST_ONCE.format(mark=mark))
    process = project.start("run", "p.tide")
    assert eventually(lambda: project.lines("charged") == ["1"])
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    ended = project.run("retry")
    assert_told(ended, 1, "charge lost", "before you retry it", "tidemill retry 1")
    assert project.lines("charged") == ["1"], "it was started a second time, unasked"
    tasks = project.tasks(1)
    assert tasks["charge"]["state"] == "lost"
    assert tasks["thank"]["state"] == "upstream_failed"
    (project.root / "go").touch()
    assert_told(project.run("retry", "1"), 0, "pay #2 succeeded")
    assert len(project.lines("charged")) == 2
    assert eventually(lambda: not alive(mark)), alive(mark)
