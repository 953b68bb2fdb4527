"""A command that prints secrets: no shell, bounds on all that it does, and plain words."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tidemill.spi import SecretError
from tidemill.testing.executor.bench import MARK, marked_processes
from tidemill_secrets.command import AT_ONCE, CommandSecrets
from tidemill_secrets.settings import CommandSettings

VALUE = "hunter2-correct-horse"


async def get(root: Path, argv: tuple[str, ...], *names: str, **more: Any) -> Mapping[str, str]:
    return await CommandSecrets(CommandSettings(argv=argv, **more), root).get(names)


async def refused(root: Path, argv: tuple[str, ...], *names: str, **more: Any) -> str:
    with pytest.raises(SecretError) as caught:
        await get(root, argv, *names, **more)
    assert VALUE not in str(caught.value)
    return str(caught.value)


def sh(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script, "sh", "{name}")


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """In the environment of all that is started, and of nothing else."""
    mark = secrets.token_hex(8)
    monkeypatch.setenv(MARK, mark)
    return mark


async def gone(mark: str) -> None:
    """All that was started: what was killed with a process needs a moment to end."""
    async with asyncio.timeout(20):
        while marked_processes(mark):  # noqa: ASYNC110  others' processes
            await asyncio.sleep(0.01)


async def test_a_name_is_never_read_by_a_shell(tmp_path: Path) -> None:
    name = "$(touch pwned);`touch pwned`"
    assert await get(tmp_path, ("printf", "%s", "<{name}>"), name) == {name: f"<{name}>"}
    assert not (tmp_path / "pwned").exists()


async def test_it_runs_in_the_projects_root_with_the_environment_of_tidemill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN_OF_A_TEST", "t")
    found = await get(tmp_path, sh('echo "$PWD $VAULT_TOKEN_OF_A_TEST $1"'), "A")
    assert found == {"A": f"{tmp_path} t A"}


@pytest.mark.parametrize(
    ("printed", "value"),
    [("x\\n", "x"), ("x\\r\\n", "x"), ("x\\n\\n", "x\n"), (" x ", " x "), ("a\\nb", "a\nb")],
)
async def test_one_line_end_is_taken_off(tmp_path: Path, printed: str, value: str) -> None:
    assert await get(tmp_path, sh(f"printf '{printed}'"), "A") == {"A": value}


async def test_an_exit_code_may_mean_that_there_is_none(tmp_path: Path) -> None:
    script = '[ "$1" = B ] && echo 2nd || { echo no such thing; exit 44; }'
    assert await get(tmp_path, sh(script), "A", "B", missing_exit=(44,)) == {"B": "2nd"}


async def test_every_other_exit_code_is_a_failure(tmp_path: Path) -> None:
    said = await refused(tmp_path, sh(f"echo {VALUE}; echo {VALUE} >&2; exit 7"), "A")
    assert said == (
        "sh ended with 7 when it was asked for A: run it by hand to see why; if that means "
        "that it has no such secret, add the code to missing_exit"
    )
    assert "ended with 7" in await refused(tmp_path, sh("exit 7"), "A", missing_exit=(1, 44))
    assert "was killed by SIGSEGV" in await refused(tmp_path, sh("kill -SEGV $$"), "A")


async def test_one_failure_ends_the_others(tmp_path: Path, mark: str) -> None:
    script = '[ "$1" = A ] && exit 7; exec sleep 1000'
    async with asyncio.timeout(20):
        assert "asked for A" in await refused(tmp_path, sh(script), "A", "B", "C")
    await gone(mark)


async def test_one_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path, mark: str) -> None:
    script = f"trap '' TERM; echo {VALUE}; sleep 1000 & sleep 1000"
    said = await refused(tmp_path, sh(script), "A", timeout=0.3)
    assert said == "sh took longer than 0.3 s"
    await gone(mark)


async def test_one_that_leaves_somebody_behind_does_not_hang(tmp_path: Path) -> None:
    """In a session of its own, and with the output still open."""
    script = "setsid sh -c 'echo $$ > pid; exec sleep 1000' & echo x; sleep 1000"
    try:
        async with asyncio.timeout(20):
            said = await refused(tmp_path, sh(script), "A", timeout=0.5)
        assert said == "sh took longer than 0.5 s"
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


async def test_one_that_is_called_off_is_killed(tmp_path: Path, mark: str) -> None:
    question = asyncio.create_task(get(tmp_path, sh("touch here; exec sleep 1000"), "A"))
    while not (tmp_path / "here").exists():  # noqa: ASYNC110  another process makes it
        await asyncio.sleep(0.01)
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question
    await gone(mark)


async def test_one_that_prints_without_end_is_stopped(tmp_path: Path, mark: str) -> None:
    assert await refused(tmp_path, ("yes", VALUE, "{name}"), "A") == "yes printed more than 4 MiB"
    await gone(mark)


async def test_it_cannot_ask_on_the_terminal(tmp_path: Path) -> None:
    found = await get(tmp_path, sh("cat; (: </dev/tty) 2>&- && echo terminal || echo none"), "A")
    assert found == {"A": "none"}


async def test_not_all_are_asked_at_once(tmp_path: Path) -> None:
    script = """
        import os, sys, time
        open(f"here/{sys.argv[1]}", "x").close()
        most = 0
        for _ in range(20):
            most = max(most, len(os.listdir("here")))
            time.sleep(0.005)
        os.unlink(f"here/{sys.argv[1]}")
        print(most)
    """
    (tmp_path / "here").mkdir()
    (tmp_path / "count.py").write_text("\n".join(line[8:] for line in script.splitlines()))
    names = [f"N{number}" for number in range(3 * AT_ONCE)]
    found = await get(tmp_path, (sys.executable, "-S", "-E", "count.py", "{name}"), *names)
    assert 1 < max(map(int, found.values())) <= AT_ONCE


@pytest.mark.parametrize("name", ["-x", "--all", "/etc/shadow", "../other", "a/../../b", ".."])
async def test_a_name_cannot_be_an_option_or_lead_elsewhere(tmp_path: Path, name: str) -> None:
    said = await refused(tmp_path, sh("touch pwned; echo x"), "A", name)
    assert f"no command is asked for {name}" in said
    assert not (tmp_path / "pwned").exists()


async def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    said = await refused(tmp_path, sh(r"printf '\377'"), "A")
    assert said == "what sh printed for A is not UTF-8"


async def test_a_program_that_is_not_there_is_said_also_where_nothing_is_asked_for(
    tmp_path: Path,
) -> None:
    assert "no-such-program is not there" in await refused(tmp_path, ("no-such-program", "{name}"))
    assert "./tool is not there" in await refused(tmp_path, ("./tool", "{name}"))
    tool = tmp_path / "tool"
    tool.write_text("#!/no/such/interpreter\n")
    tool.chmod(0o755)
    assert await get(tmp_path, ("./tool", "{name}")) == {}
    assert "./tool cannot be started: No such file" in await refused(
        tmp_path, ("./tool", "{name}"), "A"
    )
    tool.write_text('#!/bin/sh\necho "$1"\n')
    assert await get(tmp_path, ("./tool", "{name}"), "A") == {"A": "A"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"argv": ()}, "at least 1 item"),
        ({"argv": ("pass", "show")}, "no argument has {name}"),
        ({"argv": ("{name}",)}, "the program itself cannot depend"),
        ({"argv": ("a", "{name}\0")}, "holds a NUL"),
        ({"argv": ("a", "{name}"), "missing_exit": (0,)}, "from 1 to 255"),
        ({"argv": ("a", "{name}"), "missing_exit": (256,)}, "from 1 to 255"),
        ({"argv": ("a", "{name}"), "shell": True}, "Extra inputs"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CommandSettings(**settings)
