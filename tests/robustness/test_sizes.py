"""Much of everything: steps, instances, lines, outputs, files."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from local_processes import alive
from tide_project import TideProject, assert_told, command, environment

STEPS = 10_000

MANY = 1_000
"""Instances of a fan-out; 10,000 take ten times as long, and no more memory for each."""

MEMORY = 400 << 20
"""Bytes that no run here may need."""


MEASURED = """
import os, sys
child = os.fork()
if not child:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execv(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(child, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""
"""By a small process in between: the system counts to a process what the one was that
started it, and the one of the tests may have grown by others."""


def peak(project: TideProject, *arguments: str) -> tuple[int, int]:
    """The exit code and the peak memory of a `tidemill …` whose output is thrown away."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", MEASURED, *command(arguments)],
        cwd=project.root, env=environment(), stdout=subprocess.PIPE, text=True, check=True,
        process_group=0,
    )  # fmt: skip
    code, kilobytes = done.stdout.split()
    return int(code), int(kilobytes) * 1024


def logged(project: TideProject) -> bytes:
    (log,) = (project.root / ".tidemill" / "runs" / "1" / "logs").iterdir()
    return log.read_bytes()


def step(run: str, more: str = "") -> str:
    return f'pipeline p {{ step one {{\n{more}\nrun = """\n{run}\n""" }} }}'


# steps


def test_ten_thousand_steps_end_well_in_little_memory(project: TideProject) -> None:
    steps = "".join(f'step s{i} {{ run = "true" }}\n' for i in range(STEPS))
    project.write(f"pipeline p {{\n{steps}}}")
    code, memory = peak(project, "run", "p.tide")
    assert code == 0
    assert memory < MEMORY
    assert project.rows("SELECT state, count(*) FROM task") == [("succeeded", STEPS)]


def test_thousands_of_instances_are_gathered_by_one_step(project: TideProject) -> None:
    project.write(f"""
      pipeline p {{
        step many for i in range(0, {MANY}) {{
          run = "echo v={{{{ i }}}} >> $TIDE_OUTPUT"
          output v: int
        }}
        step gather {{ run = "echo {{{{ len(many.v) }}}} {{{{ sum(many.v) }}}}" }}
      }}
    """)
    ended = project.run("run", "p.tide")
    assert_told(ended, 0, f"gather | {MANY} {MANY * (MANY - 1) // 2}", f"{MANY + 1:,} succeeded")


def test_a_long_chain_whose_first_step_fails_ends_at_once(project: TideProject) -> None:
    length = 5_000
    steps = "".join(f'step s{i} {{ needs = [s{i - 1}], run = "true" }}\n' for i in range(1, length))
    project.write(f'pipeline p {{\nstep s0 {{ run = "exit 7" }}\n{steps}}}')
    started = time.monotonic()
    ended = project.run("run", "p.tide")
    assert_told(ended, 1, "s0 failed", "exit code 7", f"{length - 1:,} upstream failed")
    assert time.monotonic() - started < 30


# lines


def test_a_line_of_100_mb_without_an_end_is_cut_off_in_little_memory(
    project: TideProject,
) -> None:
    project.write(step("head -c 100000000 /dev/zero | tr '\\0' x; echo end"))
    code, memory = peak(project, "run", "p.tide")
    assert code == 0
    assert memory < MEMORY
    assert len(logged(project)) < 17 << 20
    assert b"more than 16 MiB of output; the rest is left out" in logged(project)


def test_a_flood_of_lines_ends_with_the_time_out(project: TideProject, mark: str) -> None:
    project.write(step("exec yes", f'timeout = 1s\nenv {{ MARK = "{mark}" }}'))
    started = time.monotonic()
    code, memory = peak(project, "run", "p.tide")
    assert code == 1
    assert memory < MEMORY
    assert time.monotonic() - started < 30
    assert project.tasks(1)["one"]["state"] == "timed_out"
    assert alive(mark) == []


def test_output_that_is_not_utf_8_is_shown_with_signs_in_its_place(project: TideProject) -> None:
    project.write(step("printf 'a\\377\\376b\\n'; printf 'caf\\351'"))
    ended = project.run("run", "p.tide")
    assert_told(ended, 0, "one | a\ufffd\ufffdb", "one | caf\ufffd")


def test_nul_bytes_and_control_characters_do_not_reach_the_terminal(
    project: TideProject,
) -> None:
    project.write(step("printf 'a\\0b\\033[2Jc\\007\\n'"))
    ended = project.run("run", "p.tide")
    assert_told(ended, 0, "one | ")
    assert not {"\0", "\x1b", "\a"} & set(ended.stdout)


# outputs


def test_an_output_of_almost_a_mebibyte_arrives(project: TideProject) -> None:
    size = 1_000_000
    project.write(
        step(
            f"printf v= >> $TIDE_OUTPUT; head -c {size} /dev/zero | tr '\\0' x >> $TIDE_OUTPUT",
            "output v: string",
        )
    )
    assert_told(project.run("run", "p.tide"), 0, "succeeded")
    assert project.tasks(1)["one"]["outputs"] == {"v": "x" * size}


@pytest.mark.parametrize(
    "flood",
    [
        "head -c 3000000 /dev/zero | tr '\\0' x >> $TIDE_OUTPUT",
        "(printf v=; head -c 3000000 /dev/zero | tr '\\0' x) >> $TIDE_OUTPUT",
        "yes v=1 | head -c 3000000 >> $TIDE_OUTPUT",
    ],
)
def test_outputs_over_the_limit_fail_the_step_and_name_it(project: TideProject, flood: str) -> None:
    project.write(step(flood, "output v: string"))
    ended = project.run("run", "p.tide")
    assert_told(ended, 1, "one failed", "the 1,048,576")
    assert len(ended.stdout) < 5_000


# files


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("true", "no file matches"),
        ("touch out.a out.b", "2 files match"),
        ("mkdir out.d", "out"),
        ("ln -s /etc/hostname out.link", "out"),
        ("ln -s nowhere out.link", "out"),
        ("mkfifo out.pipe", "out"),
    ],
)
def test_a_file_that_cannot_be_kept_fails_the_step_and_says_why(
    project: TideProject, script: str, said: str
) -> None:
    project.write(step(script, 'output o: file = "out*"'))
    assert_told(project.run("run", "p.tide"), 1, "one failed", "output o", said)


def test_a_file_of_100_mb_is_kept_and_handed_on(project: TideProject) -> None:
    project.write("""
      pipeline p {
        step one {
          run = "head -c 100000000 /dev/zero > big"
          output o: file = "big"
        }
        step two { run = "rm big; wc -c < {{ one.o }}" }
      }
    """)
    assert_told(project.run("run", "p.tide"), 0, "two | 100000000")
