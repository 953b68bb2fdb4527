"""The pipelines of the chaos test, and what must be true of their runs, whatever happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos_timed import AGAIN, TIMED, command, timed
from ledger import Ledger


@dataclass(frozen=True)
class Shape:
    """A pipeline. `weight` is how often it is triggered, `limits` how many tasks of a step
    may be at work, `limit` of a run; `once` are steps that may be started once, `order`
    steps of which the second needs the first."""

    weight: int = 0
    limits: Mapping[str, int] = field(default_factory=dict)
    limit: int | None = None
    once: frozenset[str] = frozenset()
    order: tuple[tuple[str, str], ...] = ()


SHAPES = {
    "levels": Shape(6, order=(("find", "each"), ("find", "other"), ("each", "end"))),
    "wide": Shape(4, limits={"each": 3}, order=(("each", "end"),)),
    "narrow": Shape(3, limit=2),
    "slow": Shape(3, order=(("a", "b"),)),
    "once": Shape(3, once=frozenset({"a", "b"}), order=(("a", "end"), ("b", "end"))),
    "flaky": Shape(2, order=(("a", "b"),)),
    "parent": Shape(2),
    "child": Shape(order=(("a", "b"),)),
    "placed": Shape(2),
    "few": Shape(3),
    "single": Shape(1, order=(("a", "b"),)),
    "pair": Shape(2),
    "head": Shape(2),
    **{name: Shape() for name in ("tail", "last", "news", *TIMED)},
}


def source(ledger: Ledger) -> str:
    """The file of the pipelines."""

    def run(milliseconds: int, *words: str) -> str:
        return command(ledger, milliseconds, *words)

    again = AGAIN
    numbers = ",".join(str(n) for n in range(20))
    return f"""
pipeline levels {{
  {again}
  step find {{
    {run(30, f"says=found=[{numbers}]")}
    output found: list(int)
  }}
  step each for x in find.found {{ {run(40)} }}
  step other for x in range(6) {{ needs = [find]
    {run(80)} }}
  step end {{ needs = [each, other]
    {run(10)} }}
}}
pipeline wide {{
  {again}
  step each for x in range(36) {{ max_parallel = 3
    {run(30)} }}
  step end {{ needs = [each]
    {run(10)} }}
}}
pipeline narrow {{
  max_parallel = 2
  {again}
  step a for x in range(10) {{ {run(40)} }}
  step b for x in range(4) {{ {run(300)} }}
}}
pipeline slow {{
  {again}
  step a for x in range(3) {{ {run(3000)} }}
  step b for x in range(2) {{ needs = [a]
    {run(1500, "stubborn")} }}
}}
pipeline once {{
  step a for x in range(4) {{ idempotent = false, allow_failure = true
    {run(1200)} }}
  step b for x in range(8) {{ idempotent = false, allow_failure = true
    {run(40)} }}
  step end {{
    when = done(a) and done(b)
    retry {{ attempts = 100, backoff = 100ms, factor = 1, max = 1s }}
    {run(10)} }}
}}
pipeline flaky {{
  {again}
  step a for x in range(8) {{ {run(30, "fails=1")} }}
  step b {{ needs = [a]
    {run(30, "fails=2")} }}
}}
pipeline child {{
  {again}
  step a for x in range(4) {{ {run(40)} }}
  step b {{ needs = [a]
    {run(300)} }}
}}
pipeline parent {{
  {again}
  step below for x in range(3) = pipeline child()
  step end {{ needs = [below]
    {run(10)} }}
}}
{timed(ledger)}"""


def filler(ledger: Ledger, slots: int, pool: str) -> str:
    """A pipeline that takes so many slots of a pool at once, if they are there."""
    return f"""
pipeline filler_{pool} {{
  step a for x in range({slots}) {{
    pool = "{pool}"
    retry {{ attempts = 10, backoff = 100ms }}
    {command(ledger, 4000)} }}
}}
"""
