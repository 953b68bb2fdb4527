"""Signals to a run at work: asked to end, it ends its steps first; stopped, it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from local_processes import alive, eventually
from tide_project import LIMIT, TideProject, environment

HOST = Path(__file__).parent.parent / "support" / "leased_host.py"

POLITE = """
pipeline p {{
  step one {{
    env {{ MARK = "{mark}" }}
    run = \"\"\"
      trap 'echo cleaned up > cleaned; exit 0' TERM
      (setsid sleep 1000 &)
      touch up
      while :; do sleep 0.05; done
    \"\"\"
  }}
  step two {{
    needs = [one]
    run   = "touch two"
  }}
}}
"""

STUBBORN = """
pipeline p {{
  step one {{
    env {{ MARK = "{mark}" }}
    run = "trap 'touch asked' TERM; touch up; while :; do sleep 0.05; done"
  }}
}}
"""


def begin(project: TideProject) -> subprocess.Popen[str]:
    process = project.start("run", "p.tide")
    assert eventually(lambda: (project.root / "up").exists())
    return process


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, error = process.communicate(timeout=LIMIT)
    assert "Traceback" not in out + error, out + error
    return process.returncode, out + error


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_lets_steps_clean_up_and_cancels_the_run(
    project: TideProject, mark: str, number: signal.Signals, code: int
) -> None:
    """To the whole process group, as a terminal does it."""
    project.write(POLITE.format(mark=mark))
    process = begin(project)
    os.killpg(process.pid, number)
    ended, said = end(process)
    assert ended == code, said
    assert "p #1 cancelled" in said
    assert project.lines("cleaned") == ["cleaned up"]
    assert not (project.root / "two").exists()
    assert alive(mark) == []
    assert project.status(1)["state"] == "cancelled"


def test_a_second_interrupt_kills_at_once(project: TideProject, mark: str) -> None:
    project.write(STUBBORN.format(mark=mark))
    process = begin(project)
    process.send_signal(signal.SIGINT)
    assert eventually(lambda: (project.root / "asked").exists())
    assert process.poll() is None
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    ended, said = end(process)
    assert ended == 130, said
    assert time.monotonic() - started < 8, "it waited for the grace period"
    assert alive(mark) == []


def start_host(project: TideProject) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(HOST), str(project.root), "p.tide", "1.0"],
        cwd=project.root,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def test_a_run_stopped_for_longer_than_a_lease_goes_on_where_it_was(
    project: TideProject, mark: str
) -> None:
    """By SIGSTOP, as when a machine is suspended. The lease is one second here."""
    project.write(f"""
      pipeline p {{
        step one for i in range(0, 2) {{
          env {{ MARK = "{mark}" }}
          run = "echo {{{{ i }}}} >> ledger; while [ ! -e go ]; do sleep 0.05; done"
        }}
        step two {{
          needs = [one]
          run   = "echo two >> ledger"
        }}
      }}
    """)
    host = start_host(project)
    project.started.append(host)
    assert eventually(lambda: len(project.lines("ledger")) == 2)
    for _ in range(2):
        os.kill(host.pid, signal.SIGSTOP)
        time.sleep(2.5)  # longer than two leases: the length is the test
        os.kill(host.pid, signal.SIGCONT)
        time.sleep(1.5)  # longer than the lease that is judged again
    (project.root / "go").touch()
    out, error = host.communicate(timeout=LIMIT)
    assert (host.returncode, error) == (0, ""), error
    assert out == "succeeded\n"
    assert sorted(project.lines("ledger")) == ["0", "1", "two"]
    outcomes = project.rows("SELECT outcome, exit_code FROM attempt")
    assert outcomes == [("exited", 0)] * 3
