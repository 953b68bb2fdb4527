"""Prefect and Airflow, for the sequential case: each with a server of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
from install import python_of
from postgres import Postgres
from servers import Missing, Process, free_port, until

PEERS = Path(__file__).parent / "peers"
START = 150.0
"""Seconds that a server may take to start."""

ENDED = 420.0
"""Seconds that Airflow may take for its steps."""


def prefect(steps: int, times: int) -> list[float]:
    """Its server keeps SQLite in a file, which is what it does by default."""
    python = python_of("prefect")
    with tempfile.TemporaryDirectory(prefix="tide-peer-") as name:
        folder, port = Path(name), free_port()
        api = f"http://127.0.0.1:{port}/api"
        env = {
            "PREFECT_HOME": name,
            "PREFECT_API_URL": api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_LOGGING_LEVEL": "ERROR",
            "BENCH_COUNT": str(folder / "count"),
        }
        command = [python.with_name("prefect"), "server", "start", "--port", str(port)]
        server = Process([*command, "--no-ui"], folder, env)
        try:
            until(lambda: _answers(f"{api}/health"), f"Prefect's server: {server.tail()}", START)
            return _flow(python, folder, env, steps, times)
        finally:
            server.stop()


def _flow(python: Path, folder: Path, env: dict[str, str], steps: int, times: int) -> list[float]:
    done = subprocess.run(
        [python, PEERS / "prefect_flow.py", str(steps), str(times)],
        cwd=folder, env=os.environ | env, capture_output=True, text=True, timeout=START,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise Missing(" / ".join(done.stderr.strip().splitlines()[-2:]))
    return [float(line) for line in done.stdout.split()]


def airflow(steps: int, postgres: Postgres) -> float:
    """`airflow standalone` with its LocalExecutor on PostgreSQL: seconds of the run by its
    own account, which begins when its scheduler has begun with it."""
    python = python_of("airflow")
    url = postgres.database(empty=True)
    with tempfile.TemporaryDirectory(prefix="tide-peer-") as name:
        folder = Path(name)
        (folder / "dags").mkdir()
        shutil.copy(PEERS / "airflow_dag.py", folder / "dags")
        env = _airflow_env(python, folder, url, steps)
        server = Process([python.with_name("airflow"), "standalone"], folder, env)
        try:
            until(
                lambda: (
                    _rows(url, "SELECT 1 FROM dag WHERE dag_id = 'steps'") or not server.alive()
                ),
                f"Airflow's start: {server.tail()}",
                START,
            )
            if not server.alive():
                raise Missing(server.tail())
            _triggered(python, folder, env)
            until(lambda: bool(_rows(url, _RUN)), "the end of Airflow's run", ENDED)
            ((state, seconds),) = _rows(url, _RUN)
            if state != "success":
                raise Missing(f"Airflow's run: {state}")
            return float(seconds)
        finally:
            server.stop(within=20)


_RUN = (
    "SELECT state, extract(epoch FROM end_date - start_date)::float8 FROM dag_run"
    " WHERE end_date IS NOT NULL"
)


def _airflow_env(python: Path, folder: Path, url: str, steps: int) -> dict[str, str]:
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    host = url.split("host=")[1]
    database = url.split("/")[3].split("?")[0]
    port = str(free_port())
    return {
        "PATH": path,  # it starts itself by its name
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "false",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API__PORT": port,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://tide@/{database}?host={host}",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": (
            f"postgresql+asyncpg://tide@/{database}?host={host}"
        ),
        "BENCH_STEPS": str(steps),
    }


def _triggered(python: Path, folder: Path, env: dict[str, str]) -> None:
    done = subprocess.run(
        [python.with_name("airflow"), "dags", "trigger", "steps"],
        cwd=folder, env=os.environ | env, capture_output=True, text=True, timeout=START,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise Missing(f"airflow dags trigger: {done.stderr.strip()[-300:]}")


def _rows(url: str, sql: str) -> list[tuple]:
    try:
        with psycopg.connect(url) as connection:
            return connection.execute(sql.encode()).fetchall()
    except psycopg.errors.UndefinedTable:
        return []


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
