"""`kill -9` of a run with runs below it, whenever: `retry` goes on with all of them, and no
success is repeated."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from local_processes import alive, eventually
from tide_project import TideProject, assert_told

CHAINS, STEPS = 4, 5

STEP = """
  step s{name} {{
    {needs}
    env {{ MARK = "{mark}" }}
    run = \"\"\"
      echo "$TIDE_STEP start" >> ledger
      sleep 0.03
      echo "$TIDE_STEP end" >> ledger
    \"\"\"
  }}
"""


def pipelines(mark: str) -> str:
    """One that runs four others, of which each is a chain."""
    text = ""
    for chain in range(CHAINS):
        steps = [
            STEP.format(name=f"{chain}{i}", mark=mark, needs=f"needs = [s{chain}{i - 1}]" * (i > 0))
            for i in range(STEPS)
        ]
        text += f"pipeline chain{chain} {{ {''.join(steps)} }}\n"
    calls = "\n".join(f"  step c{chain} = pipeline chain{chain}()" for chain in range(CHAINS))
    return f"{text}pipeline p {{\n{calls}\n}}\n"


def successes(project: TideProject) -> set[str]:
    rows = project.rows("SELECT key FROM task WHERE state = 'succeeded' AND key LIKE 's%'")
    return {str(key) for (key,) in rows}


@pytest.mark.parametrize("seed", range(6))
def test_a_run_with_runs_below_it_is_finished_by_retry(
    project: TideProject, mark: str, seed: int
) -> None:
    project.write(pipelines(mark))
    chance = random.Random(seed)  # noqa: S311 -- the moment is the test
    process = project.start("run", "p.tide", "--pipeline", "p", "--max-parallel", "4")
    assert eventually(lambda: project.lines("ledger") != [])
    time.sleep(chance.uniform(0, 0.3))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = successes(project)
    runs = project.rows("SELECT number, state, parent FROM run ORDER BY number")
    if runs[0][1] != "succeeded":
        ended = project.run("retry", "1", "--max-parallel", "4")
        assert_told(ended, 0, "p #1 succeeded")
    states = project.rows("SELECT DISTINCT state FROM run")
    assert states == [("succeeded",)]
    assert project.rows("SELECT count(*) FROM run WHERE parent = 1") == [(CHAINS,)]
    assert len(successes(project)) == CHAINS * STEPS
    starts = [line.split()[0] for line in project.lines("ledger") if line.endswith("start")]
    assert [key for key in before if starts.count(key) != 1] == []
    assert eventually(lambda: not alive(mark)), alive(mark)
