"""How steps end, and how they fail to start."""

# ruff: noqa: S101 -- asserts are what tests are made of
from __future__ import annotations

import signal

import pytest

from tidemill.spi import Reason, ScriptAction, StartError
from tidemill.testing.executor.bench import Bench


@pytest.mark.asyncio
class Ends:
    @pytest.mark.parametrize("code", [0, 1, 3, 127, 130, 255])
    async def test_an_exit_status_is_reported_as_it_is(self, bench: Bench, code: int) -> None:
        outcome, _ = await bench.run(f"exit {code}")
        assert (outcome.reason, outcome.code, outcome.signal) == (Reason.EXITED, code, None)
        assert outcome.ok is (code == 0)

    @pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSEGV", "SIGINT"])
    async def test_a_signal_that_ends_a_step_is_reported(self, bench: Bench, name: str) -> None:
        outcome, _ = await bench.run(f"ulimit -c 0; kill -{name.removeprefix('SIG')} $$")
        assert (outcome.reason, outcome.code) == (Reason.KILLED, None)
        assert outcome.signal == signal.Signals[name]

    async def test_a_script_stops_at_the_first_command_that_fails(self, bench: Bench) -> None:
        outcome, running = await bench.run("echo one; false; echo two")
        assert outcome.code == 1
        assert running.output == b"one\n"

    async def test_signals_are_not_ignored_in_a_step(self, bench: Bench) -> None:
        """A writer whose reader has gone must die of SIGPIPE, as it does in a shell."""
        outcome, _ = await bench.run("(while :; do echo y; done) | head -n 1 >/dev/null")
        assert outcome.ok

    async def test_a_program_that_does_not_exist_is_a_start_error(self, bench: Bench) -> None:
        with pytest.raises(StartError, match="no-such-program"):
            await bench.start(("no-such-program-anywhere", "x"))

    async def test_an_interpreter_that_does_not_exist_is_a_start_error(self, bench: Bench) -> None:
        with pytest.raises(StartError, match="/no/such/interpreter"):
            await bench.start(ScriptAction("true", ("/no/such/interpreter",)))

    async def test_a_workdir_that_does_not_exist_is_a_start_error(self, bench: Bench) -> None:
        with pytest.raises(StartError, match="no-such-folder"):
            await bench.start("true", workdir="no-such-folder")

    async def test_a_start_error_is_one_line(self, bench: Bench) -> None:
        with pytest.raises(StartError) as caught:
            await bench.start(("no-such-program-anywhere",))
        assert len(str(caught.value).splitlines()) == 1

    async def test_work_that_did_not_start_may_be_started_again(self, bench: Bench) -> None:
        work = bench.work("echo here", workdir="later")
        with pytest.raises(StartError):
            await bench.start(work)
        (bench.project / "later").mkdir()
        outcome, running = await bench.run(work)
        assert (outcome.ok, running.output) == (True, b"here\n")

    async def test_what_a_step_used_is_reported(self, bench: Bench) -> None:
        outcome, _ = await bench.run("i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done")
        assert outcome.usage.cpu_seconds > 0
        assert outcome.usage.peak_memory > 0
