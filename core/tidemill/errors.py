"""Errors that are for a person: what happened, where, and what to do about it.

Anything else that is raised is a bug, and keeps its traceback.
"""

from __future__ import annotations


class TidemillError(Exception):
    """An expected failure. `message` says what and where in one line; `hint` what to do."""

    exit_code = 3
    """What the command line exits with (see `docs/reference/cli.md`)."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(TidemillError):
    """The request makes no sense as it stands: an unknown step, a missing parameter."""

    exit_code = 2
