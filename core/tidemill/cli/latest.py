"""Which run is meant where none is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.cli import console
from tidemill.errors import UsageError

if TYPE_CHECKING:
    from tidemill.app import Project


def number_or_latest(project: Project, number: int | None) -> int:
    """The number given, or that of the latest run of the project."""
    if number is not None:
        return number
    latest = console.past(project).latest()
    if latest is None:
        raise no_runs(project)
    return latest


def no_runs(project: Project) -> UsageError:
    """For everything that needs a run where there is none yet."""
    return UsageError(f"there are no runs yet in {project.root}", "tidemill run FILE makes one")
