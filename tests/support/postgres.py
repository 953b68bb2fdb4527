"""A PostgreSQL server for tests: real, on a socket of its own, in a temporary folder."""

from __future__ import annotations

import atexit
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import psycopg
from network import SUBNET, Host
from sqlalchemy import make_url

from tidemill.store.database import upgrade_postgres

_TEMPLATE = "template_tide"
"""The database with Tidemill's tables that others are copied from."""

_SETTINGS = {
    "fsync": "off",
    "listen_addresses": "",
    "max_connections": "60",
    "deadlock_timeout": "200ms",
}


def find() -> Path | None:
    """The folder of PostgreSQL's programs; None where there are none."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


class Postgres:
    """Starts at once; `stop` removes all of it. It refuses to be run by root, so root
    hands it to the user `postgres`. On a `host` of a network of the test's own it listens
    there, too."""

    def __init__(self, programs: Path, host: Host | None = None, **settings: str) -> None:
        self._programs, self._host = programs, host
        self._settings = _SETTINGS | settings
        self._numbers = itertools.count()
        self.folder = Path(tempfile.mkdtemp(prefix="tide-pg-"))
        self._user = _unprivileged()
        if self._user:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._fill()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def _fill(self) -> None:
        self._run("cp", "-a", str(_seed(self._programs)), str(self.data))
        if self._host is not None:
            self._settings["listen_addresses"] = self._host.address
            with (self.data / "pg_hba.conf").open("a") as access:
                access.write(f"host all tide {SUBNET} trust\n")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://tide@/{database}?host={self.folder}"

    def url_from_afar(self, url: str) -> str:
        """The URL for other hosts, for one that this machine's processes use."""
        if self._host is None:
            return url
        return url.replace("@/", f"@{self._host.address}:5432/").partition("?")[0]

    def database(self, *, empty: bool = False, tablespace: Path | None = None) -> str:
        """The URL of a new database, with Tidemill's tables unless it is to be `empty`; in
        `tablespace`, a folder, where one is given."""
        name = f"t{next(self._numbers)}"
        options = "" if empty else f" TEMPLATE {_TEMPLATE}"
        if tablespace is not None:
            self._sql(f"CREATE TABLESPACE {tablespace.name} LOCATION '{tablespace}'")
            options += f" TABLESPACE {tablespace.name}"
        self._sql(f"CREATE DATABASE {name}{options}")
        return self.url(name)

    @staticmethod
    def name(url: str) -> str:
        return str(make_url(url).database)

    def own(self, folder: Path) -> None:
        """Gives it a folder with all that is in it."""
        if self._user:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def start(self) -> None:
        self.spawn()
        self._until_up()

    def recover(self) -> None:
        """Waits for it to get over a crash; starts it where it has given up."""
        self._until_up(again=True)

    def _until_up(self, *, again: bool = False) -> None:
        for _ in range(400):
            try:
                psycopg.connect(self.url()).close()
            except psycopg.OperationalError:
                if again and not self.alive:  # it may give up only now
                    self.spawn()
                time.sleep(0.025)
            else:
                return
        raise AssertionError((self.folder / "log").read_text())

    def move_log(self, disk: Path) -> None:
        """Keeps what it writes ahead on another disk; it is stopped and started for it."""
        self.end()
        log, there = self.data / "pg_wal", disk / "wal"
        shutil.copytree(log, there)
        self.own(there)
        shutil.rmtree(log)
        log.symlink_to(there)
        self.start()

    def use_up_log(self) -> None:
        """Writes ahead until there is no room left for it, which fells the server."""
        with suppress(psycopg.OperationalError):
            for _ in range(100):
                self._sql("SELECT pg_logical_emit_message(true, 'test', 'x')")
                self._sql("SELECT pg_switch_wal()")

    def spawn(self) -> None:
        """Starts it, and does not wait until it can be asked."""
        options = [part for pair in self._settings.items() for part in ("-c", "=".join(pair))]
        command = [self._programs / "postgres", "-D", self.data, "-k", self.folder, *options]
        inside = [] if self._host is None else self._host.inside(self._user)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*inside, *command],
                stdout=subprocess.DEVNULL,
                stderr=log,
                **({} if inside else self._as_user()),
            )

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def send(self, number: int) -> None:
        """SIGINT ends it at once and cleanly, SIGQUIT without a word, as a crash does."""
        if self._process is not None:
            self._process.send_signal(number)

    def end(self, number: int = signal.SIGINT) -> None:
        self.send(number)
        if self._process is not None:
            self._process.wait()

    def stop(self) -> None:
        self.end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _sql(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _run(self, program: str | Path, *arguments: str) -> None:
        done = subprocess.run(
            [program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            **self._as_user(),
        )
        assert done.returncode == 0, done.stderr

    def _as_user(self) -> dict[str, object]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}


class _Seed(Postgres):
    """What each server begins as: to make it takes seconds, to copy it a tenth of one."""

    def _fill(self) -> None:
        self._run(
            self._programs / "initdb", "-D", str(self.data), "-U", "tide", "-A", "trust",
            "--no-sync", "-E", "UTF8", "--locale", "C",
        )  # fmt: skip

    def ripen(self) -> Path:
        self._sql(f"CREATE DATABASE {_TEMPLATE}")
        upgrade_postgres(self.url(_TEMPLATE))
        self.end()
        return self.data


@cache
def _seed(programs: Path) -> Path:
    """One for all servers of a process."""
    seed = _Seed(programs)
    atexit.register(seed.stop)
    return seed.ripen()


class Standby(Postgres):
    """A replica that follows another server by what that writes ahead."""

    def __init__(self, programs: Path, primary: Postgres) -> None:
        self._primary = primary
        super().__init__(programs)

    def _fill(self) -> None:
        self._run(
            self._programs / "pg_basebackup", "-D", str(self.data), "-d", self._primary.url(),
            "-R", "-X", "stream", "-c", "fast", "--no-sync",
        )  # fmt: skip

    def until_it_knows(self, url: str) -> None:
        """Waits until it has all that the primary has written by now."""
        with psycopg.connect(self._primary.url()) as connection:
            at = connection.execute("SELECT pg_current_wal_lsn()").fetchone()
        for _ in range(800):
            with psycopg.connect(self.url(self.name(url))) as connection:
                done = connection.execute("SELECT pg_last_wal_replay_lsn() >= %s", at).fetchone()
            if done == (True,):
                return
            time.sleep(0.025)
        raise AssertionError((self.folder / "log").read_text())


def _unprivileged() -> pwd.struct_passwd | None:
    return pwd.getpwnam("postgres") if os.getuid() == 0 else None
