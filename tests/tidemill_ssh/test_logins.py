# ruff: noqa: ASYNC221, ASYNC240 -- nothing else waits for the loop here
"""Logging in with what people have: agents, encrypted keys, passwords, configs, other hosts on
the way, and host keys in every form in which OpenSSH knows them."""

from __future__ import annotations

import asyncio
import getpass
import os
import signal
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import pytest_asyncio
from sshd import Sshd

import tidemill_ssh
from tidemill.spi import (
    Executor,
    ExecutorContext,
    InputFile,
    OutputFile,
    ScriptAction,
    StartError,
    Work,
)
from tidemill.testing.executor.bench import RecordingIO

(KIND,) = tidemill_ssh.tidemill_executors()
SESAME = "open sesame"


@pytest_asyncio.fixture
async def executor(tmp_path: Path) -> AsyncIterator[Executor]:
    executor = KIND.factory(ExecutorContext(tmp_path / "scratch"))
    yield executor
    await executor.close()


async def text(executor: Executor, settings: dict[str, Any], script: str = "echo in") -> str:
    io = RecordingIO()
    work = _work(settings, script)
    outcome = await asyncio.wait_for(executor.wait(await executor.start(work, io)), 60)
    assert outcome.ok, outcome
    return bytes(io.kept).decode()


def _work(settings: dict[str, Any], script: str, **more: Any) -> Work:
    made = KIND.settings.model_validate(settings)
    return Work(os.urandom(8).hex(), 1, "s", 1, 1, ScriptAction(script), Path("/"), made, **more)


def without(settings: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in names}


def encrypted(server: Sshd, folder: Path) -> Path:
    key = folder / "encrypted"
    key.write_bytes(Path(server.key).read_bytes())
    key.chmod(0o600)
    command = ["ssh-keygen", "-q", "-p", "-P", "", "-N", SESAME, "-f", str(key)]
    subprocess.run(command, check=True)
    return key


@pytest.fixture
def agent(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A real agent that holds the key."""
    socket = str(tmp_path / "agent")
    said = subprocess.check_output(["ssh-agent", "-s", "-a", socket], text=True)
    pid = int(said.partition("SSH_AGENT_PID=")[2].partition(";")[0])
    monkeypatch.setenv("SSH_AUTH_SOCK", socket)
    subprocess.run(["ssh-add", "-q", sshd.key], check=True)
    yield
    os.kill(pid, signal.SIGTERM)


@pytest.mark.usefixtures("agent")
async def test_the_agents_keys_are_used(executor: Executor, sshd: Sshd) -> None:
    assert await text(executor, without(sshd.settings(), "key")) == "in\n"


async def test_without_key_and_agent_nobody_is_let_in(
    executor: Executor, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(StartError, match="refused the login"):
        await text(executor, without(sshd.settings(), "key"))


async def test_an_encrypted_key_takes_its_passphrase(
    executor: Executor, sshd: Sshd, tmp_path: Path
) -> None:
    key = encrypted(sshd, tmp_path)
    assert await text(executor, sshd.settings(key=str(key), passphrase=SESAME)) == "in\n"
    given = sshd.settings(private_key=key.read_text(), passphrase=SESAME)
    assert await text(executor, without(given, "key")) == "in\n"


@pytest.mark.parametrize("passphrase", [None, "open barley"])
async def test_a_key_that_cannot_be_decrypted_is_said(
    executor: Executor, sshd: Sshd, tmp_path: Path, passphrase: str | None
) -> None:
    settings = sshd.settings(key=str(encrypted(sshd, tmp_path)), passphrase=passphrase)
    with pytest.raises(StartError, match=r"no key that can be used.*\(passphrase\)") as raised:
        await text(executor, settings)
    assert "open barley" not in str(raised.value)


class Guard(asyncssh.SSHServer):
    """Of a host that takes passwords; a real sshd would ask the users of this machine."""

    def begin_auth(self, username: str) -> bool:
        return bool(username)

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (getpass.getuser(), SESAME)


async def _serve(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Its end is told when all that it said has been. Its input is not left to `redirect`, whose
    end only `wait_closed` awaits."""
    command = process.command or ""
    there = await asyncio.create_subprocess_shell(command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert there.stdin is not None
    assert there.stdout is not None
    assert there.stderr is not None
    feeding = asyncio.create_task(_feed(process.stdin, there.stdin))
    await asyncio.gather(
        _pump(there.stdout, process.stdout), _pump(there.stderr, process.stderr), there.wait()
    )
    feeding.cancel()
    process.exit(await there.wait())


async def _feed(source: asyncssh.SSHReader[bytes], target: asyncio.StreamWriter) -> None:
    while data := await source.read(1 << 16):
        target.write(data)
        await target.drain()
    target.close()


async def _pump(source: asyncio.StreamReader, target: asyncssh.SSHWriter[bytes]) -> None:
    while data := await source.read(1 << 16):
        target.write(data)


async def test_a_password_lets_in_and_a_wrong_one_does_not(
    executor: Executor, sshd: Sshd, tmp_path: Path
) -> None:
    host_key = str(sshd.folder / "host_key")
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=Guard, server_host_keys=[host_key],
        process_factory=_serve, encoding=None,
    )  # fmt: skip
    port = server.get_port()
    known = tmp_path / "known"
    known.write_text(sshd.known_hosts.read_text().replace(f":{sshd.port} ", f":{port} "))
    settings = sshd.settings(port=port, known_hosts=str(known), password=SESAME)
    assert await text(executor, without(settings, "key")) == "in\n"
    with pytest.raises(StartError, match="no key or password was accepted") as raised:
        await text(executor, without(settings | {"password": "open barley"}, "key"))
    assert "barley" not in str(raised.value)
    await executor.close()
    server.close()


@pytest.fixture
def jump(sshd: Sshd, serve: Callable[..., Sshd], tmp_path: Path) -> tuple[Sshd, Path]:
    """A host on the way, and a config that leads over it to `inner`."""
    gate = serve()
    known = tmp_path / "known"
    known.write_text(gate.known_hosts.read_text() + sshd.known_hosts.read_text())
    config = tmp_path / "config"
    config.write_text(
        f"Host gate\n HostName 127.0.0.1\n Port {gate.port}\n User {gate.user}\n"
        f" IdentityFile {gate.key}\n"
        f"Host inner\n HostName 127.0.0.1\n Port {sshd.port}\n User {sshd.user}\n"
        f" IdentityFile {sshd.key}\n ProxyJump gate\n"
    )
    return gate, config


async def test_a_host_on_the_way_is_passed_as_the_config_says(
    executor: Executor, jump: tuple[Sshd, Path], tmp_path: Path
) -> None:
    gate, config = jump
    settings = {"host": "inner", "config": str(config), "known_hosts": str(tmp_path / "known")}
    assert await text(executor, settings) == "in\n"
    assert len(gate.connections()) == 1
    await executor.close()


async def test_the_key_of_a_host_on_the_way_is_checked_too(
    executor: Executor, sshd: Sshd, jump: tuple[Sshd, Path]
) -> None:
    _, config = jump
    config.write_text("UserKnownHostsFile none\nStrictHostKeyChecking no\n" + config.read_text())
    settings = {"host": "inner", "config": str(config)}
    with pytest.raises(StartError, match=r"the key of gate is not among.*\(ProxyJump\)"):
        await text(executor, settings | {"known_hosts": str(sshd.known_hosts)})
    with pytest.raises(StartError, match="the key of gate is not among"):
        await text(executor, settings)


async def test_hashed_known_hosts_are_understood(
    executor: Executor, sshd: Sshd, tmp_path: Path
) -> None:
    known = tmp_path / "known"
    known.write_text(sshd.known_hosts.read_text())
    command = ["ssh-keygen", "-q", "-H", "-f", str(known)]
    subprocess.run(command, check=True, capture_output=True)
    assert "127.0.0.1" not in known.read_text()
    assert await text(executor, sshd.settings(known_hosts=str(known))) == "in\n"


async def test_a_host_may_be_vouched_for_by_an_authority(
    executor: Executor, serve: Callable[..., Sshd], sshd: Sshd, tmp_path: Path
) -> None:
    authority, known = tmp_path / "authority", tmp_path / "known"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", authority], check=True)
    host_key = tmp_path / "host_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host_key], check=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-s", authority, "-I", "host", "-h", "-n", "127.0.0.1",
         f"{host_key}.pub"], check=True,
    )  # fmt: skip
    server = serve(f"HostKey {host_key}", f"HostCertificate {host_key}-cert.pub")
    public = Path(f"{authority}.pub").read_text()
    known.write_text(f"@cert-authority [127.0.0.1]:{server.port} {public}")
    assert await text(executor, server.settings(known_hosts=str(known))) == "in\n"
    other = Path(sshd.key + ".pub").read_text()
    (tmp_path / "others").write_text(f"@cert-authority [127.0.0.1]:{server.port} {other}")
    with pytest.raises(StartError, match="not among the known hosts"):
        await text(executor, server.settings(known_hosts=str(tmp_path / "others")))


async def test_a_host_without_sftp_runs_what_has_no_files_and_says_why_not(
    executor: Executor, serve: Callable[..., Sshd], tmp_path: Path
) -> None:
    server = serve(sftp=False)
    assert await text(executor, server.settings()) == "in\n"
    (tmp_path / "source").write_text("x")
    given = _work(server.settings(), "true", inputs=(InputFile("a", tmp_path / "source"),))
    with pytest.raises(StartError, match=r"cannot put the step's inputs.*SFTP"):
        await executor.start(given, RecordingIO())
    asked = _work(server.settings(), "touch a", outputs=(OutputFile("o", "a"),))
    with pytest.raises(OSError, match="SFTP"):
        await executor.wait(await executor.start(asked, RecordingIO()))
    assert await text(executor, server.settings()) == "in\n"
