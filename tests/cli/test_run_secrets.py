"""Secrets in real runs: the step has them, and nothing that is kept or shown does."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tide_project import Ended, TideProject, environment

VALUE = "xK9-hunter2-correct-horse"
KEY = f"first-{VALUE}\nsecond-{VALUE}"


@pytest.fixture
def project(tmp_path: Path) -> TideProject:
    return TideProject(tmp_path)


def run(project: TideProject, *arguments: str, **secrets: str) -> Ended:
    (project.root / "tidemill.toml").touch()
    return project.run("run", "p.tide", *arguments, env=environment(**secrets))


def kept(project: TideProject) -> dict[str, bytes]:
    """Every file in the project but the ones that the test itself wrote."""
    return {
        str(path.relative_to(project.root)): path.read_bytes()
        for path in project.root.rglob("*")
        if path.is_file() and path.suffix != ".tide"
    }


def assert_nowhere(project: TideProject, *printed: str) -> None:
    files = kept(project)
    assert any(name.endswith("tidemill.db") for name in files), files.keys()
    for value in (VALUE, "second-"):
        assert [name for name, data in files.items() if value.encode() in data] == []
        assert not any(value in text for text in printed)


def test_a_secret_reaches_env_script_and_pipes_and_is_seen_nowhere(project: TideProject) -> None:
    project.write("""
let auth = "Bearer {{ secret("TOKEN") }}"
pipeline p {
  param live: bool = true
  step use {
    run = \"""
      test "$PLAIN" = "{{ secret("TOKEN") }}" || exit 3
      test {{ auth }} = "Bearer $PLAIN" || exit 4
      test "$CHOSEN" = "$PLAIN" || exit 5
      test -z "${TOKEN+set}" || exit 6
      printf 'before %s after\\n' "$PLAIN"
      printf '%s' "$PLAIN" | cut -c1-9 | tr -d '\\n'
      printf '%s' "$PLAIN" | cut -c10-
      printf '%s\\n' "$KEY" >&2
      echo "length=$(printf %s "$PLAIN" | wc -c)" >> "$TIDE_OUTPUT"
    \"""
    env {
      PLAIN  = secret("TOKEN")
      CHOSEN = secret("TOKEN") if live else secret("OTHER")
      KEY    = secret("deploy/key.pem")
    }
    output length: int
  }
}
""")
    secrets = {"TOKEN": VALUE, "deploy/key.pem": KEY}
    shown = run(project, **secrets)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "before *** after" in shown.stdout
    as_json = run(project, "--json", **secrets)
    logs = project.run("logs", "1")
    status = project.run("status", "1", "--json")
    assert "before *** after" in logs.stdout
    assert_nowhere(project, *(e.stdout + e.stderr for e in (shown, as_json, logs, status)))


def test_a_missing_secret_is_told_before_anything_runs(project: TideProject) -> None:
    project.write("""
pipeline p {
  param live: bool = false
  step first { run = "touch ran" }
  step a { needs = [first], run = "true", env { A = secret("ONE"), B = secret("TWO") } }
  step b { needs = [first], run = "true", when = live, env { A = secret("THREE") } }
  step c { needs = [first], run = "true", env { A = secret("FOUR") if live else "" } }
}
""")
    ended = run(project, TWO="")
    assert ended.returncode == 2
    assert "secrets ONE and TWO are not set" in ended.stderr
    assert "set the environment variables ONE and TWO" in ended.stderr
    assert not (project.root / "ran").exists()
    live = run(project, "-p", "live=true", ONE="1", TWO="2")
    assert "secrets FOUR and THREE are not set" in live.stderr
    assert run(project, ONE="1", TWO="2").returncode == 0
    assert run(project, "--only", "first").returncode == 0


def test_a_dry_run_says_which_secrets_are_there(project: TideProject) -> None:
    project.write("""
pipeline p {
  step a { run = "true", env { A = secret("ONE"), B = secret("TWO") } }
}
""")
    ended = run(project, "--dry-run", ONE="1")
    assert "secret ONE is set" in ended.stdout
    assert "secret TWO is not set" in ended.stdout
    as_json = run(project, "--dry-run", "--json", ONE="1")
    assert json.loads(as_json.stdout)["secrets"] == {"ONE": True, "TWO": False}


def test_one_that_turns_out_to_be_missing_fails_its_step_alone(project: TideProject) -> None:
    project.write("""
pipeline p {
  step decide {
    run = "echo live=true >> \\"$TIDE_OUTPUT\\""
    output live: bool
  }
  step a { run = "touch ran", env { A = secret("LATER") if decide.live else "" } }
  step b { needs = [decide], run = "true" }
}
""")
    ended = run(project)
    assert ended.returncode == 1
    assert "secret LATER is not set" in ended.stdout + ended.stderr
    assert "set the environment variable LATER" in ended.stdout + ended.stderr
    assert not (project.root / "ran").exists()
    assert "b succeeded" in ended.stdout


@pytest.mark.parametrize(
    "write",
    [
        'echo "got=$T" >> "$TIDE_OUTPUT"',
        'echo "got=x$T" >> "$TIDE_OUTPUT"',
        'printf \'{"got": "%s"}\\n\' "$T" >> "$TIDE_OUTPUT"',
        'echo "no form at all $T" >> "$TIDE_OUTPUT"',
        'echo "$T=x" >> "$TIDE_OUTPUT"',
        'printf \'{"got": "\\\\u0078%s"}\\n\' "${T#x}" >> "$TIDE_OUTPUT"',
    ],
)
def test_an_output_that_holds_a_secret_is_refused(project: TideProject, write: str) -> None:
    project.write(f"""
pipeline p {{
  step a {{
    run = r\"""
      {write}
    \"""
    env {{ T = secret("TOKEN") }}
    output got: string
  }}
}}
""")
    ended = run(project, TOKEN=VALUE)
    assert ended.returncode == 1
    assert "the outputs hold the value of secret TOKEN" in " ".join(ended.stdout.split())
    assert_nowhere(project, ended.stdout, ended.stderr)


def test_a_file_named_after_a_secret_is_refused(project: TideProject) -> None:
    project.write("""
pipeline p {
  step a {
    run = "touch \\"out-$T.txt\\""
    env { T = secret("TOKEN") }
    output got: file = "out-*.txt"
    executor local { workspace = "private" }
  }
}
""")
    ended = run(project, TOKEN=VALUE)
    assert ended.returncode == 1
    assert "the value of secret TOKEN" in " ".join(ended.stdout.split())
    assert_nowhere(project, ended.stdout, ended.stderr)


def test_what_a_failure_says_is_masked(project: TideProject) -> None:
    """The value stands in the error of the system that cannot start the step."""
    project.write("""
pipeline p {
  step a {
    run = \"""
      #!/usr/bin/env python3
      import os, sys
      sys.exit("died of " + os.environ["T"])
    \"""
    env { T = secret("TOKEN") }
  }
  step b {
    run = "true"
    env { A_MUCH_LONGER_NAME = secret("LONG") }
  }
}
""")
    ended = run(project, TOKEN=VALUE, LONG=VALUE.ljust(131_060, "x"))
    assert ended.returncode == 1
    assert "died of ***" in ended.stdout
    assert "the system passes at most" in " ".join(ended.stdout.split())
    assert_nowhere(project, ended.stdout, ended.stderr)


def test_a_step_without_it_does_not_inherit_it(project: TideProject) -> None:
    project.write("""
pipeline p {
  step a { run = "env | grep -c hunter2 || true", env { X = "1" } }
  step b { run = "test -n \\"$T\\"", env { T = secret("TOKEN") } }
}
""")
    ended = run(project, TOKEN=VALUE)
    assert ended.returncode == 0
    assert project.run("logs", "1", "a").stdout.split()[-1] == "0"


def test_an_interrupted_run_goes_on_with_its_secrets(project: TideProject) -> None:
    project.write("""
pipeline p {
  step a { run = "test -e ready", env { T = secret("TOKEN") } }
}
""")
    assert run(project, TOKEN=VALUE).returncode == 1
    (project.root / "ready").touch()
    missing = project.run("retry", "1", env=environment())
    assert missing.returncode == 2
    assert "secret TOKEN is not set" in missing.stderr
    assert project.run("retry", "1", env=environment(TOKEN=VALUE)).returncode == 0
    assert_nowhere(project)


def test_the_environment_of_the_test_has_none_of_them() -> None:
    assert not {"TOKEN", "ONE", "TWO", "THREE", "FOUR", "LATER"} & os.environ.keys()
