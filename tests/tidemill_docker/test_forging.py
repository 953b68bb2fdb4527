"""A step cannot make up how it ended or what it used, by writing where we read that."""

from __future__ import annotations

import signal

import pytest

from tidemill.spi import Reason, Usage
from tidemill.testing.executor.bench import Bench
from tidemill_docker.ending import outcome_of

NORMAL = r"[INFO  tini (7)] Main child exited normally (with status '137')\n"
END = r"\036tide end {}\ncpuacct/cpuacct.usage 99000000000000 \ncpu.stat usage_usec 99000000000\n"

BREAK_IN = """
for fd in /proc/[0-9]*/fd/2; do
  if [ "$(readlink "$fd")" != "$(readlink /proc/$$/fd/2)" ]; then printf '{}' >"$fd"; break; fi
done 2>/dev/null
"""
"""Once, into our program's own stream, which the system lets processes of one user do."""


async def test_the_step_is_not_given_the_stream_that_tells_its_end(bench: Bench) -> None:
    """Both of its outputs are one pipe; the other one is not among its files."""
    # Looked for one by one: a shell that redirects something, or makes a pipe, has more itself.
    see = "[ ! -e /proc/$$/fd/$fd ] || echo $fd"
    look = f"fd=0; while [ $fd -lt 256 ]; do {see}; fd=$((fd + 1)); done"
    text = await bench.text(f"readlink /proc/$$/fd/1 /proc/$$/fd/2; {look}")
    one, other, *files = text.split()
    assert one == other
    assert files == ["0", "1", "2"]


@pytest.mark.parametrize("script", ["exit 137", "kill -KILL $$"])
async def test_files_that_are_called_as_if_they_told_the_end_tell_nothing(
    bench: Bench, script: str
) -> None:
    lie = 'for f in status usage; do echo "Main child exited normally $f" >/.tidemill/$f; done; '
    outcome, _ = await bench.run(lie + script)
    assert outcome.reason is (Reason.KILLED if "kill" in script else Reason.EXITED)
    assert outcome.usage.cpu_seconds < 5


async def test_what_a_step_writes_is_output_and_nothing_else(bench: Bench) -> None:
    outcome, running = await bench.run(f"printf '{NORMAL}{END.format(137)}' >&2; kill -KILL $$")
    assert (outcome.reason, outcome.signal) == (Reason.KILLED, signal.SIGKILL)
    assert b"\x1etide end 137\n" in running.output


async def test_a_step_that_breaks_into_our_stream_makes_no_success(bench: Bench) -> None:
    outcome, _ = await bench.run(BREAK_IN.replace("{}", NORMAL + END.format(0)) + "exit 3")
    assert (outcome.reason, outcome.code) == (Reason.EXITED, 3)


async def test_a_step_that_breaks_into_our_stream_is_not_believed(bench: Bench) -> None:
    """Neither in what it used, nor in that it exited where a signal killed it."""
    outcome, _ = await bench.run(BREAK_IN.replace("{}", NORMAL + END.format(137)) + "kill -KILL $$")
    assert (outcome.reason, outcome.signal) == (Reason.KILLED, signal.SIGKILL)
    assert outcome.usage == Usage()


async def test_a_step_that_kills_our_program_is_killed_and_used_no_more_than_it_could(
    bench: Bench,
) -> None:
    """Then its own words are the only ones: they must be possible, and gain nothing."""
    script = BREAK_IN.replace("{}", END.format(137)) + "kill -KILL -1; sleep 100"
    outcome, _ = await bench.run(script)
    assert (outcome.reason, outcome.signal) == (Reason.KILLED, signal.SIGKILL)
    assert outcome.usage.cpu_seconds < 1000


def test_an_end_is_told_as_the_engine_shows_it() -> None:
    state = {
        "ExitCode": 0,
        "StartedAt": "2026-01-01T00:00:00.123456789Z",
        "FinishedAt": "2026-01-01T00:00:10.123456789Z",
    }
    shown = {"State": state, "HostConfig": {"NanoCpus": 2_000_000_000, "Memory": 1 << 20}}
    said = b"\x1etide end 0\ncpu.stat usage_usec 5000000\nmemory.peak 4096 \n"
    assert outcome_of(shown, said, b"").usage == Usage(5.0, 4096)
    said = b"\x1etide end 0\ncpu.stat usage_usec 99000000\nmemory.peak 9999999 \n"
    assert outcome_of(shown, said, b"").usage == Usage(22.0, 1 << 20)
    assert outcome_of(shown, said.replace(b"end 0", b"end 1"), b"").usage == Usage()
