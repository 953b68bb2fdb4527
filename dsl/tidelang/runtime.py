"""How Python itself is set while a text is read."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tidelang.limits import CHAIN

_FRAMES = 10
"""Calls of functions for one operation of an expression, at most; half of it is more than
was ever seen."""

_CALLER = 2_000
"""Calls that whoever asks may be deep in by then."""


_lock = threading.Lock()
_readers = 0
_before = (True, 0)
"""What the first of those who read now has found: these settings are the process's, and
several threads may read at a time."""


@contextmanager
def reading() -> Iterator[None]:
    """Without the cyclic garbage collector: a tree has no cycles and all of it is in use,
    and looking through it again and again takes a third of the time, and more the larger
    it is. And with room for the deepest tree that the limits allow, walked by recursion."""
    _begin()
    try:
        yield
    finally:
        _end()


def _begin() -> None:
    global _readers, _before
    with _lock:
        if not _readers:
            _before = gc.isenabled(), sys.getrecursionlimit()
            gc.disable()
            sys.setrecursionlimit(max(_before[1], CHAIN * _FRAMES + _CALLER))
        _readers += 1


def _end() -> None:
    global _readers
    with _lock:
        _readers -= 1
        if not _readers:
            collects, depth = _before
            sys.setrecursionlimit(depth)
            if collects:
                gc.enable()
