"""Which due times a backfill makes runs for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from tidemill.model import schedules
from tidemill.model.rows import BackfillRow


def nominal_times(spec: Mapping[str, Any], first: float, last: float) -> Iterator[float]:
    """Those of a schedule, from one moment to another, both included."""
    found = schedules.times_after(spec, math.nextafter(first, -math.inf))
    return takewhile(lambda at: at <= last, found)


def coming(row: BackfillRow) -> Iterator[float]:
    """Those that no run was made for yet, the oldest first."""
    return iter(()) if row.next_due is None else nominal_times(row.spec, row.next_due, row.last)
