"""Steps that write numbered lines while their worker is killed, and what must come of it."""

from __future__ import annotations

import random
import time

from fleet import Fleet

LINES = 250
LEASE = 20.0

PIPELINE = """
pipeline count {{
  step lines {{
    executor {executor}
    timeout = 60s
    run     = "i=0; while [ $i -lt 250 ]; do i=$((i+1)); echo line $i; sleep 0.04; done"
  }}
}}
"""


def counts_to_the_end(fleet: Fleet, seed: int) -> None:
    """The worker is killed twice, and is there again at once: every line is in the log, and
    once; the attempt was the only one, and ended once."""
    chance = random.Random(seed)  # noqa: S311 -- the moments are the test
    fleet.scheduler("s1")
    fleet.worker("w1")
    run = fleet.trigger("count")
    fleet.until(lambda: "line" in fleet.tidemill("logs", str(run)), 20)
    for _ in range(2):
        time.sleep(chance.uniform(0, 1.5))
        fleet.kill("w1")
        fleet.worker("w1")
    assert fleet.to_the_end(run) == "succeeded", fleet.logs()
    shown = fleet.tidemill("logs", str(run)).splitlines()
    assert shown == [f"line {number}" for number in range(1, LINES + 1)]
    assert fleet.query("SELECT fence, attempt, outcome, number FROM task JOIN attempt"
                       " USING (run, ordinal, fence)") == [(1, 1, "exited", 1)]  # fmt: skip
    assert fleet.query("SELECT count(*) FROM attempt") == [(1,)]
    ended = "SELECT count(*) FROM outbox WHERE kind = 'task' AND data->>'state' = 'succeeded'"
    assert fleet.query(ended) == [(1,)]
