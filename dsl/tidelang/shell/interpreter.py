"""Which program runs a script: `sh -e`, or what its `#!` line says.

A script stops at its first failing command, as users of CI expect: `-e` is added for
shells that have it, whatever else the `#!` line sets. `set +e` in the script turns it
off. Nothing else is added: `#!/bin/bash -o pipefail` asks for that itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from tidelang.shell.parts import Shell

_SHELLS: dict[str, Shell] = {"sh": "sh", "dash": "sh", "ash": "sh", "bash": "bash"}


@dataclass(frozen=True, slots=True)
class Interpreter:
    """`argv` takes the script behind `-c` or, with `in_file`, in a file named last.
    `shell` is the dialect, None for what is no POSIX shell. `error` says what is wrong
    with the `#!` line."""

    argv: tuple[str, ...] = ("sh", "-e")
    in_file: bool = False
    shell: Shell | None = "sh"
    error: str | None = None


def interpreter(text: str) -> Interpreter:
    """The interpreter of a script that starts with `text` (up to its first place)."""
    if not text.startswith("#!"):
        return Interpreter()
    argv = _without_env(text[2:].partition("\n")[0].split())
    if not argv:
        return Interpreter(error="the #! line names no interpreter")
    shell = _SHELLS.get(PurePosixPath(argv[0]).name)
    if shell is None:
        return Interpreter(tuple(argv), in_file=True, shell=None)
    return Interpreter((argv[0], *_stopping(argv[1:])), shell=shell)


def _without_env(words: list[str]) -> list[str]:
    """`/usr/bin/env [-S] bash -x` is `bash -x`; with other options env itself is kept."""
    if not words or PurePosixPath(words[0]).name != "env":
        return words
    rest = words[1:]
    if rest[:1] in (["-S"], ["--split-string"]):
        rest = rest[1:]
    plain = bool(rest) and not rest[0].startswith("-") and "=" not in rest[0]
    return rest if plain or not rest else words


def _stopping(options: list[str]) -> list[str]:
    """The options with `-e` among them: behind the long ones, which bash wants first, and
    before the short ones, the last of which may want an argument."""
    kept = [option for option in options if option not in ("-", "--")]
    long = [option for option in kept if option.startswith("--")]
    return [*long, "-e", *(option for option in kept if option not in long)]
