"""The cache of steps from end to end, with real files, and what `why` says of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Tidemill = Callable[..., subprocess.CompletedProcess[str]]
Tide = Callable[..., Path]
Start = Callable[..., Any]  # gives a Running of conftest.py

BUILD = """
  param mode: string = "fast"
  step build {
    run = "mkdir -p dist; cat src/*.py > dist/all.txt; chmod +x dist/all.txt; echo built"
    env { MODE = mode }
    output all: file = "dist/all.txt"
    cache { inputs = ["src/**"] }
  }
  step use { run = "cat {{ build.all }}" }
"""


@pytest.fixture
def project(tmp_path: Path, tide: Tide) -> Path:
    tide(BUILD)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text("a")
    (tmp_path / "src/ü 日.py").write_text("u")
    return tmp_path


@pytest.fixture
def built(project: Path, tidemill: Tidemill) -> Callable[..., bool]:
    """Runs the pipeline; whether `build` was really run."""

    def run(*arguments: str) -> bool:
        ended = tidemill("run", "x.tide", *arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return "build | built" in ended.stdout

    del project
    return run


def why(tidemill: Tidemill, *arguments: str) -> list[str]:
    said = tidemill("why", *arguments)
    assert said.returncode == 0, said.stderr
    return said.stdout.splitlines()


def test_a_second_run_is_cached_and_its_files_are_there(
    built: Callable[..., bool], project: Path, tidemill: Tidemill
) -> None:
    assert built()
    assert why(tidemill, "build") == [
        "build of run 1 ran: it succeeded; the cache had no result for it:",
        "  no earlier attempt to compare with",
    ]
    made = project / "dist/all.txt"
    made.unlink()
    again = tidemill("run", "x.tide")
    assert "build cached from run 1" in again.stdout.splitlines()
    assert "build | [tidemill: cached: nothing has changed since run 1]" in again.stdout
    assert "use | au" in again.stdout
    assert made.read_text() == "au"
    assert os.access(made, os.X_OK)
    assert why(tidemill, "build") == [
        "build of run 2 was not run: nothing has changed since run 1, whose result it has"
    ]
    shown = json.loads(tidemill("status", "--json").stdout)["tasks"][0]
    assert (shown["state"], shown["cached_from"]) == ("succeeded", 1)
    assert " cached " in tidemill("status").stdout
    assert "cached from run 1" in tidemill("status").stdout


def test_files_that_are_there_with_another_content_are_replaced_others_are_not_touched(
    built: Callable[..., bool], project: Path
) -> None:
    assert built()
    made = project / "dist/all.txt"
    os.utime(made, (1, 1))
    assert not built()
    assert made.stat().st_mtime == 1
    made.write_text("changed by hand")
    assert not built()
    assert made.read_text() == "au"


Change = Callable[[Path], object]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda src: (src / "a.py").write_text("b"), ["src/a.py changed"]),
        (lambda src: (src / "new.py").touch(), ["src/new.py is new"]),
        (lambda src: (src / "ü 日.py").unlink(), ["src/ü 日.py is gone"]),
        (
            lambda src: (src / "a.py").rename(src / "b.py"),
            ["src/b.py is new", "src/a.py is gone"],
        ),
        (lambda src: (src / "a.py").chmod(0o755), ["src/a.py changed"]),
        (lambda src: (src / "l.py").symlink_to("a.py"), ["src/l.py is new"]),
        (lambda src: (src / ".hidden").touch(), ["src/.hidden is new"]),
    ],
    ids=["content", "add", "remove", "rename", "chmod", "symlink", "hidden"],
)
def test_a_change_is_named(
    built: Callable[..., bool], project: Path, tidemill: Tidemill, change: Change, said: list[str]
) -> None:
    assert built()
    change(project / "src")
    assert built()
    assert why(tidemill, "build") == [
        "build of run 2 ran: it succeeded; the cache had no result for it:",
        "  since run 1:",
        *(f"    {line}" for line in said),
    ]


def test_what_was_only_touched_or_lies_elsewhere_changes_nothing(
    built: Callable[..., bool], project: Path
) -> None:
    assert built()
    os.utime(project / "src/a.py", (1, 1))
    (project / "elsewhere.py").touch()
    (project / "src/empty").mkdir()
    assert not built()


def test_the_names_of_what_changed_are_told_and_no_value(
    built: Callable[..., bool], tide: Tide, tidemill: Tidemill
) -> None:
    assert built("-p", "mode=secret-mode-one")
    tide(BUILD.replace("echo built", "echo built; true").replace('"dist/all.txt"', '"dist/*"'))
    assert built("-p", "mode=secret-mode-two")
    said = why(tidemill, "2", "build")
    assert said[2:] == [
        "    what is declared of output all changed",
        "    env MODE changed",
        "    the script changed",
    ]
    assert "secret-mode" not in tidemill("why", "build", "--json").stdout


def test_a_link_of_the_chain_that_changed_is_named_and_one_that_came_out_equal_is_not_run(
    tidemill: Tidemill, tide: Tide, tmp_path: Path
) -> None:
    tide(
        """
  step make {
    run = "wc -l < src > lines; echo made"
    output lines: file = "lines"
    cache { inputs = ["src"] }
  }
  step use {
    run = "cat {{ make.lines }}; echo used"
    cache {}
  }
"""
    )
    source = tmp_path / "src"
    outputs = []
    for text in ("1\n", "2\n", "1\n2\n"):
        source.write_text(text)
        ended = tidemill("run", "x.tide")
        outputs.append(("make | made" in ended.stdout, "use | used" in ended.stdout))
    assert outputs == [(True, True), (True, False), (True, True)]
    assert "    output lines of step make changed" in why(tidemill, "use")


def test_what_is_kept_may_be_gone_damaged_or_not_to_be_put_back(
    built: Callable[..., bool], project: Path, tidemill: Tidemill
) -> None:
    assert built()
    for stored in (project / ".tidemill/artifacts").glob("*/*"):
        stored.chmod(0o644)
        stored.write_text("damaged")
    assert built()
    assert any("the result cannot be used: artifact" in line for line in why(tidemill, "build"))
    for stored in (project / ".tidemill/artifacts").glob("*/*"):
        stored.unlink()
    assert built()
    for kept in (project / ".tidemill/results").glob("*/*"):
        kept.write_bytes(b"nonsense")
    assert built()
    assert any("is damaged" in line for line in why(tidemill, "build"))
    for kept in (project / ".tidemill/results").glob("*/*"):
        kept.unlink()
    assert built()
    assert why(tidemill, "build")[-1] == (
        "  nothing has changed since run 4, but the result of it is not there any more"
    )
    (project / "dist/all.txt").unlink()
    (project / "dist/all.txt").mkdir()
    (project / "dist/all.txt/x").touch()
    failed = tidemill("run", "x.tide")  # the step runs, and cannot write there either
    assert failed.returncode == 1
    assert "dist/all.txt cannot be put back" in failed.stdout
    assert "nothing has changed since run 5" not in "".join(why(tidemill, "build"))


def test_no_cache_runs_it_and_keeps_what_it_makes(
    built: Callable[..., bool], tidemill: Tidemill
) -> None:
    assert built()
    assert built("--no-cache")
    assert "  the run was started with --no-cache" in why(tidemill, "build")
    assert not built()
    assert "whose result it has" in why(tidemill, "build")[0]
    assert "run 2" in why(tidemill, "build")[0]


def test_a_run_killed_while_it_kept_a_result_leaves_none_or_a_whole_one(
    start: Start, built: Callable[..., bool], project: Path, tidemill: Tidemill
) -> None:
    running = start("run", "x.tide")
    running.until("build | built")
    running.process.kill()
    running.process.wait()
    for kept in (project / ".tidemill/results").glob("*/*.json"):
        digest, _, body = kept.read_bytes().partition(b"\n")
        assert len(digest) == 64
        assert json.loads(body)
    assert tidemill("retry").returncode == 0
    assert not built()


def test_two_runs_at_a_time_keep_the_same_result(
    start: Start, built: Callable[..., bool], project: Path
) -> None:
    both = [start("run", "x.tide"), start("run", "x.tide")]
    assert [running.end() for running in both] == [0, 0]
    assert len(list((project / ".tidemill/results").glob("*/*"))) == 1
    assert not built()


def test_a_private_workspace_has_its_outputs_and_leaves_no_files(
    tidemill: Tidemill, tide: Tide, tmp_path: Path
) -> None:
    tide(
        """
  step build {
    executor local { workspace = "private" }
    run = "echo x > x.txt; echo built"
    output x: file = "x.txt"
    cache { key = 1 }
  }
  step use { run = "cat {{ build.x }}" }
"""
    )
    first, second = [tidemill("run", "x.tide").stdout for _ in range(2)]
    assert "build | built" in first
    assert "build cached from run 1" in second
    assert "use | x" in second
    assert not (tmp_path / "x.txt").exists()


def test_why_answers_for_every_state(start: Start, tidemill: Tidemill, tide: Tide) -> None:
    tide(
        """
  step ok { run = "true" }
  step bad { run = "exit 3" }
  step mid { needs = [bad], run = "true" }
  step last { needs = [mid, ok], run = "true" }
  step never { when = false, run = "true" }
  step after { needs = [never], run = "true" }
  step ask { approve { prompt = "Go?" } }
  step end { needs = [ask], run = "true" }
"""
    )
    running = start("run", "x.tide")
    running.until("waits for approval")
    running.until("last upstream failed")
    answers = {
        step: why(tidemill, step)
        for step in ("ok", "bad", "mid", "last", "never", "after", "ask", "end")
    }
    assert answers == {
        "ok": ["ok of run 1 ran: it succeeded"],
        "bad": ["bad of run 1 ran: it failed (exit code 3)"],
        "mid": ["mid of run 1 was not run: bad failed (bad: exit code 3)"],
        "last": ["last of run 1 was not run: mid did not run (bad: exit code 3)"],
        "never": ["never of run 1 was not run: `when` is false"],
        "after": ["after of run 1 was not run: never was skipped"],
        "ask": ["ask of run 1 waits for approval: Go? (asks anybody): tidemill approve 1 ask"],
        "end": ["end of run 1 has not run yet: it waits for ask"],
    }
    tidemill("approve", "ask", "--reject")
    assert running.end() == 1
    assert why(tidemill, "ask")[0].startswith("ask of run 1 was asked: it failed (rejected by ")
    assert tidemill("run", "x.tide", "--only", "ok").returncode == 0
    assert why(tidemill, "bad") == ["bad of run 2 was not run: not selected"]


def test_why_says_what_a_retry_took_over(tidemill: Tidemill, tide: Tide) -> None:
    tide('step a { run = "true" }\n  step b { needs = [a], run = "test -e there" }')
    assert tidemill("run", "x.tide").returncode == 1
    assert tidemill("retry").returncode == 1
    assert why(tidemill, "a") == ["a of run 2 was not run: its result was taken over from run 1"]


def test_an_instance_is_named_by_its_key_and_a_step_means_all(
    tidemill: Tidemill, tide: Tide
) -> None:
    tide('step a for v in [1, 2] { run = "echo {{ v }}", cache { key = v } }')
    for _ in range(2):
        assert tidemill("run", "x.tide").returncode == 0
    assert [line.split(" of ")[0] for line in why(tidemill, "a")] == ["a[1]", "a[2]"]
    (answer,) = json.loads(tidemill("why", "2", "a[2]", "--json").stdout)
    assert (answer["task"], answer["cache"]["hit"], answer["cache"]["changed"]) == ("a[2]", 1, [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((), "no step given"), (("9", "a"), "there is no run 9"), (("b",), "run 1 has no step 'b'")],
)
def test_bad_questions_get_one_line(
    tidemill: Tidemill, tide: Tide, arguments: tuple[str, ...], message: str
) -> None:
    tide('step a { run = "true" }')
    tidemill("run", "x.tide")
    refused = tidemill("why", *arguments)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
