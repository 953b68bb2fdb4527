"""Several `tidemill` processes in one project: nobody disturbs anybody."""

from __future__ import annotations

import os
import signal

import pytest
from local_processes import alive, eventually
from tide_project import TideProject, assert_told

BUSY = """
pipeline p {
  step many for i in range(1, 31) {
    run = "echo {{ i }}"
  }
}
"""

SLOW = """
pipeline slow {{
  step first {{
    env {{ MARK = "{mark}" }}
    run = "touch up; while [ ! -e go ]; do sleep 0.05; done"
  }}
  step then {{
    needs = [first]
    run   = "echo done"
  }}
}}
"""


@pytest.mark.parametrize("count", [2, 5])
def test_runs_at_once_get_their_own_numbers_and_all_succeed(
    project: TideProject, count: int
) -> None:
    """From a folder without a database: they make it together."""
    project.write(BUSY)
    runs = [project.start("run", "p.tide") for _ in range(count)]
    for run in runs:
        out, error = run.communicate(timeout=90)
        assert run.returncode == 0, out + error
        assert error == ""
    numbers = project.rows("SELECT number, state FROM run ORDER BY number")
    assert numbers == [(n, "succeeded") for n in range(1, count + 1)]
    assert project.rows("SELECT count(*) FROM task WHERE state = 'succeeded'") == [(30 * count,)]


def test_a_run_at_work_cannot_be_retried(project: TideProject, mark: str) -> None:
    project.write(SLOW.format(mark=mark))
    run = project.start("run", "p.tide")
    assert eventually(lambda: (project.root / "up").exists())
    ended = project.run("retry", "1")
    assert_told(ended, 2, "run 1 is still at work in another process", "tidemill cancel 1")
    (project.root / "go").touch()
    assert run.wait(timeout=60) == 0
    assert_told(project.run("retry", "1"), 2, "run 1 succeeded: there is nothing to retry")


def test_cancel_from_another_process_ends_the_steps(project: TideProject, mark: str) -> None:
    project.write(SLOW.format(mark=mark))
    run = project.start("run", "p.tide")
    assert eventually(lambda: (project.root / "up").exists())
    assert_told(project.run("cancel", "1"), 0, "run 1 is being cancelled")
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 130, out
    assert "slow #1 cancelled" in out
    assert alive(mark) == []
    assert_told(project.run("cancel", "1"), 2, "run 1 has ended: it was cancelled")


def test_cancel_ends_an_interrupted_run(project: TideProject, mark: str) -> None:
    project.write(SLOW.format(mark=mark))
    run = project.start("run", "p.tide")
    assert eventually(lambda: (project.root / "up").exists())
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert project.status(1)["interrupted"]
    assert_told(project.run("cancel", "1"), 0, "run 1, which nobody drove any more")
    assert project.status(1)["state"] == "cancelled"
    assert eventually(lambda: not alive(mark)), alive(mark)
    (project.root / "go").touch()
    assert_told(project.run("retry", "1"), 0, "slow #2 succeeded")


def test_cancel_of_an_ended_run_says_how_it_ended(project: TideProject) -> None:
    project.write('pipeline p { step x { run = "exit 3" } }')
    assert project.run("run", "p.tide").returncode == 1
    assert_told(project.run("cancel", "1"), 2, "run 1 has ended: it failed")
    assert_told(project.run("cancel", "9"), 2, "there is no run 9", "the latest is 1")
