"""Durations and moments, as people read them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


def duration(seconds: float) -> str:
    """`40 ms`, `1.2 s`, `3 min 05 s`, `2 h 07 min`, `3 d 04 h`.

    A clock that was set back gives nothing negative."""
    seconds = max(0.0, seconds)
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _MINUTE - 0.05:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR:02} h"


def ticking(seconds: float) -> str:
    """How long something takes so far, in whole seconds: it changes once a second."""
    return f"{int(seconds)} s" if 0 <= seconds < _MINUTE else duration(int(max(0.0, seconds)))


def elapsed(started: float | None, ended: float | None, now: float) -> str:
    """How long something took, or has taken so far; empty where it has not started."""
    if started is None:
        return ""
    return duration((now if ended is None else ended) - started)


def moment(at: float | None) -> str:
    """A time of day in the local zone, to the second; empty where there is none."""
    if at is None:
        return ""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
