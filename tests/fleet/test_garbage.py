"""Long-lived processes do not stand still to look through all that they keep."""

from __future__ import annotations

import gc
import weakref

from tidemill.app.garbage import SECONDS, collected_seldom
from tidemill.testing.clock import VirtualClock


class Ring:
    """Holds itself."""

    def __init__(self) -> None:
        self.itself = self


def old_garbage() -> weakref.ref[Ring]:
    ring = Ring()
    for generation in (0, 1):
        gc.collect(generation)  # it was in use for long
    return weakref.ref(ring)


def grow_much() -> None:
    """Keeps so much that Python by itself would look through everything."""
    kept = [[[]] for _ in range(1_000_000)]
    assert len(kept) == 1_000_000


async def test_what_is_old_is_looked_through_once_a_minute_and_not_before() -> None:
    clock, before = VirtualClock(), gc.get_threshold()
    async with collected_seldom(clock):
        ring = old_garbage()
        grow_much()
        await clock.advance(SECONDS - 1)
        assert ring() is not None
        await clock.advance(2)
        assert ring() is None
    assert gc.get_threshold() == before
