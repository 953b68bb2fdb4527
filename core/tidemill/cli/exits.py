"""What the process exits with. The table in `docs/reference/cli.md` says the same."""

from __future__ import annotations

import signal
from typing import Final

from tidemill.model.states import RunState

OK: Final = 0
FAILED: Final = 1
"""The run failed, or the files have errors."""
USAGE: Final = 2
"""Bad usage, or something could not be read."""
ENVIRONMENT: Final = 3
"""Disk, database or a plugin failed."""
CHANGES: Final = 4
"""There is something to do, for whoever asked `plan` to say so by its exit code."""
CANCELLED: Final = 130
BROKEN_PIPE: Final = 128 + signal.SIGPIPE


def of_run(state: RunState, stopped_by: int | None = None) -> int:
    """The exit code for a run that ended so; `stopped_by` is the first signal caught."""
    if state is RunState.SUCCEEDED:
        return OK
    if state is RunState.FAILED:
        return FAILED
    return CANCELLED if stopped_by is None else 128 + stopped_by
