"""Starting a step within bounds: by a fork, since `posix_spawn` can set none.

It takes some tenths of a millisecond more, so a step without bounds is not started here.
"""

from __future__ import annotations

import os
import signal
from typing import NoReturn

from . import linux
from .group import Group
from .protocol import Bounds, Order

_FAILED = 127


def spawn(program: bytes, order: Order, pipe: int, bounds: Bounds, group: Group) -> int:
    """The pid of the step, which is in its groups and limits before it runs a line.

    Raises:
        OSError: it could not be started.
    """
    keeper = os.getpid()
    reader, writer = os.pipe2(os.O_CLOEXEC)
    with os.fdopen(reader, "rb") as said:
        try:
            pid = os.fork()
            if pid == 0:
                _become(program, order, pipe, bounds, group, keeper, writer)
        finally:
            os.close(writer)
        code = said.read()
    if code:
        os.waitpid(pid, 0)
        raise OSError(int(code), os.strerror(int(code)))
    return pid


def _become(
    program: bytes, order: Order, pipe: int, bounds: Bounds, group: Group, keeper: int, writer: int
) -> NoReturn:
    """Only in the child. The pipe back closes where `execve` succeeds."""
    import resource  # only here: most steps have no bounds

    try:
        linux.hear_of_parents_death(signal.SIGKILL)
        if os.getppid() != keeper:
            os._exit(_FAILED)
        os.setsid()
        group.join()
        os.dup2(pipe, 1)
        os.dup2(pipe, 2)
        for number, soft, hard in bounds.rlimits:
            most = resource.getrlimit(number)[1]
            if most != resource.RLIM_INFINITY:  # what is lower already stays so
                soft, hard = min(soft, most), min(hard, most)
            resource.setrlimit(number, (soft, hard))
        os.execve(program, order.argv, order.env)  # noqa: S606 -- a step is what it is told
    except OSError as error:
        os.write(writer, b"%d" % (error.errno or 0))
    except BaseException:
        os.write(writer, b"22")
        raise
    finally:
        os._exit(_FAILED)
