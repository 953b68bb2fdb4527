"""Offers that wait for workers: a queue for each priority, of which one is asked first by
weights, as the workers of a fleet do."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from tidemill.broker.queues import WEIGHTS, Turns

Offer = TypeVar("Offer")


class Offers(Generic[Offer]):
    def __init__(self) -> None:
        self._queues: list[deque[Offer]] = [deque() for _ in WEIGHTS]
        self._turns = Turns(WEIGHTS)
        self._count = 0

    def __bool__(self) -> bool:
        return self._count > 0

    def put(self, rank: int, offer: Offer) -> None:
        self._queues[rank].append(offer)
        self._count += 1

    def take(self) -> Offer:
        """The next one for a slot that is free. There must be one."""
        first = self._queues[self._turns.next()]
        queue = first or next(queue for queue in self._queues if queue)
        self._count -= 1
        return queue.popleft()
