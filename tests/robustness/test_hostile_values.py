"""A value is never code, shown from end to end: from the command line and from what a
step puts out, through compiler, database and broker, into scripts, arguments and
environments."""

from __future__ import annotations

import json
import os
import sys

import pytest
from hostile import HOSTILE
from tide_project import TideProject, assert_told

# Each writes the value to its standard output, and nothing else.
_CONTEXTS = {
    "bare": "printf %s {{ v }}",
    "double": 'printf %s "{{ v }}"',
    "single": "printf %s '{{ v }}'",
    "here": "cat <<END | head -c -1\n{{ v }}\nEND",
    "substituted": 'y="$(printf %s. "{{ v }}")"; printf %s "${y%.}"',
    "deep": 'y="$(printf %s. "$(printf %s. {{ v }})")"; printf %s "${y%..}"',
    "pattern": 'y={{ v }}; case "$y" in {{ v }}) printf %s "$y" ;; *) exit 9 ;; esac',
    "inner_pattern": 'y="$(case {{ v }} in {{ v }}) printf %s. {{ v }};; esac)"; '
    'printf %s "${y%.}"',
    "default": 'printf %s "${nothing:-{{ v }}}"',
    "words": 'for each in {{ [v, v] }}; do last=$each; done; printf %s "$last"',
    "second_shell": 'sh -c "printf %s {{ v | sh }}"',
    "environment": 'printf %s "$FROM_ENV"',
}
_WRITE = "import os, sys; open(sys.argv[1], 'wb').write(os.fsencode(sys.argv[2]))"

_ARGV_OUT = '"out/argv-{{ i }}"'


def _script(context: str, body: str, shell: str, value: str) -> str:
    body = body.replace("{{ v", "{{ " + value).replace("[v, v]", f"[{value}, {value}]")
    lines = [f"#!/bin/{shell}", "{", *body.split("\n"), f'}} > "out/{shell}-{context}-{{{{ i }}}}"']
    return "\n".join(f"      {line}" for line in lines)


def _pipeline(value: str) -> str:
    steps = [
        f"  step {shell}_{context} for (i, v) in numbered {{\n    needs = [source]\n"
        f'    env {{ FROM_ENV = {value} }}\n    run = """\n'
        f'{_script(context, body, shell, value)}\n    """\n  }}'
        for shell in ("sh", "bash")
        for context, body in _CONTEXTS.items()
    ]
    return "\n".join(
        [
            "pipeline p {",
            "  param values: list(string)",
            "  let numbered = zip(range(len(values)), values)",
            "  step source {",
            '    run = "mkdir -p out && cat values.json >> \\"$TIDE_OUTPUT\\""',
            "    output all: list(string)",
            "  }",
            *steps,
            "  step argv for (i, v) in numbered {",
            "    needs = [source]",
            "    run = ["
            + ", ".join([*map(json.dumps, [sys.executable, "-c", _WRITE]), _ARGV_OUT, value])
            + "]",
            "  }",
            "}",
        ]
    )


@pytest.mark.parametrize("value", ["v", "source.all[i]"], ids=["given", "put out by a step"])
def test_every_hostile_value_arrives_unchanged_everywhere_and_nothing_is_run(
    project: TideProject, value: str
) -> None:
    given = HOSTILE if value == "v" else [v for v in HOSTILE if "\udcff" not in v]  # no JSON
    project.write(_pipeline(value))
    (project.root / "values.json").write_text(json.dumps({"all": given}))
    param = "values=" + json.dumps(given, ensure_ascii=False)
    ended = project.run("run", "p.tide", "-p", param)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr
    out = project.root / "out"
    contexts = [f"{shell}-{context}" for shell in ("sh", "bash") for context in _CONTEXTS]
    for context in [*contexts, "argv"]:
        found = [os.fsdecode((out / f"{context}-{i}").read_bytes()) for i in range(len(given))]
        assert found == given, context
    assert [path for path in project.root.rglob("*canary*") if ".tidemill" not in path.parts] == []


_USE = """
pipeline p {
  step source {
    run = "cat values.json >> $TIDE_OUTPUT"
    output v: string
  }
  step use {
    ACTION
  }
}
"""


@pytest.mark.parametrize(
    ("action", "where"),
    [
        ('run = "printf %s a {{ source.v }}"', "{{ … }} of the script"),
        ('run = ["printf", "%s", source.v]', "argument"),
        ('env { V = source.v }; run = "true"', "V"),
    ],
    ids=["script", "argv", "env"],
)
@pytest.mark.parametrize(
    ("value", "reason"),
    [("a\\u0000b", "NUL"), ("x" * 150_000, "the system passes at most 131,071")],
    ids=["NUL", "too long"],
)
def test_what_the_system_cannot_pass_fails_the_step_and_says_so(
    project: TideProject, action: str, where: str, value: str, reason: str
) -> None:
    project.write(_USE.replace("ACTION", action))
    (project.root / "values.json").write_text(f'{{"v": "{value}"}}')
    ended = project.run("run", "p.tide")
    assert_told(ended, 1, reason, where)
    assert project.tasks(1)["use"]["state"] == "failed"
