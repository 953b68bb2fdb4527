"""What is left behind after many steps (nothing), and what happens at the limits."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path

import pytest
from local_processes import children, warden

import tidemill_local
from tidemill.spi import ExecutorContext, InputFile, OutputFile, ScriptAction, StartError
from tidemill.testing.executor.bench import Bench


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def open_files(pid: int) -> list[str]:
    return [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]


async def test_200_steps_leave_no_descriptor_and_no_process(bench: Bench, tmp_path: Path) -> None:
    await bench.text("echo warm")
    before, helpers = descriptors(), children(warden())
    for _ in range(200):
        await bench.run('sleep 1000 & echo x; echo a=1 > "$TIDE_OUTPUT"; touch "$TMPDIR/x"')
    assert descriptors() == before
    assert children(warden()) == helpers
    await bench.assert_gone()
    await bench.executor.close()
    assert list((tmp_path / "scratch").glob("*")) == []
    assert children(os.getpid(), "tide-") == []


async def test_keepers_do_not_hold_each_others_files(bench: Bench) -> None:
    """A socket, /dev/null three times, a lock, the pidfds of warden and step: no more."""
    steps = [await bench.start("echo ready; sleep 1000") for _ in range(4)]
    for step in steps:
        await step.says(b"ready")
    for keeper in children(warden(), "tide-keeper"):
        kinds = sorted(Path(link.partition(":")[0]).name for link in open_files(keeper))
        assert kinds == ["anon_inode"] * 2 + ["helpers"] + ["null"] * 3 + ["socket"]


async def test_64_steps_run_at_once(bench: Bench) -> None:
    async def one(number: int) -> str:
        script = f": > {number}; until [ -e 63 ] && [ -e 0 ]; do sleep 0.05; done; echo {number}"
        return await bench.text(script)

    texts = await asyncio.gather(*[one(number) for number in range(64)])
    assert texts == [f"{number}\n" for number in range(64)]
    assert len(children(warden(), "tide-keeper")) == 64


async def test_a_step_sees_no_descriptor_but_the_first_three(bench: Bench) -> None:
    assert (await bench.text("ls /proc/$$/fd")).split() == ["0", "1", "2"]


async def test_a_variable_that_is_too_long_is_a_start_error(bench: Bench) -> None:
    with pytest.raises(StartError, match="larger than the system passes"):
        await bench.start("true", env={"V": "x" * 140_000})


async def test_an_environment_that_is_too_large_is_a_start_error(bench: Bench) -> None:
    env = {f"V{number}": "x" * 100_000 for number in range(100)}
    with pytest.raises(StartError, match="larger than the system passes"):
        await bench.start("true", env=env)


async def test_a_large_environment_arrives(bench: Bench) -> None:
    """It does not fit a packet to the keeper, but the system does pass it."""
    env = {f"V{number}": str(number) * 20_000 for number in range(9)}
    assert await bench.text("echo ${#V1} ${#V8}", env=env) == "20000 20000\n"


async def test_a_path_without_a_shell_is_a_start_error(bench: Bench) -> None:
    with pytest.raises(StartError, match="sh was not found in the PATH, which is empty"):
        await bench.start("true", env={"PATH": ""})
    with pytest.raises(StartError, match="sh was not found in PATH=/nowhere"):
        await bench.start("true", env={"PATH": "/nowhere"})


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        ("#!/bin/sh\n", 0o644, "not executable"),
        ("#!/no/such/interpreter\n", 0o755, "interpreter that it names does not exist"),
        ("neither binary nor script", 0o755, "#! line"),
    ],
)
async def test_a_program_that_cannot_run_is_a_start_error(
    bench: Bench, content: str, mode: int, said: str
) -> None:
    program = bench.project / "program"
    program.write_text(content)
    program.chmod(mode)
    with pytest.raises(StartError, match=said):
        await bench.start((str(program),))


async def test_a_program_is_found_from_the_workdir(bench: Bench) -> None:
    (bench.project / "tool").write_text("#!/bin/sh\necho mine\n")
    (bench.project / "tool").chmod(0o755)
    assert await bench.text(("./tool",)) == "mine\n"
    assert await bench.text(("tool",), env={"PATH": f".:{os.environ['PATH']}"}) == "mine\n"


async def test_a_scratch_folder_that_cannot_be_made_is_a_start_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (kind,) = tidemill_local.tidemill_executors()
    executor = kind.factory(ExecutorContext(tmp_path / "file" / "scratch"))
    bench = Bench(executor, tmp_path, kind.settings(), lambda _: asyncio.sleep(0, []))
    with pytest.raises(StartError, match="temporary files"):
        await bench.start("true")
    await executor.close()


async def test_a_missing_input_is_a_start_error_and_leaves_nothing(bench: Bench) -> None:
    work = bench.work("true", inputs=(InputFile("x", bench.project / "missing"),))
    with pytest.raises(StartError, match="missing"):
        await bench.start(work)
    assert await bench.text("echo next") == "next\n"


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x"])
async def test_an_input_stays_in_its_folder(bench: Bench, path: str) -> None:
    (bench.project / "source").touch()
    with pytest.raises(StartError, match="leads out"):
        await bench.start("true", inputs=(InputFile(path, bench.project / "source"),))


async def test_files_that_cannot_be_kept_are_the_waiters_error(bench: Bench) -> None:
    running = await bench.start("sleep 0.05; echo 1 > a", outputs=(OutputFile("a", "a"),))
    running.io.refusal = OSError(28, "No space left on device")
    with pytest.raises(OSError, match="No space left"):
        await running.end()
    assert await bench.text("echo next") == "next\n"


@pytest.mark.parametrize(
    "script",
    [
        'mkdir "$TIDE_OUTPUT"; touch "$TIDE_OUTPUT/x"',
        'mkfifo "$TIDE_OUTPUT"',
        'ln -s /dev/zero "$TIDE_OUTPUT"',
        'rmdir "$TMPDIR"; ln -s / "$TMPDIR"',
        'rmdir "$TMPDIR"; echo a file > "$TMPDIR"',
        'mkdir -p "$TMPDIR/a/b"; touch "$TMPDIR/a/b/c"; chmod -R 0 "$TMPDIR"',
        'chmod 777 "$TMPDIR"',
        'touch -d @0 "$TMPDIR/x"',
    ],
)
async def test_a_step_that_spoils_its_folder_spoils_nothing_else(bench: Bench, script: str) -> None:
    outcome, _ = await bench.run(script)
    assert (outcome.ok, outcome.values) == (True, b"")
    look = 'ls -A "$TMPDIR"; stat -c "%F %a" "$TMPDIR"; ls -A "$(dirname "$TIDE_OUTPUT")"'
    assert await bench.text(look) == "directory 700\ntmp\n"


async def test_what_holds_the_output_from_outside_of_the_tree_does_not_hang_a_step(
    bench: Bench,
) -> None:
    """Somebody else may open a step's pipe by /proc; no end of file will ever come."""
    token = secrets.token_hex(4)
    running = await bench.start(f"echo {token} $$; until [ -e go ]; do sleep 0.01; done; echo end")
    await running.says(b"\n")
    pid = int(running.output.split()[1])
    holder = os.open(f"/proc/{pid}/fd/1", os.O_WRONLY)
    try:
        (bench.project / "go").touch()
        assert (await running.end()).ok
        assert running.output.endswith(b"end\n")
    finally:
        os.close(holder)


async def test_a_script_of_odd_bytes_runs_from_a_file(bench: Bench) -> None:
    text = b"printf '\xff\xe9'".decode("utf-8", "surrogateescape")
    _, running = await bench.run(ScriptAction(text, ("sh",), in_file=True))
    assert running.output == b"\xff\xe9"
