"""What a worker writes down of the steps that it has at work, for itself after a restart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tidemill.model.messages import CacheReport, Order, Result
from tidemill.model.rows import TaskRef


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt at work: no secret is in it. `token` is the executor's; `told` are the bytes
    of output that were told before the step began; `seal` tells whether secrets that are
    looked up again are the same ones; `result` is set when it has ended, and has not been
    reported for certain. Moments are by the clock."""

    order: Order
    token: str
    started_at: float
    begun_at: float
    told: int = 0
    seal: str = ""
    cache: CacheReport | None = None
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that is damaged, or of another version: only its name was understood."""

    ref: TaskRef
    fence: int
    executor: str
    token: str
    why: str


class Records(Protocol):
    """Kept where the next process of this worker finds them. A write may fail (the disk is
    full): that is logged, and costs the chance of taking this step back."""

    def keep(self, begun: Begun) -> None:
        """In the place of an earlier one of this attempt. Never raises."""

    def drop(self, begun: Begun | Unreadable) -> None:
        """Never raises."""

    def found(self) -> Sequence[Begun | Unreadable]:
        """Those of an earlier process of this worker."""
