"""Every way into NATS that `docs/how-to/secure-the-fleet.md` shows lets the right ones in, and
work flows; each wrong one is refused in one line that holds no secret. Real servers, started
with the page's own configuration."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from nats_keys import Authority, Operator, Pair

from fleet import free_ports, nats_program
from tidemill.broker.connection import NatsAccess, connect
from tidemill.broker.scheduler_end import JetStreamSchedulerEnd
from tidemill.broker.worker_end import JetStreamWorkerEnd
from tidemill.clock import SystemClock
from tidemill.errors import TidemillError, UsageError
from tidemill.model.messages import Order, Result
from tidemill.model.rows import TaskRef
from tidemill.ports import UnavailableError

PAGE = Path(__file__).parents[2] / "docs/how-to/secure-the-fleet.md"

Start = Callable[[str], str]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server with a configuration; HOST:PORT of it."""
    servers: list[subprocess.Popen[bytes]] = []

    def started(text: str) -> str:
        (port,) = free_ports(1)
        config = tmp_path / f"{port}.conf"
        store = f'jetstream {{ store_dir: "{tmp_path}/{port}" }}'
        config.write_text(f"host: 127.0.0.1\nport: {port}\n{store}\n{text}")
        with (tmp_path / f"{port}.log").open("wb") as log:
            servers.append(subprocess.Popen([nats_program(), "-c", config], stderr=log))
        _await(port, tmp_path / f"{port}.log")
        return f"127.0.0.1:{port}"

    yield started
    for server in servers:
        server.terminate()
        server.wait()


def _await(port: int, log: Path) -> None:
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.025)
        else:
            return
    raise AssertionError(log.read_text())


def shown(heading: str, **values: str) -> str:
    """The configuration under a heading of the page, with what a reader puts in."""
    found = re.search(
        rf"^## {heading}\n.*?```text\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert found, heading
    text = found[1]
    for old, new in values.items():
        assert f'"{old}"' in text, old
        text = text.replace(f'"{old}"', f'"{new}"')
    return text


@dataclass
class Way:
    """A server's configuration, who gets in, who does not and what each of those is told."""

    text: str
    right: NatsAccess
    wrong: dict[str, tuple[NatsAccess, str, int]]
    secrets: list[str] = field(default_factory=list)


def tls(folder: Path) -> Way:
    good, other = Authority(folder, "ca"), Authority(folder, "other")
    pem, key = good.issue("server", "IP:127.0.0.1")
    (folder / "empty.pem").write_text("nothing")
    right = NatsAccess("nats://", ca=good.pem)
    return Way(
        shown("TLS", **{"server.pem": str(pem), "server.key": str(key)}),
        right,
        {
            "signed by another": (replace(right, ca=other.pem), "certificate", 3),
            "signed by nobody we know": (NatsAccess("tls://"), "certificate", 3),
            "no TLS of our own": (NatsAccess("nats://"), "certificate", 3),
            "another host": (replace(right, url="nats://localhost"), "'localhost'", 3),
            "no file": (replace(right, ca=folder / "gone.pem"), "gone.pem: No such file", 2),
            "an empty file": (replace(right, ca=folder / "empty.pem"), "holds no certificate", 2),
        },
    )


def both_ways(folder: Path) -> Way:
    good, other = Authority(folder, "ca"), Authority(folder, "other")
    pem, key = good.issue("server", "IP:127.0.0.1")
    ours, our_key = good.issue("w1")
    theirs, their_key = other.issue("thief")
    values = {"server.pem": str(pem), "server.key": str(key), "ca.pem": str(good.pem)}
    right = NatsAccess("nats://", ca=good.pem, certificate=ours, key=our_key)
    none = replace(right, certificate=None, key=None)
    locked = folder / "locked.key"
    command = ["openssl", "pkey", "-aes256", "-passout", "pass:x", "-in", our_key, "-out", locked]
    subprocess.run(command, check=True)
    return Way(
        shown("Certificates both ways", **values),
        right,
        {
            "no certificate": (none, "by certificate, and wants to see one", 3),
            "by another": (
                replace(right, certificate=theirs, key=their_key), "and does not take", 3,
            ),
            "another's key": (replace(right, key=their_key), "are no certificate and its key", 2),
            "a locked key": (replace(right, key=locked), "are no certificate and its key", 2),
            "a key alone": (replace(right, certificate=None), "w1.key is a key", 2),
            "no file": (replace(right, key=folder / "gone.key"), "gone.key: No such file", 2),
        },
        [our_key.read_text().splitlines()[1]],
    )  # fmt: skip


def nkeys(folder: Path) -> Way:
    ours, other = Pair.user(), Pair.user()
    files = {"ours": ours.seed + "\n", "other": other.seed, "public": ours.public, "bad": "SUAB"}
    for name, text in files.items():
        (folder / name).write_text(text)
    right = NatsAccess("nats://", nkey=folder / "ours")
    return Way(
        shown("Nkeys", **{"U…": ours.public}),
        right,
        {
            "another": (replace(right, nkey=folder / "other"), "does not let us in", 3),
            "none": (replace(right, nkey=None), "does not let us in", 3),
            "the public half": (replace(right, nkey=folder / "public"), "no user's seed", 2),
            "half of it": (replace(right, nkey=folder / "bad"), "no user's seed", 2),
            "no file": (replace(right, nkey=folder / "gone"), "gone: No such file", 2),
            "a folder": (replace(right, nkey=folder), "Is a directory", 2),
        },
        [ours.seed, other.seed],
    )


def _operator(folder: Path) -> tuple[Operator, str]:
    operator = Operator()
    (folder / "operator.jwt").write_text(operator.jwt)
    values = {"operator.jwt": f"{folder}/operator.jwt"}
    for letter, name in (("S", "SYS"), ("T", "TIDE")):
        values[f"A{letter}…"], values[f"ey{letter}…"] = operator.accounts[name]
    return operator, shown("Credentials files", **values)


def credentials(folder: Path) -> Way:
    operator, text = _operator(folder)
    ours = operator.creds(folder / "ours.creds")
    ended = operator.creds(folder / "ended.creds", lasts=-60)
    foreign = Operator().creds(folder / "foreign.creds")
    jwt, seed = (found for found in re.findall(r"\n(\S{50,})\n", ours.read_text()))
    (folder / "jwt.creds").write_text(f"-----BEGIN NATS USER JWT-----\n{jwt}\n")
    mixed = folder / "mixed.creds"
    mixed.write_text(ours.read_text().replace(seed, Pair.user().seed))
    right = NatsAccess("nats://", credentials=ours)
    return Way(
        text,
        right,
        {
            "ended": (replace(right, credentials=ended), "ended.creds has expired", 3),
            "another's": (replace(right, credentials=foreign), "does not let us in", 3),
            "another's seed": (replace(right, credentials=mixed), "does not let us in", 3),
            "none": (replace(right, credentials=None), "does not let us in", 3),
            "half of it": (
                replace(right, credentials=folder / "jwt.creds"), "is no .creds file", 2,
            ),
            "no file": (replace(right, credentials=folder / "gone"), "gone: No such file", 2),
            "two ways": (replace(right, nkey=ours), "a .creds file and an nkey", 2),
        },
        [jwt, seed],
    )  # fmt: skip


def token(folder: Path) -> Way:
    del folder
    right = NatsAccess("nats://", token="hunter2")  # noqa: S106
    return Way(
        'authorization { token: "hunter2" }',
        right,
        {
            "another": (replace(right, token="hunter3"), "does not let us in", 3),  # noqa: S106
            "none": (replace(right, token=None), "does not let us in", 3),
            "in the URL": (NatsAccess("nats://hunter3@"), "does not let us in", 3),
        },
        ["hunter2", "hunter3"],
    )


def password(folder: Path) -> Way:
    del folder
    return Way(
        'authorization { users = [ { user: "anna", password: "hunter/2@" } ] }',
        NatsAccess("nats://anna:hunter%2F2%40@"),
        {
            "another": (NatsAccess("nats://anna:hunter3@"), "does not let us in", 3),
            "not encoded": (NatsAccess("nats://anna:hunter%2F2@"), "does not let us in", 3),
            "another user": (NatsAccess("nats://hunter:hunter%2F2%40@"), "does not let us in", 3),
            "none": (NatsAccess("nats://"), "does not let us in", 3),
            "two people": (NatsAccess("nats://a:hunter2@x,nats://b:hunter3@"), "two users", 2),
        },
        ["hunter"],
    )


WAYS = {way.__name__: way for way in (tls, both_ways, nkeys, credentials, token, password)}


def at(access: NatsAccess, address: str) -> NatsAccess:
    """The access to a server that listens here."""
    host, _, port = address.partition(":")
    where = "" if access.url.endswith("localhost") else host
    return replace(access, url=f"{access.url}{where}:{port}")


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_the_right_one_gets_in_and_work_flows(
    way: Callable[[Path], Way], tmp_path: Path, start: Start
) -> None:
    made = way(tmp_path)
    access, clock = at(made.right, start(made.text)), SystemClock()
    scheduler = JetStreamSchedulerEnd(await connect(access, "scheduler"), clock)
    worker = JetStreamWorkerEnd(await connect(access, "w1"), clock, "w1", "default")
    await scheduler.open()
    await worker.open()
    order = Order(
        TaskRef(1, 0), 1, "t", "t", 1, "default", 2, "k", None, ("true",), {}, ".", "local", {},
        epoch=scheduler.known_epoch().name,
    )  # fmt: skip
    await scheduler.publish([order])
    (delivery,) = await asyncio.wait_for(worker.take("default", 1), 10)
    assert await worker.claim(delivery.order, "w1", clock.now())
    result = Result(TaskRef(1, 0), 1, "w1", 1.0, 2.0, "exited", 0)
    await worker.report(result)
    seen: list[object] = []
    while replace(result, claimed=True) not in seen:
        inbox = await scheduler.inbox(clock.now() + 5)
        assert inbox.reports
        seen += inbox.reports
    for end in (worker, scheduler):
        await end.close()
        await end._client.close()  # noqa: SLF001


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_the_wrong_one_is_told_why_in_a_line(
    way: Callable[[Path], Way], tmp_path: Path, start: Start
) -> None:
    made = way(tmp_path)
    address = start(made.text)
    for name, (access, said, code) in made.wrong.items():
        with pytest.raises(TidemillError) as caught:
            await asyncio.wait_for(connect(at(access, address), "w1"), 10)
        error = caught.value
        assert error.exit_code == code, name
        assert not isinstance(error, UnavailableError), f"{name}: it would be waited for"
        assert said in error.message, name
        assert "\n" not in error.message, name
        assert not [s for s in made.secrets if s in error.message + error.hint], name


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_worker_that_is_refused_ends_with_that_line_alone(
    way: Callable[[Path], Way], tmp_path: Path, start: Start
) -> None:
    made = way(tmp_path)
    access, said, code = next(iter(made.wrong.values()))
    done = _worker(tmp_path, at(access, start(made.text)))
    assert done.returncode == code, done.stderr
    what, *help_ = done.stderr.splitlines()
    assert what.startswith("error: ")
    assert said in what
    assert all(line.startswith("help: ") for line in help_), done.stderr
    assert not [s for s in made.secrets if s in done.stdout + done.stderr]


def _worker(folder: Path, access: NatsAccess) -> subprocess.CompletedProcess[str]:
    """`tidemill worker`, which is expected to end by itself."""
    given = {
        "CREDENTIALS": access.credentials, "NKEY": access.nkey, "CA": access.ca,
        "CERTIFICATE": access.certificate, "KEY": access.key, "TOKEN": access.token,
    }  # fmt: skip
    env = {name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL")}
    env |= {"TIDEMILL_NATS": access.url}
    env |= {f"TIDEMILL_NATS_{name}": str(value) for name, value in given.items() if value}
    return subprocess.run(
        [sys.executable, "-m", "tidemill.cli", "worker"],
        cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ws://anna:hunter2@127.0.0.1", "not spoken over ws://"),
        ("http://127.0.0.1", "not spoken over http://"),
        ("nats://anna:hunter2@", "is no address"),
        ("nats://anna:hunter2@[::1", "is no address"),
        ("nats://anna:hunter2@here:many", "is no address"),
        (",", "no server of NATS is named"),
    ],
)
async def test_an_address_that_is_none_is_told(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        await connect(NatsAccess(url), "w1")
    assert "hunter2" not in caught.value.message


async def test_nothing_is_told_in_the_clear_where_tls_is_wanted() -> None:
    heard = []

    async def in_the_clear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.11.0","max_payload":1000}\r\n')
        heard.append(await reader.read(1000))
        writer.close()

    async with await asyncio.start_server(in_the_clear, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Exception, match="offers no TLS"):
            await connect(NatsAccess(f"tls://anna:hunter2@127.0.0.1:{port}"), "w1")
    assert b"".join(heard) == b""


async def test_tls_is_used_where_the_server_leaves_it_open(tmp_path: Path, start: Start) -> None:
    made = tls(tmp_path)
    address = start(made.text + "allow_non_tls: true\n")
    client = await connect(at(made.right, address), "w1")
    assert client._transport._io_writer.get_extra_info("cipher")  # type: ignore[union-attr] # noqa: SLF001
    await client.close()


async def test_who_was_shut_out_comes_back_with_renewed_credentials(
    tmp_path: Path, start: Start
) -> None:
    operator, text = _operator(tmp_path)
    path = operator.creds(tmp_path / "w1.creds", lasts=3)
    back = asyncio.Event()

    async def again() -> None:
        back.set()

    access = NatsAccess(f"nats://{start(text)}", credentials=path)
    client = await connect(access, "w1", reconnected=again)
    while client.is_connected:  # noqa: ASYNC110 - the library tells it in no other way
        await asyncio.sleep(0.1)
    path.write_text("half of")  # it is being written
    await asyncio.sleep(0.5)
    assert not back.is_set()
    operator.creds(path)
    await asyncio.wait_for(back.wait(), 10)
    await client.close()


async def test_a_server_that_is_not_there_is_told_soon() -> None:
    (port,) = free_ports(1)
    access = NatsAccess(f"nats://anna:hunter2@127.0.0.1:{port}")
    with pytest.raises(Exception, match="cannot be reached: connection refused") as caught:
        await asyncio.wait_for(connect(access, "w1"), 5)
    assert "hunter2" not in str(caught.value)
