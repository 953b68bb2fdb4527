"""Pipelines under test: the real engine, steps that are made up, and no time passing."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from tidemill.spi import killed
from tidemill.testing import Call, Ends, HarnessError, PipelineHarness

SECRET = "t0ps3cret"  # noqa: S105  of a test
RELEASE = """
pipeline release {
  param channel: string = "stable"
  step build {
    run = "make VERSION={{ channel }} 'all'"
    output version: string
    output wheel: file = "dist/*.whl"
  }
  step test for py in ["3.11", "3.12"] {
    run = "tox -e py{{ py }} {{ build.wheel }}"
  }
  step deploy {
    needs = [test]
    run = ["deploy", build.version, channel]
    env { TOKEN = secret("TOKEN") }
    retry {
      attempts = 3
      backoff = 4h
      max = 12h
    }
    timeout = 1h
  }
  step notes {
    when = channel == "stable"
    needs = [build]
    run = "cat NOTES"
  }
}
"""

Make = Callable[..., PipelineHarness]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A harness of a file with this text."""

    def make(text: str, **options: object) -> PipelineHarness:
        (tmp_path / "tidemill.toml").touch()
        file = tmp_path / "ci.tide"
        file.write_text(dedent(text))
        return PipelineHarness(file, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def release(make: Make) -> PipelineHarness:
    harness = make(RELEASE).secrets(TOKEN=SECRET)
    harness.step("build", outputs={"version": "1.2"}, files={"dist/a.whl": "wheel"})
    return harness.step("test").step("deploy").step("notes")


def test_a_run_succeeds_when_its_steps_do(release: PipelineHarness) -> None:
    run = release.run()
    assert (run.state, run.pipeline, run.seconds) == ("succeeded", "release", 0)
    assert {key: step.state for key, step in run.steps.items()} == {
        "build": "succeeded",
        "test[3.11]": "succeeded",
        "test[3.12]": "succeeded",
        "deploy": "succeeded",
        "notes": "succeeded",
    }
    assert run.step("build").outputs == {"version": "1.2", "wheel": ["dist/a.whl"]}
    assert run.order.index("build") < run.order.index("test[3.11]") < run.order.index("deploy")


def test_retries_wait_for_hours_and_take_no_time(release: PipelineHarness) -> None:
    began = time.monotonic()
    run = release.step("deploy", exit_code=7).run()
    deploy = run.step("deploy")
    assert (run.state, deploy.state, deploy.attempts, deploy.exit_code) == (
        "failed",
        "failed",
        3,
        7,
    )
    assert [call.at for call in deploy.calls] == [0, 4 * 3600, 12 * 3600]
    assert run.seconds == 12 * 3600
    assert time.monotonic() - began < 10


def test_a_step_may_fail_at_first(release: PipelineHarness) -> None:
    run = release.step("deploy", fails_first=2).run()
    assert (run.state, run.step("deploy").attempts) == ("succeeded", 3)


def test_what_takes_too_long_is_timed_out(release: PipelineHarness) -> None:
    run = release.step("deploy", takes="2h").run()
    assert run.step("deploy").state == "timed_out"
    assert [call.at for call in run.calls("deploy")] == [0, 5 * 3600, 14 * 3600]
    run = release.step("deploy", takes=3599.5).run()
    assert run.step("deploy").ended == 3599.5


def test_a_step_that_takes_for_ever_is_ended_by_its_timeout_alone(release: PipelineHarness) -> None:
    assert release.step("deploy", takes=math.inf).run().step("deploy").state == "timed_out"
    with pytest.raises(HarnessError, match="never ends: nothing ends build, and it has no timeout"):
        release.step("build", takes=math.inf).run()


def test_a_step_is_left_out_as_its_condition_says(release: PipelineHarness) -> None:
    assert release.run({"channel": "beta"}).step("notes").state == "skipped"
    assert release.run(only=["build"]).step("notes").state == "skipped"


def test_it_can_be_seen_what_a_step_was_given(release: PipelineHarness) -> None:
    run = release.run({"channel": "be ta"})
    assert run.commands("build") == ["make VERSION='be ta' 'all'"]
    assert run.commands("deploy") == ["deploy 1.2 'be ta'"]
    assert run.step("deploy").calls[0].argv == ("deploy", "1.2", "be ta")
    assert run.step("deploy").calls[0].env["TOKEN"] == SECRET
    assert run.step("build").calls[0].script == "make VERSION=\"$TIDE_V0\" 'all'"
    assert run.step("build").calls[0].interpreter == ("sh", "-e")
    (test, _) = run.calls("test")
    assert test.command == "tox -e py3.11 '$TIDE_INPUTS/build/wheel/a.whl'"
    assert test.inputs["build/wheel/a.whl"].read_text() == "wheel"


def test_one_task_of_a_fan_out_may_do_something_else(release: PipelineHarness) -> None:
    run = release.step("test[3.12]", exit_code=1).run()
    assert [step.state for step in run.tasks("test")] == ["succeeded", "failed"]
    assert run.step("deploy").state == "upstream_failed"
    with pytest.raises(HarnessError, match=r"2 tasks: say which.*'test\[3.11\]', 'test\[3.12\]'"):
        run.step("test")


def test_a_function_may_stand_for_a_step(release: PipelineHarness) -> None:
    given: list[Call] = []

    def deploy(call: Call) -> object:
        given.append(call)
        answers = [1, killed(9), Ends(prints=f"token {call.env['TOKEN']}\n", takes=60)]
        return answers[call.attempt - 1]

    run = release.step("deploy", deploy).run()
    assert (run.state, [call.attempt for call in given]) == ("succeeded", [1, 2, 3])
    assert run.step("deploy").log == "token ***\n"


def test_what_a_function_raises_comes_out_of_the_run(release: PipelineHarness) -> None:
    def deploy(call: Call) -> None:
        assert call.argv == ("deploy", "2.0")

    with pytest.raises(AssertionError, match="deploy"):
        release.step("deploy", deploy).run()
    with pytest.raises(
        HarnessError, match="the function for deploy returned 'well': it may return"
    ):
        release.step("deploy", lambda _: "well").run()


def test_functions_may_return_outputs_or_nothing(release: PipelineHarness) -> None:
    release.step("build", lambda _: Ends(outputs={"version": "3"}, files={"dist/b.whl": b""}))
    run = release.step("deploy", lambda _: None).run()
    assert run.commands("deploy") == ["deploy 3 stable"]


def test_the_engine_checks_what_is_made_up(release: PipelineHarness) -> None:
    run = release.step("build", outputs={"version": 12}).run()
    assert run.step("build").state == "failed"
    assert "output version: expected a string, not 12" in run.step("build").detail
    assert "no file matches 'dist/*.whl'" in run.step("build").detail


def test_a_step_can_fail_in_every_way(release: PipelineHarness) -> None:
    assert "no engine" in release.step("notes", error="no engine").run().step("notes").detail
    assert "SIGKILL" in release.step("notes", signal=9).run().step("notes").detail
    assert release.step("notes", lost=True).run().step("notes").state == "lost"


def test_a_step_that_is_not_mocked_is_an_error(make: Make) -> None:
    harness = make(RELEASE).secrets(TOKEN=SECRET)
    with pytest.raises(HarnessError, match=r"step build is not mocked: say what it does by .step"):
        harness.run()


def test_other_steps_may_succeed(make: Make) -> None:
    harness = make(RELEASE, others="succeed").secrets(TOKEN=SECRET)
    with pytest.raises(HarnessError, match="has outputs that nobody can make up: version, wheel"):
        harness.run()
    harness.step("build", outputs={"version": "1"}, files={"dist/a.whl": ""})
    assert harness.run().state == "succeeded"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("biuld", "there is no step 'biuld': did you mean 'build'?"),
        ("zzz", "there is no step 'zzz': there are build, test, deploy, notes"),
        ("test[3.1]", "there is no task 'test[3.1]': did you mean 'test[3.12]'?"),
    ],
)
def test_a_misspelt_step_is_said(release: PipelineHarness, name: str, said: str) -> None:
    with pytest.raises(HarnessError) as caught:
        release.step(name).run()
    assert str(caught.value) == said


def test_a_misspelt_step_of_a_result_is_said(release: PipelineHarness) -> None:
    run = release.run()
    with pytest.raises(HarnessError, match="did you mean 'deploy'"):
        run.step("deplyo")


def test_secrets_must_be_given(make: Make) -> None:
    harness = make(RELEASE, others="succeed")
    with pytest.raises(HarnessError, match=r"secrets that are not there: .secrets\(TOKEN=…\)"):
        harness.run()


def test_params_that_do_not_fit_are_said(release: PipelineHarness) -> None:
    with pytest.raises(HarnessError, match=r"no param 'chanel' .did you mean channel"):
        release.run({"chanel": "x"})


def test_a_file_with_mistakes_shows_them(make: Make) -> None:
    harness = make('pipeline p { step a { run = "true" needs = [b] } }')
    with pytest.raises(HarnessError, match=r"(?s)has mistakes\n.*T\d\d\d"):
        harness.run()
    with pytest.raises(HarnessError, match=r"there is no file nowhere.tide \(seen from "):
        PipelineHarness("nowhere.tide")


SHIP = """
pipeline ship {
  step ok {
    approve {
      prompt  = "Ship?"
      by      = ["ada", "ops"]
      TIMEOUT
    }
  }
  step go {
    needs = [ok]
    run = "ship"
  }
}
"""


def test_somebody_approves_or_denies(make: Make) -> None:
    harness = make(SHIP.replace("TIMEOUT", "")).step("go")
    run = harness.approve("ok", after="3d", reason="fine").run()
    assert (run.state, run.seconds) == ("succeeded", 3 * 86400)
    assert run.step("ok").detail == "approved by ada: fine"
    run = harness.deny("ok", by="eve", groups=["ops"]).run()
    assert (run.state, run.step("go").state) == ("failed", "upstream_failed")
    assert "eve" in run.step("ok").detail


def test_who_may_not_decide_is_said(make: Make) -> None:
    harness = make(SHIP.replace("TIMEOUT", "")).step("go")
    with pytest.raises(HarnessError, match=r"eve may not decide on ok: these .* may: ada, ops"):
        harness.approve("ok", by="eve").run()


def test_a_question_without_an_answer_is_an_error_unless_it_times_out(make: Make) -> None:
    with pytest.raises(HarnessError, match=r"ok waits for approval for ever: say .approve\('ok'\)"):
        make(SHIP.replace("TIMEOUT", "")).step("go").run()
    harness = make(SHIP.replace("TIMEOUT", "timeout = 2d")).step("go")
    run = harness.run()
    assert (run.state, run.step("ok").state, run.seconds) == ("failed", "timed_out", 2 * 86400)
    late = harness.approve("ok", after="3d").run()
    assert late.step("ok").state == "timed_out"


def test_only_steps_that_ask_are_answered_and_only_others_are_mocked(make: Make) -> None:
    harness = make(SHIP.replace("TIMEOUT", ""))
    with pytest.raises(HarnessError, match="there is no step that asks for approval 'go'"):
        harness.approve("go").run()
    with pytest.raises(HarnessError, match=r"asks for approval and runs nothing: .approve\('ok'\)"):
        make(SHIP.replace("TIMEOUT", "")).step("ok").run()


FAMILY = """
pipeline all {
  step checks for part in ["core", "cli"] = pipeline check(part = part)
}

pipeline check {
  param part: string
  step unit { run = "test {{ part }}" }
  step ask {
    needs = [unit]
    approve { prompt = "Fine?" }
  }
}
"""


def test_steps_of_a_pipeline_below_are_mocked_by_their_way(make: Make) -> None:
    harness = make(FAMILY, pipeline="all").step("checks/unit").approve("checks/ask")
    run = harness.run()
    assert run.state == "succeeded"
    assert run.commands("checks[cli]/unit") == ["test cli"]
    assert sorted(run.commands("checks/unit")) == ["test cli", "test core"]
    run = harness.step("checks[cli]/unit", exit_code=1).run()
    assert [step.state for step in run.tasks("checks")] == ["succeeded", "failed"]
    assert run.step("checks[core]/unit").state == "succeeded"
    with pytest.raises(HarnessError, match="checks runs the pipeline check: mock the steps of"):
        harness.step("checks").run()


def test_a_fan_out_over_an_output_has_the_tasks_of_that(make: Make) -> None:
    harness = make(
        """
        pipeline p {
          step list {
            run = "ls"
            output parts: list(string)
          }
          step each for part in list.parts { run = "do {{ part }}" }
        }
        """
    )
    harness.step("list", outputs={"parts": ["a", "b"]}).step("each").step("each[b]", exit_code=2)
    run = harness.run()
    assert run.commands("each") == ["do a", "do b"]
    assert run.step("each[b]").exit_code == 2
    with pytest.raises(HarnessError, match=r"there is no task 'each\[c\]'"):
        harness.step("each[c]").run()


CACHED = """
pipeline p {
  param of: string = "x"
  step slow {
    run = "make {{ of }}"
    cache { max_age = 7d }
    output n: int
  }
}
"""


def test_caches_go_on_from_run_to_run(make: Make) -> None:
    harness = make(CACHED).step("slow", outputs={"n": 3}, takes="2d")
    assert not harness.run().step("slow").cached
    again = harness.run()
    assert again.step("slow").cached
    assert (again.step("slow").outputs, again.step("slow").calls) == ({"n": 3}, ())
    assert harness.run({"of": "y"}).commands("slow") == ["make y"]
    assert harness.run(use_cache=False).seconds == 2 * 86400
    for _ in range(4):
        harness.run({"of": "z"}, use_cache=False)
    assert not harness.run().step("slow").cached  # the time has gone on


def test_a_run_may_be_cancelled(release: PipelineHarness) -> None:
    run = release.step("deploy", takes="50m").run(cancel_after="20m")
    assert (run.state, run.step("deploy").state, run.seconds) == ("cancelled", "cancelled", 1200)


async def test_it_works_in_a_test_that_is_a_coroutine(release: PipelineHarness) -> None:
    assert release.run().state == "succeeded"


def test_nothing_is_written_to_the_project(release: PipelineHarness, tmp_path: Path) -> None:
    release.run()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ci.tide", "tidemill.toml"]


def test_its_files_are_gone_when_it_is(tmp_path: Path) -> None:
    program = (
        "import sys, tempfile, pathlib; tempfile.tempdir = sys.argv[2];"
        "from tidemill.testing import PipelineHarness;"
        "h = PipelineHarness(sys.argv[1]).step('slow', outputs={'n': 1});"
        "print(h.run().state, len(list(pathlib.Path(sys.argv[2]).iterdir())));"
        "print('pytest' in sys.modules)"
    )
    file, folder = tmp_path / "ci.tide", tmp_path / "tmp"
    file.write_text(CACHED)
    folder.mkdir()
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", program]
    done = subprocess.run(
        [*command, str(file), str(folder)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("succeeded 1\nFalse\n", "")
    assert list(folder.iterdir()) == []
