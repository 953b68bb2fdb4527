"""Which commit of git a file is at, as git itself says: it knows worktrees, submodules and
whom a checkout belongs to."""

from __future__ import annotations

import subprocess
from pathlib import Path

DIRTY = "-dirty"
"""Behind the commit where the checkout has changes that are in no commit, or the file is not
in it at all."""

_SECONDS = 10.0
_QUIET = ("--no-optional-locks", "-c", "core.fsmonitor=false")
"""Changes nothing in the checkout, and starts nothing that it names."""


class Commits:
    """Asks once for each checkout."""

    def __init__(self) -> None:
        self._known: dict[Path, str] = {}

    def of(self, file: Path) -> str:
        """Empty where the file is in no checkout with a commit, or there is no git."""
        folder = file.absolute().parent
        if folder not in self._known:
            self._known[folder] = _head(folder)
        head = self._known[folder]
        if head and not head.endswith(DIRTY) and not _is_tracked(file.absolute()):
            return head + DIRTY
        return head


def _head(folder: Path) -> str:
    head = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    if not head:
        return ""
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return head + (DIRTY if changed is None or changed else "")


def _is_tracked(file: Path) -> bool:
    return bool(_git(file.parent, "ls-files", "--", file.name))


def _git(folder: Path, *arguments: str) -> str | None:
    """What git answers; None where it does not."""
    command = ["git", *_QUIET, "-C", str(folder), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None
