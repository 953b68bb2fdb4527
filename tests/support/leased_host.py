"""A program that drives a run with leases of a length of its own:
`leased_host.py PROJECT FILE SECONDS`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from tidemill.app import local, open_run
from tidemill.model.requests import RunRequest
from tidemill.model.views import LateView, RunView, TaskView
from tidemill.project import Project


class Silent:
    def run_changed(self, run: RunView) -> None:
        del run

    def tasks_changed(self, tasks: Sequence[TaskView]) -> None:
        del tasks

    def late(self, found: LateView) -> None:
        del found

    def output(self, key: str, attempt: int, text: str) -> None:
        del key, attempt, text


def main(project: Path, file: str, lease: float) -> None:
    local.LEASE = lease
    request = RunRequest(Path(file), max_parallel=2)
    run = open_run(Project(project), request)
    print(asyncio.run(run.drive(Silent())).state.value)


main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
