"""Which program runs a script."""

from __future__ import annotations

import subprocess

import pytest

from tidelang.shell import Interpreter, interpreter


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("echo", Interpreter(("sh", "-e"))),
        ("# no #! line", Interpreter(("sh", "-e"))),
        (" #!/bin/bash", Interpreter(("sh", "-e"))),
        ("#!/bin/sh\n", Interpreter(("/bin/sh", "-e"))),
        ("#!/bin/dash -u\n", Interpreter(("/bin/dash", "-e", "-u"))),
        ("#! /bin/bash -\nx", Interpreter(("/bin/bash", "-e"), False, "bash")),
        ("#!/usr/bin/env bash\nx", Interpreter(("bash", "-e"), False, "bash")),
        (
            "#!/usr/bin/env -S bash --norc -u -o pipefail\r\nx",
            Interpreter(("bash", "--norc", "-e", "-u", "-o", "pipefail"), False, "bash"),
        ),
        ("#!/usr/bin/env python3\n", Interpreter(("python3",), in_file=True, shell=None)),
        ("#!/usr/bin/perl -w\n", Interpreter(("/usr/bin/perl", "-w"), in_file=True, shell=None)),
        ("#!/bin/zsh\n", Interpreter(("/bin/zsh",), in_file=True, shell=None)),
        (
            "#!/usr/bin/env -i A=1 sh\n",
            Interpreter(("/usr/bin/env", "-i", "A=1", "sh"), in_file=True, shell=None),
        ),
    ],
)
def test_the_first_line_picks_the_interpreter(text: str, expected: Interpreter) -> None:
    assert interpreter(text) == expected


@pytest.mark.parametrize("text", ["#!", "#!  \necho", "#!/usr/bin/env\n"])
def test_a_line_that_names_no_interpreter_is_an_error(text: str) -> None:
    assert interpreter(text).error == "the #! line names no interpreter"


@pytest.mark.parametrize(
    "line", ["", "#!/bin/sh\n", "#!/bin/bash --norc -u -o pipefail\n", "#!/usr/bin/env bash\n"]
)
def test_a_script_stops_at_the_first_failing_command(line: str) -> None:
    text = line + "false\necho reached"
    chosen = interpreter(text)
    done = subprocess.run([*chosen.argv, "-c", text], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")
