"""How the time that something takes grows with what it is given."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

TRIES = 4
"""Others are at work on a machine."""

FACTOR = 8
SHORTEST = 0.01
"""Seconds. What is shorter says nothing."""


def grows_no_faster(work: Callable[[int], object], size: int) -> bool:
    """Whether `FACTOR` times this size takes about that many times as long, and not its
    square: the middle between the two, on their scale, tells them apart."""
    most = FACTOR**1.5
    return any(
        _seconds(work, FACTOR * size) < most * max(_seconds(work, size), SHORTEST)
        for _ in range(TRIES)
    )


def _seconds(work: Callable[[int], object], size: int) -> float:
    """Without collecting garbage: that looks through all that the tests before have left."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        began = time.process_time()
        work(size)
        return time.process_time() - began
    finally:
        if enabled:
            gc.enable()
