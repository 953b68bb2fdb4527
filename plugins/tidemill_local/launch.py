"""From `Work` to what a keeper starts, and from its failures to words."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from tidemill.spi import ArgvAction, StartError, Work
from tidemill_local.warden import protocol

ARGUMENT_LIMIT = 131072
"""What Linux passes in one argument or variable, with its final NUL."""


def needs_file(work: Work) -> bool:
    """Whether the script has to be in a file: it asks for it, or is too long to pass."""
    action = work.action
    if isinstance(action, ArgvAction):
        return False
    return action.in_file or (
        len(action.text) * 4 >= ARGUMENT_LIMIT and len(_encode(action.text)) >= ARGUMENT_LIMIT
    )


def argv_of(work: Work, script: Path | None) -> tuple[str, ...]:
    """`script` is the file that holds the script, where it is in one."""
    action = work.action
    if isinstance(action, ArgvAction):
        argv = action.argv
    elif script is not None:
        argv = (*action.interpreter, str(script))
    else:
        argv = (*action.interpreter, "-c", action.text)
    if not argv or not argv[0]:
        raise StartError("the command is empty: name a program to run")
    return argv


def order(
    workdir: str, argv: tuple[str, ...], env: Mapping[str, str], bounds: tuple[str, ...] = ()
) -> bytes:
    """The order for a keeper. `bounds` are as `protocol` packs them.

    Raises:
        StartError: the system cannot pass an argument or a variable.
    """
    for name in env:
        if not name or "=" in name:
            raise StartError(f"a variable cannot have the name {name!r}")
    text = protocol.pack_order(workdir, argv, env, bounds)
    if text.count("\0") != 1 + len(argv) + len(bounds) + 2 * len(env):
        raise StartError(_who_holds_a_nul(workdir, argv, env))
    return _encode(text)


def _encode(text: str) -> bytes:
    try:
        return os.fsencode(text)
    except UnicodeEncodeError as error:
        raise StartError(
            f"the character {text[error.start]!r} cannot be passed to a program: {error.reason}"
        ) from error


def _who_holds_a_nul(workdir: str, argv: tuple[str, ...], env: Mapping[str, str]) -> str:
    for name, value in env.items():
        if "\0" in name or "\0" in value:
            return f"the variable {name!r} holds a NUL character, which no program can be given"
    for number, argument in enumerate(argv):
        if "\0" in argument:
            return f"argument {number} holds a NUL character, which no program can be given"
    return f"the workdir {workdir!r} holds a NUL character, which no path can"


def failure(packet: bytes, workdir: str, argv: tuple[str, ...], path: str | None) -> str:
    """Why a keeper could not start a step, in one line."""
    stage, code = protocol.unpack_failed(packet)
    reason = os.strerror(code)
    if stage == protocol.AT_WORKDIR:
        return f"cannot use the workdir {workdir}: {reason}"
    if stage == protocol.AT_SCRATCH:
        return f"cannot make the step's temporary folder: {reason}"
    if stage == protocol.AT_GROUP:
        return f"cannot make the step's control group: {reason}; its bounds cannot be held"
    if stage == protocol.AT_SEARCH:
        return _not_found(argv[0], code, path)
    return _not_executed(argv, code)


def exhausted(error: OSError) -> str:
    """Why this very process could not do its part: it has no file left to open, say."""
    return f"cannot start the step: {error.strerror}; this worker does too much at once"


def _not_found(program: str, code: int, path: str | None) -> str:
    if code == errno.EACCES:
        return f"{program} is in PATH but is not executable: set its mode with chmod +x"
    where = f"PATH={path}" if path else "the PATH, which is empty"
    return f"{program} was not found in {where}: install it, or set PATH"


def _not_executed(argv: tuple[str, ...], code: int) -> str:
    program = argv[0]
    if code == errno.ENOENT:
        if Path(program).is_absolute() and Path(program).exists():
            return f"cannot run {program}: the interpreter that it names does not exist"
        return f"cannot run {program}: there is no such file"
    if code == errno.E2BIG:
        return (
            f"cannot run {program}: its arguments and variables are larger than the system "
            "passes; hand large values over in a file"
        )
    if code == errno.ENOEXEC:
        return f"cannot run {program}: it is no program (a script needs a #! line)"
    if code == errno.EACCES:
        return f"cannot run {program}: it is not executable (set its mode with chmod +x)"
    if code in (errno.EAGAIN, errno.ENOMEM):
        return f"cannot run {program}: {os.strerror(code)}; this machine has too much to do"
    return f"cannot run {program}: {os.strerror(code)}"
