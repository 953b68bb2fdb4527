"""Work for the fleet, as long as the chaos lasts: runs are triggered so that always some are
under way; some are cancelled, and some of those retried; events are sent."""

from __future__ import annotations

import random
import threading
import time

import psycopg
from chaos_client import Client
from chaos_news import News
from chaos_shapes import SHAPES

ENDED = "state IN ('succeeded', 'failed', 'cancelled')"

PEOPLE = "schedule IS NULL AND parent IS NULL AND cause->>'kind' IN ('manual', 'retry')"
"""Of runs: somebody asked for them."""

NEWS = 0.25
"""Events that are sent for each run."""


class Work(threading.Thread):
    """Keeps about `most` runs under way. What was acknowledged is remembered: `runs` are
    numbers and their pipelines. `cancelled` are those that were asked to be cancelled,
    acknowledged or not; `in_doubt` counts requests of which nobody knows whether they made
    a run."""

    def __init__(self, client: Client, database: str, dice: random.Random, most: int) -> None:
        super().__init__(name="work", daemon=True)
        self.runs: dict[int, str] = {}
        self.cancelled: set[int] = set()
        self.in_doubt = 0
        self.news = News(client, dice)
        self.error: BaseException | None = None
        self._client, self._database, self._dice, self._most = client, database, dice, most
        self._over = threading.Event()
        self._to_cancel: list[tuple[float, int]] = []

    def run(self) -> None:
        try:
            while not self._over.is_set():
                self._turn()
        except BaseException as error:  # noqa: BLE001  who looks at it raises it
            self.error = error

    def end(self) -> None:
        """No more work is asked for."""
        self._over.set()
        self.join()

    def _turn(self) -> None:
        while self._to_cancel and self._to_cancel[0][0] < time.monotonic():
            self._cancel(self._to_cancel.pop(0)[1])
        if self._under_way() >= self._most:
            self._over.wait(0.1)
            return
        if self._dice.random() < NEWS:
            self.news.send()
        names, weights = zip(*((name, s.weight) for name, s in SHAPES.items()), strict=True)
        number = self._make("trigger", self._dice.choices(names, weights)[0])
        if number is not None and self._dice.random() < 0.04:
            at = time.monotonic() + self._dice.uniform(0, 2)
            self._to_cancel = sorted([*self._to_cancel, (at, number)])

    def _under_way(self) -> int:
        """How many runs have not ended; where that cannot be asked, enough."""
        try:
            with psycopg.connect(self._database, connect_timeout=2) as connection:
                found = connection.execute(
                    f"SELECT count(*) FROM run WHERE schedule IS NULL AND NOT ({ENDED})"
                )
                return int(found.fetchall()[0][0])
        except psycopg.OperationalError:
            return self._most

    def _make(self, verb: str, of: str | int) -> int | None:
        number = self._client.ask(verb, of)
        if number is None:
            self.in_doubt += 1
        else:
            self.runs[number] = self.runs[of] if isinstance(of, int) else of
        return number

    def _cancel(self, number: int) -> None:
        self.cancelled.add(number)
        self._client.ask("cancel", number)
        if self._dice.random() < 0.5:
            self._retry(number)

    def _retry(self, number: int) -> None:
        """Once it has ended, if that is soon: else it is left alone."""
        for _ in range(20):
            if self._has_ended_badly(number):
                self._make("retry", number)
                return
            self._over.wait(0.1)

    def _has_ended_badly(self, number: int) -> bool:
        try:
            with psycopg.connect(self._database, connect_timeout=2) as connection:
                asked = f"SELECT state FROM run WHERE number = {number}"
                return connection.execute(asked.encode()).fetchall() == [("cancelled",)]
        except psycopg.OperationalError:
            return False
