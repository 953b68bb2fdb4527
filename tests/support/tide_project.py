"""A project in a folder, worked in by real `tidemill` processes."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LIMIT = 90.0
"""Seconds after which a process is taken for hung."""

Ended = subprocess.CompletedProcess[str]


def environment(**more: str) -> dict[str, str]:
    """The environment without what would change how output looks."""
    dropped = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "TERM": "dumb", "PYTHONIOENCODING": "utf-8", **more}


@dataclass(slots=True)
class TideProject:
    root: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def write(self, text: str, name: str = "p.tide") -> None:
        (self.root / name).write_text(text, encoding="utf-8")

    def run(self, *arguments: str, **settings: Any) -> Ended:
        """`tidemill …`, to its end."""
        settings.setdefault("env", environment())
        settings.setdefault("cwd", self.root)
        return subprocess.run(
            command(arguments),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=LIMIT,
            check=False,
            **settings,
        )

    def start(self, *arguments: str, **settings: Any) -> subprocess.Popen[str]:
        """`tidemill …` in a process group of its own, as a shell would start it."""
        process = subprocess.Popen(
            command(arguments),
            cwd=self.root,
            env=environment(),
            stdout=settings.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            process_group=0,
            **settings,
        )
        self.started.append(process)
        return process

    def status(self, number: int) -> dict[str, Any]:
        ended = self.run("status", str(number), "--json")
        assert ended.returncode == 0, ended.stderr
        shown: dict[str, Any] = json.loads(ended.stdout)
        return shown

    def tasks(self, number: int) -> dict[str, dict[str, Any]]:
        """The tasks of a run by their keys."""
        return {task["task"]: task for task in self.status(number)["tasks"]}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Asks the database behind tidemill's back; nothing where there is none yet."""
        database = self.root / ".tidemill" / "tidemill.db"
        if not database.exists():
            return []
        connection = sqlite3.connect(database, timeout=30)
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:  # it has no tables yet
            return []
        finally:
            connection.close()

    def lines(self, name: str) -> list[str]:
        path = self.root / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def close(self) -> None:
        """Ends what a failed test has left running."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "tidemill.cli", *arguments]


def assert_told(ended: Ended, code: int, *texts: str) -> None:
    """It ended with this code and says what it has to say, without a traceback."""
    said = ended.stdout + ended.stderr
    assert "Traceback" not in said, said
    assert ended.returncode == code, said
    for text in texts:
        assert text in said, said
