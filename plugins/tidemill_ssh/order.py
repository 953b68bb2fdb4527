"""From `Work` to the order: a text of shell that the far end reads from its input and runs.

Whatever comes from the work is a quoted word in there, never code, and never on a command
line. The order is a function that is called in the last line, so that of one that was cut
nothing runs. It lies in the step's folder (`$0`), but not for long: it may hold secrets.
What is the same for all steps is in `far/begin.sh`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from shlex import quote

from tidemill.spi import ArgvAction, StartError, Work

ARGUMENT_LIMIT = 131072
"""What Linux passes in one argument or variable, with its final NUL."""
_PROBED = 100_000
"""Bytes of an order from which on the host is asked first whether it can pass that much."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

_ORDER = """\
tidemill_begins() {{
: >$0
{files}{workdir}unset PWD OLDPWD
set -- {argv}
{exports}{search}{probe}begins
exec "$@" 4>&-
}}
tidemill_begins
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step runs: its own folder on the host, by the mark of its supervisor, or the
    workdir of its settings."""

    mark: str
    workdir: str | None

    @property
    def folder(self) -> str:
        return f"/tmp/tidemill-{self.mark}"  # noqa: S108 -- of the host; only we can enter it

    @property
    def inputs(self) -> str:
        return f"{self.folder}/inputs"

    def where(self, work: Work) -> str:
        """The folder in which the step runs, as an absolute path."""
        base = self.workdir if self.workdir is not None else f"{self.folder}/work"
        return str(PurePosixPath(base) / work.workdir)


def argv_of(work: Work, place: Place) -> tuple[str, ...]:
    action = work.action
    if isinstance(action, ArgvAction):
        argv = action.argv
    elif _in_file(work):
        argv = (*action.interpreter, f"{place.folder}/script")
    else:
        argv = (*action.interpreter, "-c", action.text)
    if not argv or not argv[0]:
        raise StartError("the command is empty: name a program to run")
    return argv


def order(work: Work, place: Place) -> bytes:
    """`work` is located already.

    Raises:
        StartError: the host could not pass an argument or a variable.
    """
    argv = argv_of(work, place)
    env = _environment(work, place)
    _check(argv, env, place.where(work), work)
    text = _text(work, place, argv, env)
    return _encode(text)


def _text(work: Work, place: Place, argv: tuple[str, ...], env: Mapping[str, str]) -> str:
    exports = "".join(f"export {name}={quote(value)}\n" for name, value in env.items())
    words = " ".join(map(quote, argv))
    return _ORDER.format(
        files=_script(work, place),
        workdir=_workdir(work, place),
        argv=words,
        exports=exports,
        search=_search(argv[0]),
        probe=_probe(len(exports) + len(words)),
    )


def _environment(work: Work, place: Place) -> dict[str, str]:
    env = dict(work.env)
    for name in ("TIDE_OUTPUT", "TMPDIR"):  # which `far/begin.sh` sets
        env.pop(name, None)
    if work.inputs:
        env["TIDE_INPUTS"] = place.inputs
    return env


def _in_file(work: Work) -> bool:
    action = work.action
    if isinstance(action, ArgvAction):
        return False
    return action.in_file or (
        len(action.text) * 4 >= ARGUMENT_LIMIT and len(_encode(action.text)) >= ARGUMENT_LIMIT
    )


def _script(work: Work, place: Place) -> str:
    if isinstance(work.action, ArgvAction) or not _in_file(work):
        return ""
    return f"printf %s {quote(work.action.text)} >{place.folder}/script || refuse room\n"


def _workdir(work: Work, place: Place) -> str:
    where = quote(place.where(work))
    own = place.workdir is None and not PurePosixPath(work.workdir).is_absolute()
    make = f"[ -d {where} ] || mkdir -p {where} && " if own else ""  # most often it is there
    return f"{make}cd {where} || refuse workdir\n"


def _search(program: str) -> str:
    if "/" in program:
        return '[ -f "$1" ] || refuse file\n[ -x "$1" ] || refuse mode\n'
    return 'command -v "$1" >/dev/null || refuse program\n'


def _probe(size: int) -> str:
    """Whether a program that does nothing can be handed all of it."""
    if size < _PROBED:
        return ""
    return '(exec sh -c : "$@") || refuse large\n'


def _check(argv: tuple[str, ...], env: Mapping[str, str], workdir: str, work: Work) -> None:
    for name, value in env.items():
        if not _NAME.match(name):
            raise StartError(f"a variable cannot have the name {name!r}")
        if "\0" in value:
            raise StartError(
                f"the variable {name!r} holds a NUL character, which no program can be given"
            )
    for number, argument in enumerate(argv):
        if "\0" in argument:
            raise StartError(
                f"argument {number} holds a NUL character, which no program can be given"
            )
    if not isinstance(work.action, ArgvAction) and "\0" in work.action.text:
        raise StartError("the script holds a NUL character, which no shell can be given")
    if _leads_out(workdir):
        raise StartError(f"the workdir {work.workdir!r} leads out of its folder")
    if "\0" in workdir:
        raise StartError(f"the workdir {workdir!r} holds a NUL character, which no path can")


def _leads_out(workdir: str) -> bool:
    return ".." in PurePosixPath(workdir).parts


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise StartError(
            f"the character {text[error.start]!r} cannot be passed to a program: {error.reason}"
        ) from error


def refusal(word: str, work: Work, place: Place, host: str) -> str:
    """Why the far end did not start it, in one line."""
    program, where = argv_of(work, place)[0], place.where(work)
    texts = {
        "workdir": f"cannot use the workdir {where} on {host}: there is no such folder, or it "
        "may not be entered",
        "program": f"{program} was not found in the PATH on {host}: install it, or set PATH",
        "file": f"cannot run {program}: there is no such file on {host}",
        "mode": f"cannot run {program}: it is not executable on {host} (set its mode with "
        "chmod +x)",
        "large": f"cannot run {program}: its arguments and variables are larger than {host} "
        "passes; hand large values over in a file",
        "room": f"cannot write the script to {place.folder} on {host}: is that disk full?",
        "exec": f"{host} could not run {program}: it is no program of that host, or the "
        "interpreter that it names does not exist there",
    }
    return texts.get(word, f"the shell of {host} could not set the step's variables and limits")
