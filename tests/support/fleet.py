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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psycopg
from network import Network
from postgres import Postgres

PATIENCE = 60.0


class NatsServer:
    """One server, alone or of a cluster; its store outlasts it. `cluster` are the addresses
    at which its servers speak to each other."""

    def __init__(
        self,
        folder: Path,
        name: str,
        address: str,
        cluster: Mapping[str, str],
        inside: Sequence[str] = (),
    ) -> None:
        listen, port = address.rsplit(":", 1)
        self.store = folder / name
        self._command = [
            *inside, nats_program(), "-a", listen, "-p", port, "-js", "-sd", str(self.store),
            "--server_name", name,
        ]  # fmt: skip
        if len(cluster) > 1:
            routes = ",".join(f"nats://{at}" for at in cluster.values())
            here = f"nats://{cluster[name]}"
            self._command += ["--cluster_name", "tide", "--cluster", here, "--routes", routes]
        self.name = name
        self._log = folder / f"{name}.log"
        self.url = f"nats://{address}"
        self.start()

    def start(self) -> None:
        begin = self._log.stat().st_size if self._log.exists() else 0
        self.spawn()
        for _ in range(400):
            if "Server is ready" in self._log.read_text("utf-8", "replace")[begin:]:
                return
            time.sleep(0.025)
        raise AssertionError(self._log.read_text())

    def spawn(self) -> None:
        """Starts it, and does not wait until it can be reached."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def forget(self) -> None:
        """What a dead server had stored is lost."""
        shutil.rmtree(self.store, ignore_errors=True)


class Fleet:
    """`lease` is in seconds. Processes are named, and their logs stand in the folder. With a
    `network` each process is on a host of its own name."""

    def __init__(
        self,
        folder: Path,
        programs: Path,
        *,
        servers: int = 1,
        lease: float = 30,
        network: Network | None = None,
        **settings: str,
    ) -> None:
        self.folder, self.lease, self.servers_wanted = folder, lease, servers
        self.network = network
        host = None if network is None else network.host("postgres")
        self.postgres = Postgres(programs, host, **settings)
        self.url = self.postgres.database()
        (folder / "nats").mkdir(exist_ok=True)
        self.servers = self._start_servers([f"n{i}" for i in range(servers)])
        self.nats = ",".join(server.url for server in self.servers)
        self.env = os.environ | {
            "TIDEMILL_POSTGRES": self.postgres.url_from_afar(self.url),
            "TIDEMILL_NATS": self.nats,
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def move_to(self, url: str) -> None:
        """Another database, before any process is started."""
        self.url = url
        self.env["TIDEMILL_POSTGRES"] = self.postgres.url_from_afar(url)

    def _start_servers(self, names: list[str]) -> list[NatsServer]:
        if self.network is None:
            ports = free_ports(2 * len(names))
            at = {name: f"127.0.0.1:{port}" for name, port in zip(names, ports, strict=False)}
            cluster = {name: f"127.0.0.1:{ports[-i - 1]}" for i, name in enumerate(names)}
        else:
            at = {name: f"{self.network.host(name).address}:4222" for name in names}
            cluster = {name: f"{self.network.host(name).address}:6222" for name in names}
        folder = self.folder / "nats"
        return [NatsServer(folder, name, at[name], cluster, self.inside(name)) for name in names]

    def inside(self, host: str) -> list[str]:
        """What to write before a command that is to run on this host."""
        return [] if self.network is None else self.network.host(host).inside()

    def run(self, *arguments: str, within: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.inside("client"), sys.executable, "-m", "tidemill.cli", *arguments],
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
                [*self.inside(name), sys.executable, *command],
                cwd=self.folder,
                env=self.env,
                stderr=log,
            )

    def scheduler(self, name: str, *options: str) -> None:
        copies = "3" if self.servers_wanted > 1 else "1"
        self.start(
            name, "-m", "tidemill.cli", "scheduler", "--lease", str(self.lease),
            "--replicas", copies, *options,
        )  # fmt: skip

    def worker(self, name: str, slots: int = 4, *options: str, called: str = "") -> None:
        """It calls itself as its process is named here, unless it is to be `called` otherwise."""
        self.start(
            name, "-m", "tidemill.cli", "worker", "--lease", str(self.lease), "--slots", str(slots),
            "--name", called or name, *options,
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
