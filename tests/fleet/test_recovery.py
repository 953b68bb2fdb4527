"""A worker of a fleet that is killed takes its local steps back."""

from __future__ import annotations

import pytest
import recovery

from fleet import NewFleet


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_worker_takes_its_step_back(new_fleet: NewFleet, seed: int) -> None:
    source = recovery.PIPELINE.format(executor="local {}")
    recovery.counts_to_the_end(new_fleet(source, lease=recovery.LEASE), seed)
