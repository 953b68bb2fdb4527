"""What came of a step: the engine's word, and what our own program adds to it.

How a container ended, and whether it lacked memory, the engine alone tells. It gives a
signal as the status 128 and more, as a step may give itself, too: our program's
docker-init tells these two apart, and our program what was used. Both speak on a stream
that the step is not given. One that breaks into it, as processes of one user can, has our
program's words beside its own, and then none of them counts. It could in no case gain what
it cannot have by an honest end: success is the engine's to tell, and what was used cannot
be more than the container could use.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidemill.spi import Outcome, Usage, exited, killed
from tidemill_docker.program import END_MARK

_NO_MEMORY = "out of memory: the container came to its bound of memory, and was killed"
_KILLED = 128 + signal.SIGKILL
_INIT = b"Main child exited "
_NANO = 1_000_000_000
_SLACK = 1.0
"""Seconds: a container is at work a little before the engine says that it is started."""


def outcome_of(container: Mapping[str, Any], said: bytes, values: bytes) -> Outcome:
    """`container` is what the engine shows of it, `said` what came on our own stream."""
    state = container["State"]
    code = int(state["ExitCode"])
    ending, usage = _ending(said, code)
    usage = _bounded(usage, container)
    if state.get("OOMKilled") and code == _KILLED:  # the step, or what its script waited for
        return killed(signal.SIGKILL, usage=usage, detail=_NO_MEMORY)
    if code <= 128 or code - 128 > signal.SIGRTMAX or b"exited normally" in ending:
        return exited(code & 0xFF, usage=usage, values=values)
    return killed(code - 128, usage=usage)


def _ending(said: bytes, code: int) -> tuple[bytes, Usage]:
    """What docker-init and our program said of the end. Where more than one speaks, or our
    program was killed itself and said nothing, nobody is believed."""
    init, _, used = said.partition(END_MARK)
    if said.count(END_MARK) != 1 or said.count(_INIT) > 1:
        return b"", Usage()
    if used.partition(b"\n")[0] != b"%d" % code:
        return b"", Usage()
    return init[init.find(_INIT) :], usage_of(used)


def usage_of(text: bytes) -> Usage:
    """From the container's own control group, at its end: CPU seconds of all that ran in
    it, and the most memory that all of it held at a time. Zero where the system does not
    tell (cgroup v2 on Linux before 5.19 tells no peak)."""
    found = dict(re.findall(rb"(?m)^(\S+) (.*?) ?$", text))
    nanoseconds = _number(found.get(b"cpuacct/cpuacct.usage", b""))
    microseconds = _number(
        dict(re.findall(rb"(?m)^cpu\.stat (usage_usec) (\d+)", text)).get(b"usage_usec", b"")
    )
    memory = _number(found.get(b"memory/memory.max_usage_in_bytes", b""))
    memory = memory or _number(found.get(b"memory.peak", b""))
    return Usage(nanoseconds / 1e9 or microseconds / 1e6, memory)


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() and len(text) < 20 else 0


def _bounded(usage: Usage, container: Mapping[str, Any]) -> Usage:
    """No more than was possible, as the engine tells the time and the container's limits."""
    host = container["HostConfig"]
    cpus = (host.get("NanoCpus") or 0) / _NANO or os.cpu_count() or 1
    memory = host.get("Memory") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    longest = (_seconds(container["State"]) + _SLACK) * cpus
    return Usage(min(usage.cpu_seconds, longest), min(usage.peak_memory, memory))


def _seconds(state: Mapping[str, Any]) -> float:
    started, finished = (datetime.fromisoformat(state[n]) for n in ("StartedAt", "FinishedAt"))
    return max(0.0, (finished - started).total_seconds())
