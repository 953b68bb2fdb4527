"""A clock that is heard of over a network is never thought to be further ahead than it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidemill.model.clock_ahead import LATEST, ClockAhead

SECONDS = st.floats(0, 10)


@given(st.floats(-3600, 3600), st.lists(SECONDS, min_size=1, max_size=30))
def test_the_quickest_of_the_latest_answers_counts(ahead: float, ways: list[float]) -> None:
    clock = ClockAhead()
    assert clock.seconds is None
    for number, way in enumerate(ways):
        sent = 1_000.0 * number
        clock.heard(sent + ahead, sent + way)
    assert clock.seconds is not None
    assert clock.seconds <= ahead + 1e-6
    assert abs(clock.seconds - (ahead - min(ways[-LATEST:]))) < 1e-6
