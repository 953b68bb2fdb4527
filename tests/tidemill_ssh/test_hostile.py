# ruff: noqa: ASYNC240 -- nothing else waits for the loop here
"""What a hostile step on another host cannot do to the worker, and others there not to it.

It is a process of the user who logs in, in no sandbox: it can do whatever that user can."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sshd import Sshd

import tidemill_ssh
from tidemill.spi import Executor, ExecutorContext, Reason, ScriptAction, Work
from tidemill.testing.executor.bench import RecordingIO

(KIND,) = tidemill_ssh.tidemill_executors()
NOBODY = 65534


@pytest_asyncio.fixture
async def executor(tmp_path: Path) -> AsyncIterator[Executor]:
    executor = KIND.factory(ExecutorContext(tmp_path / "scratch"))
    yield executor
    await executor.close()


async def start(
    executor: Executor, sshd: Sshd, project: Path, script: str, **more: Any
) -> tuple[Any, RecordingIO]:
    settings = KIND.settings.model_validate(sshd.settings(**more.pop("settings", {})))
    io = RecordingIO()
    work = Work(
        more.pop("id", "1"), 1, "step", 1, 1, ScriptAction(script), project, settings, **more
    )
    return await executor.start(work, io), io


async def text(executor: Executor, sshd: Sshd, project: Path, script: str, **more: Any) -> str:
    handle, io = await start(executor, sshd, project, script, **more)
    outcome = await executor.wait(handle)
    assert outcome.ok, outcome
    return bytes(io.kept).decode()


def as_nobody(*argv: str) -> subprocess.CompletedProcess[str]:
    """What another user of that host gets to see."""
    if os.geteuid() != 0:
        assert not os.environ.get("CI"), "CI is root"
        pytest.skip("only root can be another user")
    return subprocess.run(argv, user=NOBODY, group=NOBODY, capture_output=True, text=True)


async def test_other_users_of_the_host_see_neither_its_secrets_nor_its_files(
    executor: Executor, sshd: Sshd, tmp_path: Path
) -> None:
    script = "echo x > file; echo $$; pwd; sleep 1000"
    handle, io = await start(executor, sshd, tmp_path, script, env={"TOKEN": "opensesame"})
    await io.until(lambda io: io.kept.count(b"\n") == 2)
    pid, folder = bytes(io.kept).decode().split()
    assert b"opensesame" in Path(f"/proc/{pid}/environ").read_bytes()
    for path in (f"/proc/{pid}/environ", f"{folder}/file", folder):
        seen = as_nobody("ls" if path == folder else "cat", path)
        assert seen.returncode != 0
        assert seen.stdout == ""
    await executor.stop(handle, 0)
    await executor.wait(handle)


async def test_it_gets_neither_the_workers_agent_nor_its_variables(
    executor: Executor, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the user's config would forward both."""
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    monkeypatch.setenv("LC_SECRET", "opensesame")
    config = tmp_path / "config"
    config.write_text("Host *\n  ForwardAgent yes\n  ForwardX11 yes\n  SendEnv LC_*\n")
    found = await text(executor, sshd, tmp_path, "env", settings={"config": str(config)})
    assert "SSH_AUTH_SOCK" not in found
    assert "DISPLAY" not in found
    assert "opensesame" not in found


async def test_what_it_says_is_output_and_no_order_to_the_worker(
    executor: Executor, sshd: Sshd, tmp_path: Path
) -> None:
    """The worker hears of its end by another way than its output."""
    said = "exited 0\nended 0 0 0\n\x1b]0;title\x07\x1b[2J"
    script = f"printf %s '{said}'; printf %s '{said}' >&2; exit 7"
    handle, io = await start(executor, sshd, tmp_path, script)
    outcome = await executor.wait(handle)
    assert outcome.code == 7
    assert bytes(io.kept).decode() == said * 2


@pytest.mark.parametrize(
    "flood",
    [
        "head -c 9000000 /dev/zero",
        'echo "$m values -1"; echo "$m values x"',
        'echo "$m ended"; echo "$m values 999999999999"; head -c 9000000 /dev/zero',
    ],
)
async def test_what_it_tells_in_the_place_of_its_supervisor_harms_itself_alone(
    executor: Executor, sshd: Sshd, tmp_path: Path, flood: str
) -> None:
    """It is of the same user, and can get at the supervisor's way to the worker. It may forge its
    own end there; it cannot fill the worker's memory, nor take another step along."""
    beside, _ = await start(executor, sshd, tmp_path, "until [ -e go ]; do sleep 0.02; done",
                            id="2", settings={"workdir": str(tmp_path)})  # fmt: skip
    script = f"cd ..; m=${{PWD#*-}}; {{ {flood}; }} >/proc/$(cat main)/fd/2; sleep 1000"
    handle, _ = await start(executor, sshd, tmp_path, script)
    outcome = await asyncio.wait_for(executor.wait(handle), 30)
    assert outcome.reason is Reason.LOST
    (tmp_path / "go").touch()
    assert (await executor.wait(beside)).ok


async def test_its_output_is_as_large_as_it_likes_and_holds_nobody_up(
    executor: Executor, sshd: Sshd, tmp_path: Path
) -> None:
    """Not to block, too, as it left its way of output: the next step writes as ever."""
    block = (
        "import fcntl, os; f = fcntl.fcntl(1, fcntl.F_GETFL);"
        " fcntl.fcntl(1, fcntl.F_SETFL, f | os.O_NONBLOCK); print(1)"
    )
    for number, script in enumerate(
        (f"{sys.executable} -c '{block}'", "head -c 40000000 /dev/zero")
    ):
        handle, io = await start(executor, sshd, tmp_path, script, id=str(number))
        assert (await executor.wait(handle)).ok
    assert io.size == 40_000_000
