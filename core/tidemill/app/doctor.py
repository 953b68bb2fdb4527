"""What is in force here, and what is wrong: the checks behind `tidemill doctor`."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tidemill._version import __version__
from tidemill.app.fleet import fleet
from tidemill.app.history import History
from tidemill.app.secrets import secret_states
from tidemill.errors import TidemillError
from tidemill.plugins import load
from tidemill.project import Project

_SQLITE = (3, 38, 0)
"""`UPDATE … FROM`, `RETURNING` and the JSON functions in their present form."""

_LOW_DISK = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Check:
    """`ok` is None where there is nothing to judge."""

    name: str
    ok: bool | None
    detail: str
    hint: str = ""


def checks(project: Project) -> list[Check]:
    return [
        Check("tidemill", None, __version__),
        _python(),
        _sqlite(),
        _state_folder(project),
        _database(project),
        *_runs(project),
        *_notices(project),
        *_shells(),
        *_plugins(),
        *_observers(project),
        *_secrets(project),
    ]


def _python() -> Check:
    version = platform.python_version()
    return Check("python", True, f"{version} ({sys.executable})")


def _sqlite() -> Check:
    wanted = ".".join(map(str, _SQLITE))
    ok = sqlite3.sqlite_version_info >= _SQLITE
    return Check("sqlite", ok, sqlite3.sqlite_version, f"Tidemill needs {wanted} or newer")


def _state_folder(project: Project) -> Check:
    folder = project.state if project.state.exists() else project.root
    if not os.access(folder, os.W_OK | os.X_OK):
        return Check("project", False, f"{folder} cannot be written", "make it writable")
    free = shutil.disk_usage(folder).free
    detail = f"{project.root}, {free >> 20} MiB free"
    return Check("project", free >= _LOW_DISK, detail, "the disk is nearly full")


def _database(project: Project) -> Check:
    if not project.database.exists():
        return Check("database", None, "none yet: the first `tidemill run` makes it")
    try:
        History(project).runs(1)
        with sqlite3.connect(f"{project.database.absolute().as_uri()}?mode=ro", uri=True) as db:
            found = db.execute("PRAGMA quick_check").fetchone()[0]
    except TidemillError as error:
        return Check("database", False, error.message, error.hint)
    except sqlite3.Error as error:
        return Check("database", False, f"{project.database}: {error}", "move it away")
    ok = found == "ok"
    size = project.database.stat().st_size >> 10
    return Check("database", ok, f"{project.database}, {size} KiB, {found}", "move it away")


def _runs(project: Project) -> Iterator[Check]:
    try:
        runs = History(project).runs(1_000)
    except TidemillError:
        return  # the check of the database says it
    for run in runs:
        if run.interrupted:
            hint = f"`tidemill retry {run.number}` goes on, `tidemill cancel {run.number}` ends it"
            yield Check("run", False, f"run {run.number} was interrupted", hint)


def _notices(project: Project) -> Iterator[Check]:
    from tidemill.app.telling import untold

    try:
        if not project.database.exists() and fleet(project).postgres is None:
            return
        dead = [notice for notice in untold(project) if notice.due_at is None]
    except TidemillError:
        return  # the check of the database says it
    if dead:
        last = dead[0]
        detail = f"{len(dead)} given up; the last, {last.event} of run {last.run}: {last.error}"
        hint = "`tidemill notify list` has them, `tidemill notify retry` sends them once more"
        yield Check("notices", False, detail, hint)


def _shells() -> Iterator[Check]:
    for name, needed in (("sh", True), ("bash", False)):
        path = shutil.which(name)
        ok = path is not None or (False if needed else None)
        yield Check(name, ok, path or "not found", f"install {name}, or mend PATH")


def _plugins() -> Iterator[Check]:
    for plugin in load().installed():
        name = f"{plugin.name} ({plugin.distribution} {plugin.version})"
        if plugin.failure:
            yield Check("plugin", False, f"{name}: {plugin.failure}", "mend or uninstall it")
        else:
            yield Check("plugin", True, f"{name}: {', '.join(plugin.kinds)}")


def _observers(project: Project) -> Iterator[Check]:
    from tidemill.app.observers import passed_over

    try:
        if not project.database.exists() and fleet(project).postgres is None:
            return
        missed = passed_over(load(), project)
    except TidemillError:
        return  # the check of the database says it
    for title, count in missed.items():
        events = "an event" if count == 1 else f"{count} events"
        detail = f"{title} failed with {events} too often, and was told of what came behind"
        hint = (
            'mend it: the log of the schedulers has each, with the error ("is passed over"); '
            "what it missed is not told again"
        )
        yield Check("observer", None, detail, hint)


def _secrets(project: Project) -> Iterator[Check]:
    try:
        states = secret_states(project.root)
    except TidemillError as error:
        yield Check("secrets", False, error.message, error.hint)
        return
    for state in states:
        hint = "every step that needs a secret would fail: mend it, or its [[secrets]] table"
        yield Check("secrets", not state.problem, state.problem or state.title, hint)
