"""A whole fleet of real processes on this machine: PostgreSQL, NATS (one server or three),
schedulers and workers, each of which a test may stop, kill and start again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from postgres import Postgres

PATIENCE = 60.0


class NatsServer:
    """One server, alone or of a cluster; its store outlasts it."""

    def __init__(self, folder: Path, name: str, port: int, cluster: dict[str, int]) -> None:
        self._command = [
            nats_program(), "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder / name),
            "--server_name", name,
        ]  # fmt: skip
        if cluster:
            routes = ",".join(f"nats://127.0.0.1:{at}" for at in cluster.values())
            listen = f"nats://127.0.0.1:{cluster[name]}"
            self._command += ["--cluster_name", "tide", "--cluster", listen, "--routes", routes]
        self._log = folder / f"{name}.log"
        self.url = f"nats://127.0.0.1:{port}"
        self.port = port
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        for _ in range(400):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.025)
            else:
                return
        raise AssertionError(self._log.read_text())

    def kill(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


class Fleet:
    """`lease` is in seconds. Processes are named, and their logs stand in the folder."""

    def __init__(
        self, folder: Path, programs: Path, *, servers: int = 1, lease: float = 30, **settings: str
    ) -> None:
        self.folder, self.lease, self.servers_wanted = folder, lease, servers
        self.postgres = Postgres(programs, **settings)
        self.url = self.postgres.database()
        ports = free_ports(2 * servers)
        cluster = {f"n{i}": ports[servers + i] for i in range(servers)} if servers > 1 else {}
        self.servers = [
            NatsServer(folder / "nats", f"n{i}", ports[i], cluster)
            for i in range(servers)
            if (folder / "nats").mkdir(exist_ok=True) is None
        ]
        self.nats = ",".join(server.url for server in self.servers)
        self.env = os.environ | {"TIDEMILL_POSTGRES": self.url, "TIDEMILL_NATS": self.nats}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def move_to(self, url: str) -> None:
        """Another database, before any process is started."""
        self.url = url
        self.env["TIDEMILL_POSTGRES"] = url

    def run(self, *arguments: str, within: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tidemill.cli", *arguments],
            cwd=self.folder, env=self.env, capture_output=True, text=True, check=False,
            timeout=within,
        )  # fmt: skip

    def tidemill(self, *arguments: str, within: float = PATIENCE) -> str:
        done = self.run(*arguments, within=within)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *command], cwd=self.folder, env=self.env, stderr=log
            )

    def scheduler(self, name: str, *options: str) -> None:
        copies = "3" if self.servers_wanted > 1 else "1"
        self.start(
            name, "-m", "tidemill.cli", "scheduler", "--lease", str(self.lease),
            "--replicas", copies, *options,
        )  # fmt: skip

    def worker(self, name: str, slots: int = 4, *options: str) -> None:
        self.start(
            name, "-m", "tidemill.cli", "worker", "--lease", str(self.lease), "--slots", str(slots),
            "--name", name, *options,
        )  # fmt: skip

    def signal(self, name: str, number: signal.Signals) -> None:
        self.processes[name].send_signal(number)

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()

    def end(self, name: str) -> int:
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(PATIENCE)

    def query(self, sql: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql.encode()).fetchall()

    def trigger(self, pipeline: str, *options: str) -> int:
        return int(self.tidemill("trigger", pipeline, *options).split()[1])

    def until(self, reached: Callable[[], bool], within: float = PATIENCE) -> None:
        until = time.monotonic() + within
        while time.monotonic() < until:
            if reached():
                return
            time.sleep(0.1)
        raise AssertionError(f"not reached within {within:g} s\n{self.logs()}")

    def state(self, run: int) -> str:
        return str(self.query(f"SELECT state FROM run WHERE number = {run}")[0][0])

    def to_the_end(self, run: int, within: float = PATIENCE) -> str:
        ended = {"succeeded", "failed", "cancelled"}
        self.until(lambda: self.state(run) in ended, within)
        return self.state(run)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")

    def logs(self) -> str:
        texts = [path.read_text("utf-8", "replace")[-1500:] for path in self.folder.glob("*.log")]
        return "\n".join(texts)

    def stop(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for server in self.servers:
            server.kill()
        self.postgres.stop()


NewFleet = Callable[..., Fleet]


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports


def nats_program() -> str:
    beside = Path(sys.executable).with_name("nats-server")
    return str(beside) if beside.exists() else shutil.which("nats-server") or "nats-server"
