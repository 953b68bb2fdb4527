# ruff: noqa: ASYNC110, ASYNC221, ASYNC240, ASYNC220 -- nothing else waits for the loop here
"""Steps on real SSH servers that refuse, vanish, have little, or have much to do."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sshd import Sshd

import tidemill_ssh
from tidemill.spi import Executor, ExecutorContext, Outcome, Reason, ScriptAction, StartError, Work
from tidemill.testing.executor.bench import RecordingIO

(KIND,) = tidemill_ssh.tidemill_executors()
NASTY = "setsid env -i sh -c 'trap \"\" TERM HUP; sleep 1000; :' >/dev/null 2>&1 & echo ready; "


class Bench:
    def __init__(self, executor: Executor, project: Path) -> None:
        self.executor, self.project, self.number = executor, project, 0

    async def start(self, script: str, settings: dict[str, Any], **more: Any) -> Any:
        self.number += 1
        made = KIND.settings.model_validate(settings)
        io = RecordingIO()
        work = Work(
            str(self.number), 1, "step", 1, 1, ScriptAction(script), self.project, made, **more
        )
        return await self.executor.start(work, io), io

    async def run(self, script: str, settings: dict[str, Any], **more: Any) -> tuple[Outcome, str]:
        handle, io = await self.start(script, settings, **more)
        outcome = await asyncio.wait_for(self.executor.wait(handle), 60)
        return outcome, bytes(io.kept).decode()


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    executor = KIND.factory(ExecutorContext(tmp_path / "scratch"))
    yield Bench(executor, tmp_path)
    await executor.close()


async def gone(number: int) -> None:
    """Waits until no process sleeps that long: how a step of this test is told from others."""
    async with asyncio.timeout(30):
        while sleepers(number):
            await asyncio.sleep(0.05)


async def there(number: int) -> None:
    """Waits until a process sleeps that long: what a step says comes before what it does."""
    async with asyncio.timeout(30):
        while not sleepers(number):
            await asyncio.sleep(0.05)


def sleepers(number: int) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if file.read_bytes() == b"sleep\0%d\0" % number:
                found.append(file.parent.name)
        except OSError:
            continue
    return found


async def test_an_unknown_host_key_is_refused(bench: Bench, sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(StartError, match=r"127\.0\.0\.1.*not among the known hosts.*empty"):
        await bench.run("true", sshd.settings(known_hosts=str(tmp_path / "empty")))


async def test_a_changed_host_key_is_refused(bench: Bench, serve: Callable[..., Sshd]) -> None:
    server = serve()
    server.trust(server.folder / "key.pub")
    with pytest.raises(StartError, match="has changed"):
        await bench.run("true", server.settings())


async def test_a_config_cannot_turn_the_check_off(bench: Bench, sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("UserKnownHostsFile none\nStrictHostKeyChecking no\n")
    settings = sshd.settings(config=str(tmp_path / "config"))
    del settings["known_hosts"]
    with pytest.raises(StartError, match="known hosts"):
        await bench.run("true", settings)


async def test_a_refused_login_is_said(bench: Bench, sshd: Sshd) -> None:
    with pytest.raises(StartError, match="refused the login of"):
        await bench.run("true", sshd.settings(key=str(sshd.folder / "host_key")))


async def test_a_closed_port_and_an_unknown_name_are_said(bench: Bench, sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(StartError, match="no SSH server listens"):
        await bench.run("true", sshd.settings(port=port))
    with pytest.raises(StartError, match=r"no host is known as no-such-host\.invalid"):
        await bench.run("true", sshd.settings(host="no-such-host.invalid"))


async def test_a_host_that_never_speaks_is_given_up(bench: Bench, sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(StartError, match=r"within 0\.3 s"):
            await bench.run("true", sshd.settings(port=port, connect_timeout=0.3))


async def test_an_alias_of_the_config_is_followed(bench: Bench, sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        f"Host build\n HostName 127.0.0.1\n Port {sshd.port}\n User {sshd.user}\n"
        f" IdentityFile {sshd.key}\n UserKnownHostsFile {sshd.known_hosts}\n"
    )
    settings = {"host": "build", "config": str(tmp_path / "config")}
    assert await bench.run("echo there", settings) == (pytest_any_ok(), "there\n")


class pytest_any_ok:  # noqa: N801
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outcome) and other.ok

    __hash__ = None  # type: ignore[assignment]


async def test_a_cut_connection_ends_the_tree_and_loses_the_step(
    bench: Bench, serve: Callable[..., Sshd]
) -> None:
    server = serve()
    handle, io = await bench.start(
        NASTY.replace("1000", "100001") + "sleep 100001", server.settings()
    )
    await io.until(lambda io: b"ready" in io.kept)
    await there(100001)
    assert server.cut() > 0
    outcome = await asyncio.wait_for(bench.executor.wait(handle), 30)
    assert (outcome.reason, "127.0.0.1" in outcome.detail) == (Reason.LOST, True)
    await gone(100001)
    assert (await bench.run("echo again", server.settings()))[1] == "again\n"


async def test_a_killed_worker_leaves_nothing(sshd: Sshd, tmp_path: Path) -> None:
    program = (
        "import asyncio, json, sys, tidemill_ssh; from pathlib import Path;"
        "from tidemill.spi import *; from tidemill.testing.executor.bench import RecordingIO\n"
        "async def main():\n"
        " (k,) = tidemill_ssh.tidemill_executors(); e = k.factory(ExecutorContext(Path('x')))\n"
        " s = k.settings.model_validate(json.loads(sys.argv[1])); io = RecordingIO()\n"
        " w = Work('1', 1, 's', 1, 1, ScriptAction(sys.argv[2]), Path('/'), s)\n"
        " h = await e.start(w, io); await io.until(lambda io: b'ready' in io.kept)\n"
        " print('ready', flush=True); await e.wait(h)\n"
        "asyncio.run(main())"
    )
    import json

    script = NASTY.replace("1000", "100002") + "sleep 100002"
    worker = subprocess.Popen(
        [sys.executable, "-c", program, json.dumps(sshd.settings()), script],
        stdout=subprocess.PIPE, cwd=tmp_path,
    )  # fmt: skip
    assert worker.stdout is not None
    assert await asyncio.to_thread(worker.stdout.readline) == b"ready\n"
    await there(100002)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    await gone(100002)


async def test_a_host_with_busybox_alone_is_enough(
    bench: Bench, serve: Callable[..., Sshd], tmp_path: Path
) -> None:
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox is not installed")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in subprocess.check_output([busybox, "--list"], text=True).split():
        (programs / name).symlink_to(busybox)
    forced = f'ForceCommand {busybox} env PATH={programs} {busybox} sh -c "$SSH_ORIGINAL_COMMAND"'
    server = serve(forced)
    for script, code, number in [("exit 130", 130, None), ("kill -INT $$", None, signal.SIGINT)]:
        outcome, _ = await bench.run(script, server.settings())
        assert (outcome.code, outcome.signal) == (code, number)
    script = NASTY.replace("1000", "100003") + "readlink /proc/$$/exe"
    outcome, text = await bench.run(script, server.settings())
    assert (outcome.ok, text.splitlines()[-1]) == (True, os.path.realpath(busybox))


async def test_two_hosts_run_many_steps_at_once(
    bench: Bench, serve: Callable[..., Sshd], tmp_path: Path
) -> None:
    """More than `MaxSessions` of the one and, by far, of the other."""
    first, second = serve(), serve("MaxSessions 2")

    async def one(server: Sshd, number: int) -> str:
        script = f": >{tmp_path}/s{number}; until [ $(ls {tmp_path} | grep -c ^s[0-9]) -ge 18 ];"
        return (await bench.run(f"{script} do sleep 0.05; done; echo $SSH {number}",
                                server.settings()))[1]  # fmt: skip

    jobs = [one(server, number) for number, server in enumerate([first] * 12 + [second] * 6)]
    assert await asyncio.gather(*jobs) == [f"{number}\n" for number in range(18)]
    assert len(first.connections()) == 2
    assert len(second.connections()) >= 3


async def test_a_secret_is_on_no_command_line(bench: Bench, sshd: Sshd) -> None:
    secret = "hunter2-" + os.urandom(8).hex()
    handle, io = await bench.start("echo ready; sleep 100004", sshd.settings(), env={"S": secret})
    await io.until(lambda io: b"ready" in io.kept)
    lines = b""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines += file.read_bytes()
        except OSError:
            continue
    await bench.executor.stop(handle, 0)
    assert b"100004" in lines
    assert secret.encode() not in lines


async def test_paths_and_values_are_never_code(bench: Bench, sshd: Sshd, tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s "a" $(touch pwned)\n漢字 ;'
    folder.mkdir()
    value = "'; touch pwned; '\n\"$HOME\" `x` 🙂"
    script = 'printf %s "$V"; touch here'
    outcome, text = await bench.run(script, sshd.settings(workdir=str(folder)), env={"V": value})
    assert (outcome.ok, text) == (True, value)
    assert [path.name for path in folder.iterdir()] == ["here"]


async def test_a_step_finds_nothing_of_an_earlier_one(bench: Bench, sshd: Sshd) -> None:
    """Though its supervisor is the same, and so is the place of its folders."""
    litter = 'pwd; touch a .b "..c d" $TMPDIR/e ../f ../.g; mkdir -m 0 h; echo x=1 >$TIDE_OUTPUT'
    look = "pwd; ls -A; ls -A $TMPDIR; ls -A ..; [ ! -e $TIDE_OUTPUT ] || echo output"
    where = (await bench.run("pwd", sshd.settings()))[1]
    for script in (litter, "pwd; rmdir $PWD", "pwd; cd ..; rmdir work; ln -s /etc work"):
        assert (await bench.run(script, sshd.settings()))[1] == where
        found = (await bench.run(look, sshd.settings()))[1].split()
        kept = "inputs main nap order peak said times tmp until work"
        assert " ".join(found) == f"{where.strip()} {kept}"


async def test_folders_are_removed_when_their_supervisor_goes(bench: Bench, sshd: Sshd) -> None:
    _, text = await bench.run("pwd; touch here", sshd.settings())
    assert text.startswith("/tmp/tidemill-")
    assert not list(Path(text.strip()).iterdir())
    await bench.executor.close()
    assert not Path(text.strip()).parent.exists()


def test_a_pipeline_runs_on_a_host(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "tidemill.toml").touch()
    settings = "\n".join(
        f"    {name} = {value if isinstance(value, int) else chr(34) + str(value) + chr(34)}"
        for name, value in sshd.settings().items()
    )
    (tmp_path / "p.tide").write_text(
        "pipeline p {\n  defaults {\n  executor ssh {\n" + settings + "\n  }\n  }\n"
        '  step there { run = "pwd" }\n}\n'
    )
    done = subprocess.run(
        [Path(sys.executable).with_name("tidemill"), "run", "p.tide"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "/tmp/tidemill-" in done.stdout + done.stderr
