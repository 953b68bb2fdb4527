"""What the bounds in the settings hold a step to, as a whole tree and by process."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import step_groups
from pydantic import ValidationError

from tidemill.spi import Outcome, Reason, StartError
from tidemill.testing.executor.bench import Bench
from tidemill_local import LocalSettings

MEGABYTES = 1 << 20


@pytest.fixture
def groups() -> Callable[[], list[Path]]:
    """Those of steps that are there; without any, none can be tested."""
    step_groups.require()
    return step_groups.groups


async def bounded(bench: Bench, script: str, **settings: Any) -> tuple[Outcome, str]:
    outcome, running = await bench.run(script, settings=LocalSettings(**settings))
    return outcome, running.output.decode()


@pytest.mark.usefixtures("groups")
async def test_memory_bounds_the_whole_tree(bench: Bench) -> None:
    """Each of the two keeps within the bound, both together do not: one is killed."""
    eat = f"python3 -c 'data = bytearray({50 * MEGABYTES}); import time; time.sleep(3)'"
    outcome, _ = await bounded(bench, f"{eat} & {eat}; wait $!", memory=80 * MEGABYTES)
    assert (outcome.reason, outcome.signal) == (Reason.KILLED, signal.SIGKILL)
    assert outcome.detail.startswith("out of memory")


@pytest.mark.usefixtures("groups")
async def test_what_was_killed_for_memory_without_harm_is_no_end(bench: Bench) -> None:
    eat = f"python3 -c 'bytearray({200 * MEGABYTES})'"
    outcome, output = await bounded(bench, f"{eat} || echo $?", memory=60 * MEGABYTES)
    assert outcome.ok
    assert output.endswith("137\n")


async def test_a_kill_that_is_not_for_memory_is_not_said_to_be(bench: Bench) -> None:
    outcome, _ = await bounded(bench, "kill -9 $$", memory=60 * MEGABYTES)
    assert (outcome.signal, outcome.detail) == (signal.SIGKILL, "")


@pytest.mark.usefixtures("groups")
async def test_memory_is_told_of_the_whole_tree(bench: Bench) -> None:
    eat = f"python3 -c 'data = bytearray({40 * MEGABYTES}); print(1, flush=True); input()'"
    script = f"mkfifo f; sleep 60 > f & {eat} < f >> n & {eat} < f >> n & "
    script += 'until [ "$(wc -l < n)" = 2 ]; do sleep 0.02; done'
    outcome, _ = await bounded(bench, script, memory=500 * MEGABYTES)
    assert outcome.ok
    assert 80 * MEGABYTES < outcome.usage.peak_memory < 500 * MEGABYTES


@pytest.mark.usefixtures("groups")
async def test_cpu_time_is_told_of_what_nobody_waited_for(bench: Bench) -> None:
    """Its parent ignores the ends of its children, so that no process is told of them."""
    burn = 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo > "$TMPDIR/done"'
    script = "import os, signal, sys\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    script += f"os.system({burn!r})\n"
    work = ("python3", "-c", script)
    free, _ = await bench.run(work)
    bound, _ = await bench.run(work, settings=LocalSettings(pids=100))
    assert bound.usage.cpu_seconds > free.usage.cpu_seconds + 0.05


@pytest.mark.usefixtures("groups")
async def test_processes_are_bounded(bench: Bench) -> None:
    script = 'for i in $(seq 40); do sleep 100 & done 2>"$TMPDIR/said"; echo all'
    outcome, output = await bounded(bench, script, pids=20)
    assert not outcome.ok
    assert "all" not in output
    outcome, output = await bounded(bench, script, pids=60)
    assert (outcome.ok, output) == (True, "all\n")


@pytest.mark.usefixtures("groups")
async def test_cpus_are_bounded(bench: Bench) -> None:
    """Two that would use all of two processors for a second."""
    spin = "timeout 1 sh -c 'while :; do :; done' &"
    outcome, _ = await bounded(bench, f"{spin} {spin} wait", cpus=0.2)
    assert outcome.usage.cpu_seconds < 0.5


async def test_open_files_are_bounded_in_each_process(bench: Bench) -> None:
    outcome, output = await bounded(bench, "ulimit -Sn; ulimit -Hn", open_files=32)
    assert (outcome.ok, output) == (True, "32\n32\n")
    opens = "python3 -c 'kept = [open(\"/dev/null\") for _ in range(40)]'"
    outcome, output = await bounded(bench, opens, open_files=32)
    assert not outcome.ok
    assert "Too many open files" in output


async def test_cpu_time_is_bounded_in_words(bench: Bench) -> None:
    outcome, _ = await bounded(bench, "while :; do :; done", cpu_time=1)
    assert (outcome.reason, outcome.signal) == (Reason.KILLED, signal.SIGXCPU)
    assert outcome.detail == "a process used more than 1 s of CPU time"


async def test_the_size_of_files_is_bounded_in_words(bench: Bench) -> None:
    outcome, _ = await bounded(bench, "exec head -c 3000000 /dev/zero > f", file_size=MEGABYTES)
    assert (outcome.reason, outcome.signal) == (Reason.KILLED, signal.SIGXFSZ)
    assert outcome.detail == "a process wrote a file of more than 1048576 bytes"
    assert (bench.project / "f").stat().st_size == MEGABYTES


@pytest.mark.usefixtures("groups")
async def test_a_bounded_step_is_as_any_other(bench: Bench) -> None:
    """It has its own session, no descriptor of its keeper, its variables, its folder."""
    script = "ls /proc/$$/fd; ps -o sid= -p $$ | xargs; echo $$; echo $V; pwd"
    running = await bench.start(script, settings=LocalSettings(pids=50), env={"V": "x y"})
    assert (await running.end()).ok
    *files, session, pid, value, folder = running.output.decode().splitlines()
    assert (files, value, folder) == (["0", "1", "2"], "x y", str(bench.project))
    assert session == pid


@pytest.mark.usefixtures("groups")
async def test_bounds_hold_for_their_own_step_alone(bench: Bench) -> None:
    """The same keeper runs both, one after the other."""
    _, before = await bounded(bench, "ulimit -n; cat /proc/self/cgroup")
    _, within = await bounded(bench, "ulimit -n; cat /proc/self/cgroup", pids=50, open_files=32)
    _, after = await bounded(bench, "ulimit -n; cat /proc/self/cgroup")
    assert before == after != within


async def test_groups_are_gone_with_their_steps(
    bench: Bench, groups: Callable[[], list[Path]]
) -> None:
    kept = groups()
    running = await bench.start(
        "setsid sleep 1000 & echo ready; read x < /dev/zero", settings=LocalSettings(pids=50)
    )
    await running.says(b"ready")
    assert set(groups()) > set(kept)
    await running.stop(0)
    await running.end()
    assert groups() == kept
    await bench.assert_gone()


async def test_a_program_that_is_missing_leaves_no_group(
    bench: Bench, groups: Callable[[], list[Path]]
) -> None:
    kept = groups()
    with pytest.raises(StartError, match="there is no such file"):
        await bench.run(("/no/such/program",), settings=LocalSettings(pids=50))
    assert groups() == kept


@pytest.mark.parametrize(
    "settings",
    [{"memory": "1MB"}, {"cpus": 0}, {"pids": 0}, {"open_files": 1}, {"cpu_time": 0}],
)
def test_bounds_that_no_step_could_live_in_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LocalSettings.model_validate(settings)
