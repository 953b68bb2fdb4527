"""What people hand in: each mistake gets a clear line, and no traceback."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from local_processes import eventually
from tide_project import TideProject, assert_told, command, environment

PARAMS = """
pipeline p {
  param count: int
  param kind: "fast" | "slow" = "fast"
  param wait: duration = 1s
  step one { run = "echo {{ count }} {{ kind }}" }
}
"""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "count"),
        (("count=x",), "count"),
        (("count=1.5",), "count"),
        (("count=",), "count"),
        (("count=1", "cuont=2"), "cuont"),
        (("count=1", "kind=slwo"), "kind"),
        (("count=1", "wait=soon"), "wait"),
        (("count",), "given as name=value"),
        (("=1",), "given as name=value"),
    ],
)
def test_a_param_that_does_not_fit_is_named(
    project: TideProject, given: tuple[str, ...], said: str
) -> None:
    project.write(PARAMS)
    options = [text for param in given for text in ("-p", param)]
    assert_told(project.run("run", "p.tide", *options), 2, "error: ", said)
    assert not (project.root / ".tidemill").exists()


def test_every_mistake_in_the_params_is_told_at_once(project: TideProject) -> None:
    project.write(PARAMS)
    ended = project.run("run", "p.tide", "-p", "count=x", "-p", "kind=y", "-p", "z=1")
    assert_told(ended, 2, "count", "kind", "z")


def test_a_folder_is_no_file(project: TideProject) -> None:
    assert_told(project.run("run", "."), 2, "is a folder, not a file")


def test_a_file_that_does_not_exist_is_named(project: TideProject) -> None:
    project.write("pipeline p { }")
    assert_told(project.run("run", "q.tide"), 2, "there is no file q.tide", "'p.tide'")


def test_a_file_that_is_not_utf_8_is_said_with_its_place(project: TideProject) -> None:
    (project.root / "p.tide").write_bytes(b"# caf\xe9\npipeline p { }\n")
    assert_told(project.run("run", "p.tide"), 2, "p.tide:1:6: byte 0xE9 is not UTF-8")


def test_a_file_without_end_is_not_read_to_its_end(project: TideProject) -> None:
    assert_told(project.run("run", "/dev/zero"), 2, "larger than 8 MiB")
    assert_told(project.run("validate", "/dev/zero"), 2, "larger than 8 MiB")


def test_a_pipe_is_read_like_a_file(project: TideProject) -> None:
    """`tidemill run <(generate)`."""
    reader, writer = os.pipe()
    os.write(writer, b'pipeline p { step one { run = "echo piped" } }')
    os.close(writer)
    ended = project.run("run", f"/dev/fd/{reader}", pass_fds=(reader,))
    os.close(reader)
    assert_told(ended, 0, "one | piped")


def test_a_pipe_that_nobody_writes_to_can_be_left_by_an_interrupt(project: TideProject) -> None:
    os.mkfifo(project.root / "p.tide")
    process = project.start("run", "p.tide")
    assert eventually(lambda: _sleeps_in_open(process.pid))
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert error.strip() == "Interrupted"


def _sleeps_in_open(pid: int) -> bool:
    with open(f"/proc/{pid}/wchan") as file:  # noqa: PTH123
        return file.read() in {"wait_for_partner", "fifo_open"}


def test_keys_in_other_scripts_run_and_can_be_asked_for(project: TideProject) -> None:
    project.write("""
      pipeline p {
        step one for city in ["München", "東京", "Αθήνα", "🌊 sea", "-x", "--help", "a/b", "../c"] {
          run = "echo {{ city }}"
        }
      }
    """)
    ended = project.run("run", "p.tide")
    assert_told(ended, 0, "one[東京] | 東京", "one[-x] | -x", "8 succeeded")
    assert_told(project.run("logs", "1", "one[München]"), 0, "München")
    assert_told(project.run("logs", "1", "one[../c]"), 0, "../c")
    assert_told(project.run("run", "p.tide", "--only", "one[🌊 sea]"), 0, "1 succeeded")


def test_output_in_other_scripts_under_lang_c_is_no_error(project: TideProject) -> None:
    project.write('pipeline p { step one for c in ["東京"] { run = "echo {{ c }}" } }')
    plain = {name: value for name, value in environment().items() if not name.startswith("PYTHON")}
    env = {**plain, "LANG": "C", "LC_ALL": "C"}
    assert_told(project.run("run", "p.tide", env=env), 0, "1 succeeded")
    assert_told(project.run("status", env=env), 0, "succeeded")
    assert_told(project.run("logs", env=env), 0)


def test_very_long_loop_values_run_and_are_shown(project: TideProject) -> None:
    long = "x" * 5_000
    project.write(
        f'pipeline p {{ step one for v in ["{long}1", "{long}2"] {{ run = "echo {{{{ v }}}}" }} }}'
    )
    assert_told(project.run("run", "p.tide"), 0, "2 succeeded")
    assert_told(project.run("status"), 0, "succeeded")


def test_a_step_named_like_an_option_is_a_mistake_of_the_file(project: TideProject) -> None:
    project.write('pipeline p { step -x { run = "true" } }')
    assert_told(project.run("run", "p.tide"), 1, "p.tide:1:")


def test_an_empty_environment_will_do(project: TideProject) -> None:
    """Neither HOME nor PATH nor a language: the system's own defaults are used."""
    project.write('pipeline p { step one { run = "echo café" } }')
    ended = subprocess.run(
        command(["run", "p.tide"]),
        cwd=project.root,
        env={},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=60,
        check=False,
    )
    assert_told(ended, 0, "1 succeeded")
