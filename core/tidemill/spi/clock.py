"""The clock that leases are counted on, on one machine."""

from __future__ import annotations

import sys
import time


def boot_time() -> float:
    """Seconds since this machine was started, the time that it was suspended for counted
    too (Linux: `CLOCK_BOOTTIME`). Nobody sets this clock, and all processes of the machine
    see the same."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
