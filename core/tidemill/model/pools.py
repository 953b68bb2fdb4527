"""What is configured of a pool: how many slots there are, and which are kept for short steps."""

from __future__ import annotations

from dataclasses import dataclass

SHORT, LONG, HELD = 0, 1, 2
"""The lanes of a task: what is expected to be over soon, what is not, and what may not be
offered, since its run has to wait for others to end. Those of steps that are placed have higher
numbers: see `tidemill.model.placement`."""


@dataclass(frozen=True, slots=True)
class Pool:
    """`slots` bounds how many steps are at work, over all workers and pipelines; None leaves
    that to the workers. Steps that are expected to take longer than `short` seconds leave
    free a share `reserved` (0 to 1, rounded down) of the slots that there are."""

    slots: int | None = None
    short: float = 60.0
    reserved: float = 0.1

    def lane(self, expected: float | None) -> int:
        """What has no history yet counts as short."""
        return LONG if expected is not None and expected > self.short else SHORT

    def for_long(self, slots: int) -> int:
        """How many of these slots steps may take that are long."""
        return max(slots - int(slots * self.reserved), min(slots, 1))
