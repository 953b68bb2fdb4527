"""Disks that are full, may only be read, or hold something else than was left on them."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from local_processes import alive, eventually
from tide_project import TideProject, assert_told, environment

ONE = 'pipeline p { step one { run = "echo one" } }'

FILLS = """
pipeline p {{
  step one {{ run = "echo one" }}
  step fill {{
    needs = [one]
    env {{ MARK = "{mark}" }}
    run = "(setsid sleep 1000 &); cat /dev/zero > big || [ -e spare ] || echo full"
  }}
  step last {{
    needs = [fill]
    run   = "echo last"
  }}
}}
"""


def mount(*arguments: str) -> None:
    ended = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        pytest.skip(f"needs the right to mount: {ended.stderr.strip()}")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[TideProject]:
    """A project on a disk of 2 MiB."""
    root = tmp_path / "small"
    root.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("needs mount")
    mount("-t", "tmpfs", "-o", "size=2m", "tidemill-test", str(root))
    project = TideProject(root)
    yield project
    project.close()
    subprocess.run(["umount", "-l", str(root)], check=True)


def fill(root: Path) -> None:
    with suppress(OSError), (root / "big").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def test_a_disk_that_is_full_at_the_start_is_said_in_a_line(small: TideProject) -> None:
    small.write(ONE)
    fill(small.root)
    ended = small.run("run", "p.tide")
    assert_told(ended, 3, "full", "help: free some space")
    assert len(ended.stderr.splitlines()) == 2
    (small.root / "big").unlink()
    assert_told(small.run("run", "p.tide"), 0, "succeeded")


def test_a_disk_that_a_step_fills_stops_the_run_and_retry_goes_on(
    small: TideProject, mark: str
) -> None:
    small.write(FILLS.format(mark=mark))
    ended = small.run("run", "p.tide")
    assert_told(ended, 3, "error: ", "the disk is full", "free some space")
    assert eventually(lambda: not alive(mark)), alive(mark)
    (small.root / "big").unlink()
    again = small.run("status", "1")
    assert_told(again, 0, "p #1 interrupted", "tidemill retry 1")
    small.write("pipeline p { }")  # a run goes on with what it was started with
    (small.root / "big").mkdir()  # so that the step cannot fill the disk again
    (small.root / "spare").touch()
    ended = small.run("retry")
    assert_told(ended, 0, "last | last", "p #1 succeeded")
    assert "one | one" not in ended.stdout
    assert eventually(lambda: not alive(mark)), alive(mark)


def test_a_disk_that_is_full_and_stays_so_says_it_again(small: TideProject, mark: str) -> None:
    small.write(FILLS.format(mark=mark))
    assert small.run("run", "p.tide").returncode == 3
    assert_told(small.run("retry"), 3, "the disk is full")
    assert_told(small.run("status"), 0, "p #1 interrupted")
    assert eventually(lambda: not alive(mark)), alive(mark)


def test_a_project_that_may_only_be_read_can_be_looked_at_and_not_run(small: TideProject) -> None:
    small.write(ONE)
    assert small.run("run", "p.tide").returncode == 0
    mount("-o", "remount,ro", str(small.root))
    ended = small.run("run", "p.tide")
    assert_told(ended, 3, "it cannot be opened", "its disk not read-only?")
    assert_told(small.run("validate", "p.tide"), 0)
    assert_told(small.run("runs"), 0, "succeeded")
    assert_told(small.run("logs", "1", "one"), 0, "one")


def test_a_new_project_that_may_only_be_read_is_said_in_a_line(small: TideProject) -> None:
    small.write(ONE)
    mount("-o", "remount,ro", str(small.root))
    assert_told(small.run("run", "p.tide"), 3, "Read-only file system")
    assert_told(small.run("run", "p.tide", "--dry-run"), 0)


# what stands where Tidemill keeps its things


@pytest.fixture
def ran(project: TideProject) -> TideProject:
    project.write(ONE)
    assert project.run("run", "p.tide").returncode == 0
    return project


def state(project: TideProject) -> Path:
    return project.root / ".tidemill"


def test_a_file_in_the_place_of_the_state_folder_is_said(project: TideProject) -> None:
    project.write(ONE)
    state(project).touch()
    assert_told(project.run("run", "p.tide"), 3, ".tidemill cannot be a folder: a file is in")
    assert_told(project.run("runs"), 0, "no runs yet")


def test_a_database_of_garbage_is_said_and_not_overwritten(ran: TideProject) -> None:
    database = state(ran) / "tidemill.db"
    garbage = b"garbage " * 1000
    database.write_bytes(garbage)
    for command in (["run", "p.tide"], ["runs"], ["status"], ["retry", "1"], ["cancel", "1"]):
        assert_told(ran.run(*command), 3, "it is not a database", "move it away")
    assert database.read_bytes() == garbage
    database.unlink()
    assert_told(ran.run("run", "p.tide"), 0, "p #1 succeeded")


def test_a_truncated_database_is_said(ran: TideProject) -> None:
    database = state(ran) / "tidemill.db"
    database.write_bytes(database.read_bytes()[:20_000])
    for command in (["run", "p.tide"], ["runs"]):
        assert_told(ran.run(*command), 3, "it is damaged", "restore it from a copy")


def test_an_empty_log_of_the_database_does_no_harm(ran: TideProject) -> None:
    (state(ran) / "tidemill.db-wal").write_bytes(b"")
    assert_told(ran.run("run", "p.tide"), 0, "p #2 succeeded")


def test_an_empty_database_is_one_that_has_yet_to_be_made(project: TideProject) -> None:
    """A process that was killed as it made it leaves such a file."""
    project.write(ONE)
    state(project).mkdir()
    (state(project) / "tidemill.db").touch()
    assert_told(project.run("runs"), 0, "no runs yet")
    assert_told(project.run("retry", "1"), 2, "there is no run 1")
    assert_told(project.run("run", "p.tide"), 0, "p #1 succeeded")


def test_a_database_of_a_newer_tidemill_is_let_be(ran: TideProject) -> None:
    with sqlite3.connect(state(ran) / "tidemill.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    assert_told(ran.run("run", "p.tide"), 3, "newer than this version", "9999")
    assert_told(ran.run("runs"), 3, "9999", "needs a newer Tidemill")


def test_a_folder_in_the_place_of_the_database_is_said(project: TideProject) -> None:
    project.write(ONE)
    (state(project) / "tidemill.db").mkdir(parents=True)
    assert_told(project.run("run", "p.tide"), 3, "tidemill.db")
    assert_told(project.run("runs"), 3, "tidemill.db")


# what steps need


def test_a_machine_without_sh_fails_the_step_and_says_what_to_install(
    project: TideProject,
) -> None:
    project.write(ONE)
    (project.root / "bin").mkdir()
    ended = project.run("run", "p.tide", env=environment(PATH=str(project.root / "bin")))
    assert_told(ended, 1, "sh was not found in PATH", "install it, or set PATH")


def test_a_missing_workdir_fails_the_step_and_names_it(project: TideProject) -> None:
    project.write('pipeline p { step one { workdir = "nowhere", run = "echo one" } }')
    ended = project.run("run", "p.tide")
    assert_told(ended, 1, f"cannot use the workdir {project.root / 'nowhere'}: No such file")


def test_a_project_that_a_step_deletes_ends_without_a_traceback(
    project: TideProject, mark: str
) -> None:
    project.write(f"""
      pipeline p {{
        step one {{
          env {{ MARK = "{mark}" }}
          run = "(setsid sleep 1000 &); rm -rf ../project"
        }}
        step two {{
          needs = [one]
          run   = "echo two"
        }}
      }}
    """)
    ended = project.run("run", "p.tide")
    assert "Traceback" not in ended.stdout + ended.stderr
    assert ended.returncode in {0, 1, 3}
    assert eventually(lambda: not alive(mark)), alive(mark)
