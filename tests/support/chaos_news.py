"""Events for the fleet: each is sent once or more often, into the database or over NATS, and is
to start one run."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Collection, Iterator

from chaos_client import Client


class News:
    """`sent` says of each event by its key when it was first asked for, `stored` are those of
    which somebody acknowledged that they are in the database, `published` those of which NATS
    did that it has them."""

    def __init__(self, client: Client, dice: random.Random) -> None:
        self.sent: dict[str, float] = {}
        self.stored: set[str] = set()
        self.published: set[str] = set()
        self._client, self._dice = client, dice

    def send(self) -> None:
        """One event more, as senders do it who do not hear an answer, or do not trust it."""
        key = f"k{len(self.sent)}"
        self.sent[key] = time.time()
        for n in range(self._dice.choice((1, 1, 2, 3))):
            of = f"{key} {self._dice.choice((key, f'{key}.{n}'))}"
            verb = self._dice.choice(("emit", "publish"))
            if self._client.ask(verb, of) is not None:
                (self.stored if verb == "emit" else self.published).add(key)

    def wanted(self, lost: Collection[float]) -> set[str]:
        """Those that have started a run by now or will. `lost` are the times at which NATS lost
        all that it had: what was asked for before, and stands nowhere else, may be gone."""
        latest = max(lost, default=0.0)
        return self.stored | {key for key in self.published if self.sent[key] > latest}

    def problems(self, runs: Counter[str], lost: Collection[float]) -> Iterator[str]:
        """`runs` counts those that were started, by key."""
        for key in sorted(self.wanted(lost) - runs.keys()):
            yield f"event {key} was acknowledged, and started no run"
        for key, count in runs.items():
            if key not in self.sent:
                yield f"event {key} started a run, and was never sent"
            elif count != 1:
                yield f"event {key} started {count} runs"
