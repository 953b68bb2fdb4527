"""The sequential case in Prefect: a flow of as many tasks, on a server that runs already. The
first call, with its imports and connections, is not measured.

    python prefect_flow.py STEPS TIMES      prints seconds, one line a time
"""

from __future__ import annotations

import sys
import time

from counting import STEP_SECONDS
from prefect import flow, task


@task
def step() -> None:
    time.sleep(STEP_SECONDS)


@flow
def steps(count: int) -> None:
    for _ in range(count):
        step()


if __name__ == "__main__":
    steps(1)
    for _ in range(int(sys.argv[2])):
        since = time.perf_counter()
        steps(int(sys.argv[1]))
        print(time.perf_counter() - since, flush=True)
