"""`tidemill fmt`: files on disks. What the layout is stands in tests/tidelang."""

from __future__ import annotations

import resource
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Tidemill = Callable[..., subprocess.CompletedProcess[str]]

UGLY = 'pipeline p {step a{run="make"}; # why\n}\n'
NEAT = 'pipeline p {\n  step a { run = "make" }  # why\n}\n'


@pytest.fixture
def ugly(tmp_path: Path) -> Path:
    path = tmp_path / "x.tide"
    path.write_text(UGLY)
    return path


def test_a_file_is_laid_out_where_it_lies_and_then_left_alone(
    tidemill: Tidemill, ugly: Path
) -> None:
    done = tidemill("fmt", "x.tide")
    assert (done.returncode, done.stdout, done.stderr) == (0, "x.tide: laid out anew\n", "")
    assert ugly.read_text() == NEAT
    before = ugly.stat()
    done = tidemill("fmt", "x.tide")
    assert (done.returncode, done.stdout) == (0, "1 file already in canonical layout\n")
    assert (ugly.stat().st_ino, ugly.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_check_and_diff_write_nothing(tidemill: Tidemill, ugly: Path) -> None:
    done = tidemill("fmt", "--check", ".")
    assert (done.returncode, done.stdout) == (1, "x.tide: would be laid out anew\n")
    done = tidemill("fmt", "--diff", "x.tide")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "--- x.tide",
        "+++ x.tide",
        "@@ -1,3 +1,4 @@",
        '-pipeline p {step a{run="make"}; # why',
        "+pipeline p {",
        '+  step a { run = "make" }  # why',
        " }",
        " ",
    ]
    assert tidemill("fmt", "--diff", "--check", "x.tide").returncode == 1
    assert ugly.read_text() == UGLY


def test_a_file_with_mistakes_is_left_as_it_is_and_the_others_are_not(
    tidemill: Tidemill, ugly: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.tide"
    bad.write_text("pipeline p {step a{run=}}\n")
    done = tidemill("fmt", ".")
    assert done.returncode == 1
    assert done.stdout == "x.tide: laid out anew\n"
    assert "--> bad.tide:1:" in done.stderr
    assert bad.read_text() == "pipeline p {step a{run=}}\n"
    assert ugly.read_text() == NEAT


def test_what_cannot_be_read_is_told_and_hinders_no_other(tidemill: Tidemill, ugly: Path) -> None:
    done = tidemill("fmt", "gone.tide", "x.tide")
    assert done.returncode == 2
    assert done.stderr == "error: gone.tide: there is no such file\n"
    assert ugly.read_text() == NEAT


def test_permissions_and_links_stay(tidemill: Tidemill, ugly: Path, tmp_path: Path) -> None:
    ugly.chmod(0o750)
    link = tmp_path / "link.tide"
    link.symlink_to("x.tide")
    assert tidemill("fmt", "link.tide").returncode == 0
    assert link.is_symlink()
    assert ugly.read_text() == NEAT
    assert stat.S_IMODE(ugly.stat().st_mode) == 0o750
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.tide", "x.tide"]


def test_a_file_that_cannot_be_written_is_told_and_whole(tidemill: Tidemill, ugly: Path) -> None:
    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    done = tidemill("fmt", "x.tide", preexec_fn=full)
    assert done.returncode == 3
    assert done.stderr == "error: x.tide: cannot be written: File too large\n"
    assert ugly.read_text() == UGLY
    assert [path.name for path in ugly.parent.iterdir()] == ["x.tide"]


def test_line_ends_and_a_byte_order_mark_are_layout_too(tidemill: Tidemill, tmp_path: Path) -> None:
    path = tmp_path / "x.tide"
    path.write_bytes(b"\xef\xbb\xbf" + NEAT.replace("\n", "\r\n").encode())
    assert tidemill("fmt", "--check", "x.tide").returncode == 1
    assert tidemill("fmt", "x.tide").returncode == 0
    assert path.read_bytes() == NEAT.encode()


def test_an_editor_gets_its_text_back_on_stdout(tidemill: Tidemill) -> None:
    done = tidemill("fmt", "-", input=UGLY)
    assert (done.returncode, done.stdout, done.stderr) == (0, NEAT, "")
    done = tidemill("fmt", "-", input="step {")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--> <stdin>:1:" in done.stderr
    assert tidemill("fmt", "--check", "-", input=UGLY).returncode == 1
    done = tidemill("fmt", "-", "x.tide", input=UGLY)
    assert (done.returncode, done.stdout) == (2, "")
