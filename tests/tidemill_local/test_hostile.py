"""What a hostile step cannot do, though it is a process of the worker's user and in no
sandbox: it can do whatever else that user can.

Where root could do it anyway, the worker is one of a user without privileges.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import plain_user
import pytest
import step_groups

from tidemill.spi import Reason
from tidemill.testing.executor.bench import Bench
from tidemill_local import LocalSettings

OF_ANOTHER = "what-another-knows"
BOMB = """
import os, time
print("ready", flush=True)
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(0.01)
"""


def plain(tmp_path: Path, script: str, **settings: Any) -> dict[str, Any]:
    env = {"TIDEMILL_BROKER_PASSWORD": OF_ANOTHER}
    return plain_user.run(tmp_path / "plain", script, settings, env)


@pytest.mark.parametrize("file", ["environ", "mem", "fd/0", "maps", "cwd", "root", "syscall"])
def test_it_cannot_look_into_the_worker_or_its_helpers(tmp_path: Path, file: str) -> None:
    """`auxv` of its own shows that it is not the look that fails."""
    tried = [f"/proc/{pid}/{file}" for pid in ("$WORKER", "$PPID", "$WARDEN")]
    script = "WARDEN=$(ps -o ppid= -p $PPID | tr -d ' ')\n"
    script += 'look() { readlink "$1" || head -c1 "$1"; }\n'
    script += "".join(f'look "{path}" 2>/dev/null && echo seen {path} || :\n' for path in tried)
    script += f"look /proc/$$/{file} > /dev/null 2>&1 && echo own || :\n"
    found = plain(tmp_path, script)
    assert found["ok"]
    assert "seen" not in found["output"]
    assert file in {"mem", "syscall"} or found["output"] == "own\n"


def test_it_cannot_trace_or_stop_being_bounded_by_its_keeper(tmp_path: Path) -> None:
    program = (
        "import ctypes, os, sys\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "for pid in (int(os.environ['WORKER']), os.getppid()):\n"
        "    print(libc.ptrace(0x4206, pid, 0, 0), ctypes.get_errno())\n"
    )
    found = plain(tmp_path, f'exec python3 -c "{program}"')
    assert (found["ok"], found["output"]) == (True, "-1 1\n" * 2)


def test_it_has_no_variable_of_the_worker_that_was_not_let_in(tmp_path: Path) -> None:
    found = plain(tmp_path, "env; cat /proc/self/environ")
    assert found["ok"]
    assert OF_ANOTHER not in found["output"]


@pytest.mark.parametrize(
    ("setting", "flag"), [("open_files", "n"), ("file_size", "f"), ("cpu_time", "t")]
)
def test_it_cannot_raise_what_its_processes_are_bounded_to(
    tmp_path: Path, setting: str, flag: str
) -> None:
    script = f"(ulimit -{flag} 100000) 2>/dev/null && echo raised || ulimit -{flag}"
    found = plain(tmp_path, script, **{setting: 64 << 10 if setting == "file_size" else 64})
    assert (found["ok"], found["output"]) == (True, "128\n" if flag == "f" else "64\n")


def test_a_bound_of_memory_holds_its_processes_where_there_are_no_groups(tmp_path: Path) -> None:
    found = plain(tmp_path, "python3 -c 'bytearray(200 << 20)'; echo free", memory="64MB")
    if "this worker may make no control group" in found["output"]:
        assert "MemoryError" in found["output"]
    else:
        assert found["detail"].startswith("out of memory")
    assert not found["ok"]
    assert "free" not in found["output"].splitlines()


@pytest.mark.parametrize(("setting", "value"), [("pids", 64), ("cpus", 1)])
def test_what_cannot_be_bounded_is_not_started(tmp_path: Path, setting: str, value: int) -> None:
    """By default the user of the tests, where that is not root, has no groups either."""
    found = plain(tmp_path, "echo ran", **{setting: value})
    if "refused" in found:
        assert f"cannot hold the step to `{setting} = {value}`" in found["refused"]
        assert "Delegate=yes" in found["refused"]
    else:
        assert found["output"] == "ran\n"


async def test_it_cannot_fork_without_bound(bench: Bench) -> None:
    """The bomb has its way for a second, and then all of it is ended."""
    step_groups.require()
    running = await bench.start(("python3", "-c", BOMB), settings=LocalSettings(pids=40))
    await running.says(b"ready")
    end = time.monotonic() + 1
    most = 0
    while time.monotonic() < end:
        most = max(most, len(await bench.find(bench.mark)))
    await running.stop(0)
    await running.end()
    assert 10 < most <= 40
    await bench.assert_gone()


async def test_it_cannot_take_the_memory_of_others(bench: Bench) -> None:
    """Neither by many processes, nor in a file in memory that belongs to none of them."""
    step_groups.require()
    settings = LocalSettings(memory=64 << 20)
    many = (
        "import os, sys, time; first = os.fork() and os.fork() and os.fork();"
        "x = bytes(range(256)) * (1 << 17); first or time.sleep(60);"
        "sys.exit(128 + (os.wait()[1] & 127))"  # of whom the kernel has picked, as a shell would
    )
    hidden = "import os; f = os.memfd_create('x'); [os.write(f, bytes(1 << 20)) for _ in 'x' * 200]"
    for program in (many, hidden):
        outcome, _ = await bench.run(f'exec python3 -c "{program}"', settings=settings)
        assert outcome.detail.startswith("out of memory"), outcome


async def test_it_cannot_fill_the_disk_with_one_file(bench: Bench) -> None:
    script = "trap '' XFSZ; cat /dev/zero > f || stat -c %s f"
    outcome, running = await bench.run(script, settings=LocalSettings(file_size=1 << 20))
    assert outcome.ok
    assert running.output.endswith(b"1048576\n")


async def test_it_cannot_signal_the_worker_by_its_group(bench: Bench) -> None:
    outcome, _ = await bench.run("kill -KILL 0")
    assert (outcome.reason, outcome.signal) == (Reason.KILLED, signal.SIGKILL)
    assert await bench.text("echo next") == "next\n"


async def test_it_cannot_read_or_write_the_workers_terminal(bench: Bench) -> None:
    outcome, running = await bench.run("cat; (: > /dev/tty) 2>&- && echo opened || echo none")
    assert outcome.ok
    assert running.output.endswith(b"none\n")


async def test_it_cannot_leave_a_process_behind_by_any_name(bench: Bench) -> None:
    """Forked twice, in a session of its own, without files, variables and a parent."""
    script = (
        "import os, time\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork() == 0:\n"
        "            os.closerange(0, 64)\n"
        "            os.execve('/bin/sleep', ['sleep', str(os.getppid() + 100_000)], {})\n"
        "        os._exit(0)\n"
        "print(os.getpid())\n"
    )
    before = sleepers()
    assert (await bench.run(("python3", "-c", script)))[0].ok
    assert sleepers() == before


def sleepers() -> set[int]:
    found = set()
    for folder in Path("/proc").iterdir():
        try:
            if (folder / "cmdline").read_bytes().startswith(b"sleep\x001"):
                found.add(int(folder.name))
        except (OSError, ValueError):
            continue
    return found


async def test_it_cannot_hand_out_a_file_from_outside_of_its_output(bench: Bench) -> None:
    """`$TIDE_OUTPUT` as a way into what only the worker may read."""
    outcome, _ = await bench.run('ln -s /etc/hostname "$TIDE_OUTPUT.x"; mkfifo "$TIDE_OUTPUT"')
    assert (outcome.ok, outcome.values) == (True, b"")


async def test_it_does_not_hold_up_the_next_by_what_it_leaves(bench: Bench) -> None:
    deep = 'cd "$TMPDIR"; for i in $(seq 300); do mkdir d; cd d; done; chmod 0 .'
    assert (await bench.run(deep))[0].ok
    assert await bench.text('ls -A "$TMPDIR" | wc -l') == "0\n"
