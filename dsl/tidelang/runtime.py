"""How Python itself is set while a text is read."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tidelang.limits import CHAIN

_FRAMES = 10
"""Calls of functions for one operation of an expression, at most; half of it is more than
was ever seen."""

_CALLER = 2_000
"""Calls that whoever asks may be deep in by then."""


@contextmanager
def reading() -> Iterator[None]:
    """Without the cyclic garbage collector: a tree has no cycles and all of it is in use,
    and looking through it again and again takes a third of the time, and more the larger
    it is. And with room for the deepest tree that the limits allow, walked by recursion."""
    collects, depth = gc.isenabled(), sys.getrecursionlimit()
    gc.disable()
    sys.setrecursionlimit(max(depth, CHAIN * _FRAMES + _CALLER))
    try:
        yield
    finally:
        sys.setrecursionlimit(depth)
        if collects:
            gc.enable()
