"""The sequential case in Airflow: Python tasks, one after the other."""

from __future__ import annotations

import os
import time

from airflow.sdk import DAG, task

with DAG("steps", schedule=None, catchup=False) as dag:

    @task
    def step() -> None:
        time.sleep(0.01)

    before = None
    for at in range(int(os.environ["BENCH_STEPS"])):
        here = step.override(task_id=f"s{at}")()
        if before is not None:
            before >> here
        before = here
