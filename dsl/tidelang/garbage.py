"""Python's cyclic garbage collector, kept away from trees."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Without the collector: a tree has no cycles and all of it is in use, and looking
    through it again and again takes a third of the time, and more the larger it is."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
