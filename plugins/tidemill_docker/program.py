"""What a container runs: a small POSIX shell program, written for each step.

It comes to the container's `sh` on standard input, so that variables and arguments of
any bytes and lengths arrive, and none of them is seen by `docker inspect`. It says on
standard output how the start went, before the step can write anything there; everything
behind that line is the step's, whose two outputs are both this one.

The container's standard error is our own: the step is not given it. There it says at the
end what the step used, and `docker-init` (tini), which the engine puts into each container
and is used here a second time, whether a signal ended the step, which a shell cannot tell.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence

from tidemill.spi import ArgvAction, StartError, Work

HOME = "/.tidemill"
"""Where the step's own folder is mounted."""
WORKSPACE = "/workspace"
OUTPUT, INPUTS, SCRIPT = "output", "inputs", "script"
TMP = "/tmp"  # noqa: S108 -- the container's own, and empty

ARGUMENT_LIMIT = 131072
"""What Linux passes in one argument or variable, with its final NUL."""
MARK = b"\x1etide "
END_MARK = b"\x1etide end "
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# The whole is one compound command: the shell reads all of it before any of it runs. The
# background is of no use here: what a shell puts there ignores SIGINT for good.
_PROGRAM = """{
s= ; trap 's=1' TERM
exec 3>&1 </dev/null
read -r now rest </proc/uptime
sh=$(command -v sh)
(
  if [ "${now%.*}${now#*.}" -ge @END@ ]; then printf '\\036tide expired\\n'; exit 1; fi
  if ! cd @WORKDIR@; then
    if [ -d @WORKDIR@ ]; then printf '\\036tide closed\\n'; else printf '\\036tide workdir\\n'; fi
    exit 1
  fi
  read -r p rest </proc/self/stat; echo "$p" >@HOME@/init
  set -- "$sh" -c 'exec "$@" >&3 2>&1 3>&-' sh @ARGV@
@EXPORTS@
  command -v @NAME@ >/dev/null || { printf '\\036tide program %s\\n' "$PATH"; exit 1; }
  printf '\\036tide ok\\n'
  exec /sbin/docker-init -v -s -- "$@" >&2
)
c=$?
if [ "$s" ]; then
  while kill -0 -1 2>/dev/null; do sleep 0.02 2>/dev/null || sleep 1; done
fi
printf '\036tide end %s\n' "$c" >&2
cd /sys/fs/cgroup
for f in cpuacct/cpuacct.usage memory/memory.max_usage_in_bytes cpu.stat memory.peak; do
  [ -r "$f" ] && while read -r a b; do echo "$f $a $b"; done <"$f"
done >&2 2>/dev/null
exit $c
}
"""

# Held still, nothing can fork: then SIGTERM reaches each process once. The step's
# docker-init is left out, which would pass it on to the step a second time.
TERMINATE = f"""kill -STOP -1
read -r init <{HOME}/init
for p in /proc/[0-9]*; do
  p=${{p#/proc/}}
  case $p in 1|$$|"$init") ;; *) kill -TERM "$p" ;; esac
done
kill -CONT -1
"""


def program(work: Work, argv: tuple[str, ...], env: Mapping[str, str], end: float) -> bytes:
    """The program for this step; one that begins after `end` (a moment of `boot_time()`)
    says so, and ends.

    Raises:
        StartError: the system cannot pass an argument or a variable.
    """
    for name in env:
        if not _NAME.fullmatch(name):
            raise StartError(f"a variable of a container cannot have the name {name!r}")
    workdir = f"{WORKSPACE}/{work.workdir}" if work.workdir != "." else WORKSPACE
    if work.workdir.startswith("/"):
        workdir = work.workdir
    _check([workdir, *argv, *(f"{name}={value}" for name, value in env.items())])
    parts = {
        "HOME": HOME,
        "END": "999999999999" if end == float("inf") else str(max(0, int(end * 100))),
        "WORKDIR": _quoted(workdir),
        "ARGV": " ".join(map(_quoted, argv)),
        "NAME": _quoted(argv[0]),
        "EXPORTS": "\n".join(f"export {name}={_quoted(value)}" for name, value in env.items()),
    }
    return _encoded(re.sub("@([A-Z]+)@", lambda found: parts[found[1]], _PROGRAM))


def of_service(argv: Sequence[str], env: Mapping[str, str]) -> bytes:
    """The program that gives a service its variables, and becomes the image's own.

    Raises:
        StartError: the system cannot pass an argument or a variable.
    """
    if not argv:
        raise StartError("the service's image names no program: set `command`")
    _check([*argv, *(f"{name}={value}" for name, value in env.items())])
    lines = [f"export {name}={_quoted(value)}" for name, value in env.items()]
    lines.append(f"exec {' '.join(map(_quoted, argv))} </dev/null")
    return _encoded("{\n" + "\n".join(lines) + "\n}\n")


def listens(port: int) -> str:
    """A script that succeeds where something listens on a port for others than itself:
    state 0A of the kernel's table, and an address that is not the loopback's."""
    return (
        "for f in /proc/net/tcp /proc/net/tcp6; do while read -r _ at _ state _; do"
        f' case "$at $state" in 0100007F:*|*01000000:*) ;; *":{port:04X} 0A") exit 0;; esac;'
        ' done <"$f"; done; exit 1'
    )


def argv_of(work: Work) -> tuple[str, ...]:
    action = work.action
    if isinstance(action, ArgvAction):
        argv = action.argv
    elif needs_file(work):
        argv = (*action.interpreter, f"{HOME}/{SCRIPT}")
    else:
        argv = (*action.interpreter, "-c", action.text)
    if not argv or not argv[0]:
        raise StartError("the command is empty: name a program to run")
    return argv


def needs_file(work: Work) -> bool:
    """Whether the script has to be in a file: it asks for it, or is too long to pass."""
    action = work.action
    if isinstance(action, ArgvAction):
        return False
    return action.in_file or len(_encoded(action.text)) >= ARGUMENT_LIMIT


def _check(texts: Iterable[str]) -> None:
    for text in texts:
        name = text.partition("=")[0][:40]
        if "\0" in text:
            raise StartError(f"{name!r} holds a NUL character, which no program can be given")
        if len(_encoded(text)) >= ARGUMENT_LIMIT:
            raise StartError(
                f"{name!r} is larger than the {ARGUMENT_LIMIT} bytes that the system passes in "
                "one argument or variable; hand large values over in a file"
            )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _encoded(text: str) -> bytes:
    try:
        return os.fsencode(text)
    except UnicodeEncodeError as error:
        raise StartError(
            f"the character {text[error.start]!r} cannot be passed to a program: {error.reason}"
        ) from error
