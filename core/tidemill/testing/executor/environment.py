"""What a step finds around it: its variables, arguments and folder."""

# ruff: noqa: S101 -- asserts are what tests are made of
from __future__ import annotations

import pytest

from tidemill.spi import ScriptAction, StartError
from tidemill.testing.executor.bench import Bench

HOSTILE = (
    "",
    " ",
    "plain",
    "two words",
    "*",
    "$HOME",
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "\\",
    "new\nline",
    "tab\tand\rreturn",
    "-e",
    "--",
    "ünïcödé 漢字 🙂",
    "a" * 100_000,
)


@pytest.mark.asyncio
class Environment:
    async def test_variables_arrive_unchanged(self, bench: Bench) -> None:
        env = {f"V{number}": value for number, value in enumerate(HOSTILE)}
        script = "".join(f'printf "%s\\0" "$V{number}"\n' for number in range(len(HOSTILE)))
        text = await bench.text(script, env=env)
        assert text.split("\0")[:-1] == list(HOSTILE)
        assert not (bench.project / "pwned").exists()

    async def test_arguments_arrive_unchanged(self, bench: Bench) -> None:
        argv = ("sh", "-c", 'for a; do printf "%s\\0" "$a"; done', "sh", *HOSTILE)
        text = await bench.text(argv)
        assert text.split("\0")[:-1] == list(HOSTILE)
        assert not (bench.project / "pwned").exists()

    async def test_bytes_that_are_not_utf_8_arrive_unchanged(self, bench: Bench) -> None:
        value = b"caf\xe9 \xff\xfe".decode("utf-8", "surrogateescape")
        _, running = await bench.run('printf %s "$V"', env={"V": value})
        assert running.output == b"caf\xe9 \xff\xfe"

    async def test_the_workers_own_variables_stay_with_it(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WORKER_CREDENTIAL", "hunter2")
        text = await bench.text("env; cat /proc/self/environ")
        assert "hunter2" not in text

    async def test_a_steps_variable_wins_over_an_inherited_one(self, bench: Bench) -> None:
        assert await bench.text('echo "$HOME"', env={"HOME": "/of/the/step"}) == "/of/the/step\n"

    async def test_a_nul_in_a_variable_is_a_start_error(self, bench: Bench) -> None:
        with pytest.raises(StartError, match="NUL"):
            await bench.start("true", env={"V": "a\0b"})

    async def test_what_the_system_cannot_pass_is_a_start_error(self, bench: Bench) -> None:
        with pytest.raises(StartError, match="large"):
            await bench.start("true", env={"V": "x" * 200_000})

    async def test_a_script_runs_in_its_own_interpreter(self, bench: Bench) -> None:
        script = ScriptAction("false; echo $?; echo $UNKNOWN; echo no", ("sh", "-u"))
        outcome, running = await bench.run(script)
        assert running.output.startswith(b"1\n")
        assert not outcome.ok

    async def test_a_script_may_be_handed_over_in_a_file(self, bench: Bench) -> None:
        assert await bench.text(ScriptAction("a\nb\n", ("cat",), in_file=True)) == "a\nb\n"

    async def test_a_very_long_script_runs(self, bench: Bench) -> None:
        assert await bench.text("# " + "é" * 300_000 + "\necho done") == "done\n"

    async def test_a_step_runs_in_its_workdir(self, bench: Bench) -> None:
        (bench.project / "below here").mkdir()
        (bench.project / "below here" / "file").write_text("found")
        assert await bench.text("cat file", workdir="below here") == "found"

    async def test_standard_input_is_empty(self, bench: Bench) -> None:
        assert await bench.text("cat; echo end") == "end\n"

    async def test_every_attempt_has_an_empty_temporary_folder(self, bench: Bench) -> None:
        script = 'ls -A "$TMPDIR"; echo mine > "$TMPDIR/file"; mkdir -p "$TMPDIR/a/b"; echo ok'
        assert [await bench.text(script) for _ in range(3)] == ["ok\n"] * 3
