"""`tidemill run` on a terminal: a real process, a real pty, the real engine, and a
terminal emulator that shows what a person would see."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pyte
import pytest

Tide = Callable[..., Path]
Tidemill = Callable[..., subprocess.CompletedProcess[str]]


class Seat:
    """A person at a terminal in which `tidemill …` runs."""

    def __init__(self, process: pexpect.spawn, width: int, height: int) -> None:
        self.process = process
        self.screen = pyte.HistoryScreen(width, height, history=2000)
        self._stream = pyte.ByteStream(self.screen)

    def sees(self, text: str) -> None:
        """Waits until the text is on the screen."""
        while text not in self.shown():
            self._look()

    def ends(self) -> int:
        """Waits for the end of the process and returns its exit code."""
        try:
            while True:
                self._look()
        except pexpect.EOF:
            self.process.wait()
        code = self.process.exitstatus
        assert code is not None
        return code

    def shown(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def everything(self) -> str:
        """With what one finds by scrolling up."""
        above = ("".join(row[x].data for x in sorted(row)) for row in self.screen.history.top)
        return "\n".join([*(line.rstrip() for line in above), self.shown()])

    def _look(self) -> None:
        try:
            self._stream.feed(self.process.read_nonblocking(65536, timeout=60))
        except pexpect.TIMEOUT:
            pytest.fail(f"nothing more came; on the screen is\n{self.shown()}")


@pytest.fixture
def seat(tmp_path: Path, clean_environment: dict[str, str]) -> Iterator[Callable[..., Seat]]:
    seats: list[Seat] = []

    def take(*arguments: str, width: int = 80, height: int = 24, **extra: str) -> Seat:
        process = pexpect.spawn(
            sys.executable,
            ["-m", "tidemill.cli", *arguments],
            cwd=str(tmp_path),
            env={**clean_environment, **extra},
            dimensions=(height, width),
        )
        seats.append(Seat(process, width, height))
        return seats[-1]

    yield take
    for each in seats:
        each.process.close(force=True)


def test_a_run_is_shown_live_and_its_summary_stays(
    seat: Callable[..., Seat], tide: Tide, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "gate")
    tide(
        r"""
  step build { run = r"printf '\033[2J\033]0;owned\007compiling\n'; cat gate" }
  step ship { needs = [build], run = "true" }
"""
    )
    person = seat("run", "x.tide")
    person.sees("│ compiling")
    assert person.shown().splitlines()[0].startswith("● running   build")
    assert "· blocked   ship" in person.shown()
    assert "demo #1 " in person.shown().splitlines()[-1]
    (tmp_path / "gate").write_text("")
    assert person.ends() == 0
    assert person.screen.title == ""
    first, second, last = person.everything().splitlines()
    assert first.startswith("✓ succeeded build")
    assert second.startswith("✓ succeeded ship")
    assert last.startswith("demo #1 succeeded in ")
    assert not person.screen.cursor.hidden


def test_a_failure_on_a_terminal_is_reported_below_the_summary(
    seat: Callable[..., Seat], tide: Tide
) -> None:
    tide('step a { run = "echo before; exit 3" }')
    person = seat("run", "x.tide")
    assert person.ends() == 1
    text = person.everything()
    assert text.splitlines()[0].startswith("✗ failed    a")
    assert "| before" in text
    assert text.endswith("retry what failed: tidemill retry 1")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10)])
def test_300_tasks_stay_readable(
    seat: Callable[..., Seat], tide: Tide, width: int, height: int
) -> None:
    tide('step unit for n in range(300) { run = "true" }')
    person = seat("run", "x.tide", width=width, height=height)
    assert person.ends() == 0
    lines = person.everything().splitlines()
    assert lines[0] == "✓ 300 succeeded"
    assert len(lines) <= 3


def test_ctrl_c_cancels_cleanly_and_says_so(seat: Callable[..., Seat], tide: Tide) -> None:
    tide(r"""step a { run = r"trap 'sleep 0.3; exit 1' TERM; echo up; sleep 600 & wait" }""")
    person = seat("run", "x.tide")
    person.sees("│ up")
    person.process.sendintr()
    person.sees("Cancelling (Ctrl-C again to kill at once)")
    assert person.ends() == 130
    assert person.everything().splitlines()[0].startswith("■ cancelled a")
    assert person.everything().endswith("go on with the rest: tidemill retry 1")
    assert not person.screen.cursor.hidden


def test_a_second_ctrl_c_kills_at_once(seat: Callable[..., Seat], tide: Tide) -> None:
    tide(r"""step a { run = r"trap 'echo no' TERM; echo up; while :; do sleep 0.05 || :; done" }""")
    person = seat("run", "x.tide")
    person.sees("│ up")
    person.process.sendintr()
    person.sees("│ no")
    person.process.sendintr()
    assert person.ends() == 130


@pytest.mark.parametrize("options", [[], ["--plain"]])
def test_a_terminal_that_goes_away_cancels_the_run(
    seat: Callable[..., Seat], tide: Tide, tidemill: Tidemill, options: list[str]
) -> None:
    tide('step a { run = "echo up; exec sleep 600" }')
    person = seat("run", "x.tide", *options)
    person.sees("| up" if options else "│ up")
    person.process.ptyproc.fileobj.close()  # the window is closed
    person.process.ptyproc.closed = True
    person.process.wait()
    assert person.process.exitstatus == 129
    assert tidemill("status").stdout.startswith("demo #1 cancelled")


def test_plain_lines_may_be_had_on_a_terminal(seat: Callable[..., Seat], tide: Tide) -> None:
    tide(r"""step a { run = r"printf '\033[31mred\033[2J\n'" }""")
    person = seat("run", "x.tide", "--plain", NO_COLOR="1")
    assert person.ends() == 0
    lines = person.everything().splitlines()
    assert lines[:3] == ["demo #1: 1 task", "a started", "a | red"]


@pytest.mark.parametrize("extra", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colour_no_colour_is_sent(
    seat: Callable[..., Seat], tide: Tide, extra: dict[str, str]
) -> None:
    tide('step a { run = "exit 1" }')
    person = seat("run", "x.tide", **extra)
    assert person.ends() == 1
    colours = {cell.fg for row in person.screen.buffer.values() for cell in row.values()}
    assert colours <= {"default"}


def test_a_terminal_without_the_symbols_gets_ascii(seat: Callable[..., Seat], tide: Tide) -> None:
    tide('step a { run = "true" }')
    person = seat("run", "x.tide", PYTHONIOENCODING="ascii")
    assert person.ends() == 0
    assert person.everything().splitlines()[0].startswith("+ succeeded a")
