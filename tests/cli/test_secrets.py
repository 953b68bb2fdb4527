"""Providers as a project configures them: who is asked, in which order, and what is said."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from distributions import install
from secret_places import write
from tide_project import Ended, TideProject, assert_told, environment

VALUE = "xK9-hunter2-correct-horse"

PIPELINE = """
pipeline p {
  step a { run = "echo \\"$T\\" | rev", env { T = secret("TOKEN") } }
}
"""
REVERSED = VALUE[::-1]  # which nothing masks

OF_THE_ENV = "of-the-env"

FILE = '[[secrets]]\nprovider = "file"\npath = "secrets.env"\n'
OPTIONAL = FILE + "optional = true\n"
ENV = '[[secrets]]\nprovider = "env"\n'
COMMAND = """
[[secrets]]
provider = "command"
argv = ["sh", "-c", "cat $1 || exit 44", "sh", "kept/{name}"]
missing_exit = [44]
"""


@pytest.fixture
def project(tmp_path: Path) -> TideProject:
    project = TideProject(tmp_path)
    project.write(PIPELINE)
    return project


def configure(project: TideProject, *tables: str) -> None:
    (project.root / "tidemill.toml").write_text("\n".join(tables))


def run(project: TideProject, *arguments: str, **variables: str) -> Ended:
    ended = project.run(*(arguments or ("run", "p.tide")), env=environment(**variables))
    assert VALUE not in ended.stdout + ended.stderr
    return ended


def keep(project: TideProject, name: str, value: str) -> None:
    (project.root / "kept").mkdir(exist_ok=True)
    (project.root / "kept" / name).write_text(value)


@pytest.mark.parametrize("first", ["file", "command", "env"])
def test_the_first_that_has_it_gives_it(project: TideProject, first: str) -> None:
    tables = {"file": OPTIONAL, "command": COMMAND, "env": ENV}
    configure(project, tables.pop(first), *tables.values())
    values = {"file": "of-the-file", "command": "of-the-command", "env": "of-the-env"}
    write(project.root / "secrets.env", f"TOKEN = {values['file']}")
    keep(project, "TOKEN", values["command"])
    ended = run(project, TOKEN=values["env"])
    assert ended.returncode == 0, ended.stderr
    assert values[first][::-1] in ended.stdout


def test_the_next_one_is_asked_for_what_the_first_has_not(project: TideProject) -> None:
    configure(project, OPTIONAL, COMMAND, ENV)
    for give in (
        lambda: keep(project, "TOKEN", VALUE),
        lambda: (project.root / "kept/TOKEN").unlink(),
    ):
        give()
        ended = run(project, TOKEN=VALUE)
        assert REVERSED in ended.stdout, ended.stderr


def test_one_that_cannot_tell_ends_the_search(project: TideProject) -> None:
    configure(project, COMMAND, FILE, ENV)
    write(project.root / "secrets.env", f"TOKEN = {VALUE}", 0o644)
    ended = run(project, TOKEN=VALUE)
    assert_told(ended, 3, "secret provider file: secrets.env: everybody can read or change it")
    assert project.rows("SELECT number FROM runs") == []


def test_what_nobody_has_is_said_with_all_that_were_asked(project: TideProject) -> None:
    configure(project, OPTIONAL, COMMAND, ENV.replace('"env"', '"env"\nprefix = "CI_"'))
    ended = run(project)
    assert_told(
        ended,
        2,
        "error: secret TOKEN is not set: file, command and env had to be asked",
        "help: file: add TOKEN to secrets.env",
        "help: command: have `sh -c cat $1 || exit 44 sh kept/{name}` print TOKEN",
        "help: env: set the environment variable CI_TOKEN for the `tidemill` that runs it",
    )


def test_two_of_a_kind_are_told_apart(project: TideProject) -> None:
    configure(
        project, OPTIONAL, OPTIONAL.replace("secrets", "more", 2).replace("[[more", "[[secrets")
    )
    assert_told(run(project), 2, "file (secrets table 1): add TOKEN to secrets.env")


def test_a_step_sees_what_was_replaced_since_the_run_began(project: TideProject) -> None:
    configure(project, FILE)
    write(project.root / "secrets.env", "TOKEN = before-it")
    project.write("""
pipeline p {
  step a { run = "echo 'TOKEN = after-it' > secrets.env" }
  step b { needs = [a], run = "echo \\"$T\\" | rev", env { T = secret("TOKEN") } }
}
""")
    assert "after-it"[::-1] in run(project).stdout


def test_trouble_while_a_run_goes_on_fails_the_step_alone(project: TideProject) -> None:
    configure(project, FILE)
    write(project.root / "secrets.env", "TOKEN = before-it")
    project.write("""
pipeline p {
  step a { run = "chmod 644 secrets.env" }
  step b { needs = [a], run = "touch ran", env { T = secret("TOKEN") } }
  step c { needs = [a], run = "true" }
}
""")
    ended = run(project)
    assert_told(ended, 1, "everybody can read or change it", "c succeeded")
    assert not (project.root / "ran").exists()


def test_a_pipeline_without_secrets_asks_nobody(project: TideProject) -> None:
    configure(project, '[[secrets]]\nprovider = "nobody"\n')
    project.write('pipeline p { step a { run = "true" } }')
    assert run(project).returncode == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[secrets]\nprovider = "env"', ["is no array of tables", "write it as [[secrets]]"]),
        ("secrets = 5", ["secrets is no array of tables"]),
        ('[[secret]]\nprovider = "env"', ["there is no table secret", "did you mean [[secrets]]?"]),
        ('[[secrets]]\npath = "x"', ["a [[secrets]] table has no provider", 'provider = "…"']),
        ('[[secrets]]\nprovider = "fiel"', ["there is no secret provider fiel", "env, file"]),
        (FILE + "optionale = true", ["of file has no key optionale", "did you mean optional?"]),
        (FILE + 'timeout = "soon"', ["secret provider file: timeout: input should be"]),
        (FILE + 'encryption = "age"', ["encryption age needs the file with the private key"]),
        ('[[secrets]]\nprovider = "command"', ["secret provider command: argv is missing"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("arguments", [("run", "p.tide"), ("secrets",)])
def test_what_makes_no_sense_is_said(
    project: TideProject, text: str, told: list[str], arguments: tuple[str, ...]
) -> None:
    configure(project, text)
    ended = run(project, *arguments, TOKEN=VALUE)
    assert ended.returncode in {2, 3}
    assert_told(ended, ended.returncode, *told)


def test_a_duration_is_written_as_in_a_tide_file(project: TideProject) -> None:
    configure(project, COMMAND.replace("cat $1", "sleep 1000") + 'timeout = "200ms"')
    assert_told(run(project), 3, "secret provider command: sh took longer than 0.2 s")


def test_who_has_a_secret_is_shown_and_never_its_value(project: TideProject) -> None:
    configure(project, OPTIONAL, ENV)
    write(project.root / "secrets.env", f"TOKEN = {VALUE}")
    ended = run(project, "secrets", "TOKEN", "OTHER", "NOBODY", "TOKEN", OTHER=VALUE)
    assert ended.returncode == 3
    assert [line.split() for line in ended.stdout.splitlines()] == [
        ["secret", "from"], ["TOKEN", "file"], ["OTHER", "env"], ["NOBODY", "missing"],
    ]  # fmt: skip
    as_json = run(project, "secrets", "TOKEN", "NOBODY", "--json")
    assert json.loads(as_json.stdout) == [
        {"name": "TOKEN", "provider": "file"},
        {"name": "NOBODY", "provider": None},
    ]
    assert run(project, "secrets", "TOKEN").returncode == 0


def test_the_secrets_of_a_file_are_all_that_stand_in_it(project: TideProject) -> None:
    (project.root / "lib.tide").write_text("""
pipeline below {
  step c { run = "true", env { X = secret("BELOW") } }
}
""")
    project.write("""
import "lib.tide" as lib
let both = "{{ secret("LET") }}"
pipeline p {
  param live: bool = false
  step secret { run = "true" }
  step a {
    run = "echo {{ both }}"
    env { X = secret("LIVE") if live else secret("DEAD"), Y = ["secret", "no"][0] }
  }
  step x { needs = [secret, a], run = "true" }
  step b = pipeline lib.below()
}
""")
    ended = run(project, "secrets", "p.tide")
    names = [line.split()[0] for line in ended.stdout.splitlines()[1:]]
    assert names == ["BELOW", "DEAD", "LET", "LIVE"]


def test_a_provider_that_does_not_work_is_shown(project: TideProject) -> None:
    configure(project, COMMAND, FILE)
    problem = "secret provider file: secrets.env: there is no such file"
    shown = run(project, "secrets")
    assert_told(shown, 3, "command", problem)
    assert json.loads(run(project, "secrets", "--json").stdout) == [
        {"provider": "command", "problem": ""},
        {"provider": "file", "problem": problem},
    ]
    assert_told(run(project, "doctor"), 3, f"wrong  secrets   {problem}")
    configure(project, "secrets = 5")
    assert_told(run(project, "doctor"), 3, "secrets is no array of tables")


STRANGE = """
    from pydantic import BaseModel
    from tidemill.spi import SecretProviderType, hookimpl
    TIDEMILL_SPI = 1

    class Settings(BaseModel, extra="forbid"):
        pass

    class Strange:
        async def get(self, names):
            return WHAT
        async def close(self):
            raise RuntimeError("VALUE")

    @hookimpl
    def tidemill_secrets():
        return [SecretProviderType("strange", Settings, lambda settings, context: Strange())]
""".replace("VALUE", VALUE)


def strange(project: TideProject, what: str) -> Ended:
    site = project.root / "site"
    site.mkdir()
    install(site, "tide-strange", STRANGE.replace("WHAT", what))
    configure(project, '[[secrets]]\nprovider = "strange"\n', ENV)
    path = f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    return run(project, PYTHONPATH=path, TOKEN=OF_THE_ENV)


@pytest.mark.parametrize(
    ("what", "error"), [(f"{{}}['{VALUE}']", "KeyError"), (f"int('{VALUE}')", "ValueError")]
)
def test_a_bug_of_a_provider_is_told_without_what_it_says(
    project: TideProject, what: str, error: str
) -> None:
    ended = strange(project, what)
    assert ended.returncode == 3
    assert f"error: secret provider strange failed: {error}" in ended.stderr


@pytest.mark.parametrize("what", ["{}", "{'TOKEN': ''}", "{'OTHER': 'x'}"])
def test_one_that_has_nothing_leaves_it_to_the_next(project: TideProject, what: str) -> None:
    ended = strange(project, what)
    assert OF_THE_ENV[::-1] in ended.stdout, ended.stderr
