"""The part of the chaos test's pipelines that is about order and time: schedules, triggers,
placement, a pool with few slots, and runs that may not be at work together."""

from __future__ import annotations

from dataclasses import dataclass

from ledger import Ledger

AGAIN = "defaults { retry { attempts = 100, backoff = 100ms, factor = 1, max = 1s } }"

SUBJECT = "chaos.news"
"""Of the events."""

FEW = "few"
"""The pool whose slots are fewer than its workers have."""

FEW_SLOTS = 2

CONFIGURATION = f"""
[pools.{FEW}]
slots = {FEW_SLOTS}
"""

PLACED_WORKER = "w2"
"""The only one that may take `only`: nobody else has the label and the GPU."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A pipeline with a schedule: due `every` so many seconds, with runs made ahead by `prewarm`
    seconds, and what its `overlap` is. All times that were missed are made up for, but where
    one is skipped while the run before it goes on: these are counted."""

    every: int
    overlap: str
    milliseconds: int
    prewarm: int = 0

    def source(self, name: str, ledger: Ledger) -> str:
        ahead = f", prewarm = {self.prewarm}s" if self.prewarm else ""
        catchup = "latest" if self.overlap == "skip" else "all"
        return f"""
pipeline {name} {{
  schedule {self.every}s {{ catchup = {catchup}, overlap = {self.overlap}{ahead} }}
  {AGAIN}
  step go {{ {command(ledger, self.milliseconds)} }}
  step done {{ needs = [go]
    {command(ledger, 20)} }}
}}
"""


TIMED = {
    "tick": Timed(2, "allow", 20),
    "ahead": Timed(4, "allow", 20, prewarm=3),
    "turns": Timed(3, "queue", 150),
    "skips": Timed(2, "skip", 900),
    "eager": Timed(5, "skip", 300, prewarm=3),
}

HEARS = {"tail": "head", "last": "tail"}
"""Each of the first is started by each end of the second."""

ALONE = {"single": 1, "pair": 2, "turns": 1, "skips": 1, "eager": 1}
"""So many runs of a pipeline may be at work at a time."""


def command(ledger: Ledger, milliseconds: int, *words: str) -> str:
    return "run = [" + ", ".join(f'r"{w}"' for w in ledger.step(milliseconds, *words)) + "]"


def timed(ledger: Ledger) -> str:
    def run(milliseconds: int) -> str:
        return command(ledger, milliseconds)

    scheduled = "".join(each.source(name, ledger) for name, each in TIMED.items())
    hears = "".join(_hears(ledger, name, source) for name, source in HEARS.items())
    return f"""{scheduled}{hears}
pipeline head {{
  {AGAIN}
  step go {{ {run(100)} }}
}}
pipeline news {{
  param k: string
  trigger event "{SUBJECT}" {{ params = {{ k = event.k }}, key = event.k }}
  {AGAIN}
  step go {{ {run(20)} }}
}}
pipeline placed {{
  {AGAIN}
  step only for x in range(3) {{
    labels {{ site = "far" }}
    resources {{ gpu = 1 }}
    {run(150)} }}
  step heavy for x in range(4) {{
    resources {{ cpu = 2 }}
    {run(100)} }}
}}
pipeline few {{
  {AGAIN}
  step a for x in range(6) {{
    pool = "{FEW}"
    {run(120)} }}
}}
pipeline single {{
  concurrency = 1
  {AGAIN}
  step a for x in range(2) {{ {run(150)} }}
  step b {{ needs = [a]
    {run(20)} }}
}}
pipeline pair {{
  concurrency = 2
  {AGAIN}
  step a for x in range(3) {{ {run(100)} }}
}}
"""


def _hears(ledger: Ledger, name: str, source: str) -> str:
    return f"""
pipeline {name} {{
  param of: int
  trigger pipeline {source} {{
    on = [succeeded, failed, cancelled]
    params = {{ of = event.run }}
  }}
  {AGAIN}
  step go {{ {command(ledger, 50)} }}
}}
"""
