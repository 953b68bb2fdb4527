"""From times on a wall clock to moments, where clocks are changed.

When a clock is put forward it leaves times out (a *gap*), when it is put back it shows some
twice (a *fold*); what becomes of due times there is what a schedule's `dst` says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  a wall clock's
_DAY = 86_400.0

CLOCK = "clock"
"""Beside `skip`, `first` and `both`: a time is due whenever the clock shows it."""


def moments(walls: Iterable[datetime], zone: ZoneInfo, dst: str) -> Iterator[float]:
    """The moments that these times mean, given in order; in order, each once."""
    second: deque[float] = deque()
    last: float | None = None
    for wall in walls:
        found = _meant(wall, zone, dst)
        if not found:
            continue
        while second and second[0] < found[0]:
            last = second.popleft()
            yield last
        if found[0] != last:
            last = found[0]
            yield last
        second.extend(found[1:])
    yield from second


def shown_before(moment: float, zone: ZoneInfo) -> datetime:
    """A time on the clock from which on all that comes after `moment` is found."""
    shown = datetime.fromtimestamp(moment, zone).replace(tzinfo=None, microsecond=0, fold=0)
    around = {_offset(moment + away, zone) for away in (-_DAY, 0.0, _DAY)}
    steady = len(around) == 1  # nothing that is shown now comes twice
    return shown - timedelta(seconds=1 if steady else 1 + _DAY)


def _meant(wall: datetime, zone: ZoneInfo, dst: str) -> tuple[float, ...]:
    here = wall.replace(tzinfo=zone)
    before, after = _ahead(here), _ahead(here.replace(fold=1))
    first = (wall - _EPOCH - before).total_seconds()
    if before == after:
        return (first,)
    second = (wall - _EPOCH - after).total_seconds()
    if before < after:  # a gap
        return (_changed(second, first, zone),) if dst in {"first", "both"} else ()
    return (first, second) if dst in {"both", CLOCK} else (first,)


def _changed(low: float, high: float, zone: ZoneInfo) -> float:
    """When the clock is changed, behind `low` and not behind `high`: to the second."""
    old = _offset(low, zone)
    while high - low > 1:
        middle = float((low + high) // 2)
        low, high = (middle, high) if _offset(middle, zone) == old else (low, middle)
    return high


def _offset(moment: float, zone: ZoneInfo) -> timedelta:
    return _ahead(datetime.fromtimestamp(moment, UTC).astimezone(zone))


def _ahead(shown: datetime) -> timedelta:
    """By how much the clock is ahead of UTC."""
    return shown.utcoffset() or timedelta(0)
