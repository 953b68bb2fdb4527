"""What the simulated fleet has to do: pipelines that use every means of the language that
the engine must carry through bad luck. Names of steps are unique, so that promises can be
kept by name."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tidelang import codec
from tidelang.definition import (
    Approval,
    Argv,
    Deadline,
    Definition,
    Loop,
    Notification,
    Output,
    Retry,
    Schedule,
    Step,
    Subrun,
    Trigger,
    Type,
)

PATIENT = Retry(attempts=50, backoff=500, factor=1.5, max=10_000)
"""So many attempts that no amount of bad luck uses them up."""

TOLD = Notification("post", ("started", "succeeded", "failed", "cancelled"))

_COUNT = Output("fence", Type("int"))


def _step(name: str, *needs: str, **fields: Any) -> Step:
    fields.setdefault("retry", PATIENT)
    action = fields.pop("action", Argv((("lit", name),)))
    return Step(name, action, needs=needs, **fields)


def _items(count: int) -> Loop:
    return Loop(("x",), ("list", tuple(("lit", n) for n in range(count))))


def _pipeline(name: str, **fields: Any) -> Definition:
    return Definition(name, notifications=(TOLD,), **fields)


WIDE = _pipeline(
    "wide",
    steps=(
        _step("first"),
        _step("each", "first", loop=_items(7), max_parallel=2, priority="high"),
        _step("once", "first", idempotent=False, retry=Retry()),
        _step("last", "each", allow_failure=True),
    ),
)
"""A fan-out with a limit, and a step that may be started once."""

CHAIN = _pipeline(
    "chain",
    steps=(_step("a"), _step("b", "a"), _step("c", "b", priority="bulk")),
    concurrency=2,
)

LATE = _pipeline(
    "late",
    steps=(
        _step("list", outputs=(Output("items", Type("list", of=Type("string"))), _COUNT)),
        _step(
            "late",
            "list",
            loop=Loop(("x",), ("get", ("ref", "step", "list"), "items")),
            max_parallel=2,
            outputs=(_COUNT,),
        ),
        _step("join", "late", priority="critical"),
    ),
)
"""A fan-out whose list is put out by a step."""

ASK = _pipeline(
    "ask",
    steps=(
        _step("build"),
        _step("approve", "build", action=Approval(("lit", "ship it?"), timeout=60_000)),
        _step("ship", "approve", idempotent=False, retry=Retry(attempts=3)),
    ),
)
"""People are asked before a step that may be started once."""

NEST = _pipeline(
    "nest",
    steps=(
        _step("before"),
        _step(
            "nested",
            "before",
            action=Subrun("chain", codec.digest(CHAIN)),
            loop=_items(2),
            max_parallel=1,
            retry=Retry(attempts=3, backoff=500),
        ),
        _step(
            "hurried",
            "before",
            action=Subrun("chain", codec.digest(CHAIN)),
            timeout=20_000,
            allow_failure=True,
        ),
        _step("after", "nested", "hurried"),
    ),
)
"""Steps that are runs of their own, one of them with a time limit."""

NARROW = _pipeline(
    "narrow", max_parallel=2, steps=tuple(_step(f"narrow{n}", priority="low") for n in range(5))
)
"""A limit for the whole run."""

TIMED = _pipeline(
    "timed",
    steps=(
        _step(
            "timed",
            timeout=5_000,
            retry=Retry(attempts=50, backoff=500, on=("failed", "lost")),
            allow_failure=True,
        ),
        _step("impatient", timeout=20_000),
        _step("rest", "timed", "impatient"),
    ),
)
"""Time-outs, once and again."""

HURRY = _pipeline(
    "hurry",
    deadline=Deadline(25_000, "cancel"),
    steps=(
        _step("dash", deadline=Deadline(8_000, "escalate")),
        _step("brief", deadline=Deadline(4_000, "cancel"), allow_failure=True),
        _step("called", action=Subrun("chain", codec.digest(CHAIN)), deadline=Deadline(9_000)),
        _step("goal", "dash", "brief", "called"),
    ),
)
"""Deadlines, of the run and of its steps, with all that may follow."""

TICK = _pipeline(
    "tick",
    steps=(_step("tick", idempotent=False),),
    schedules=(Schedule(every=20_000, overlap="allow", catchup="all"),),
)
"""Must fire for each due time."""

AHEAD = _pipeline(
    "ahead",
    steps=(
        _step("foreseen"),
        _step("foreseen_once", idempotent=False),
        _step("behind", "foreseen"),
    ),
    schedules=(Schedule(every=20_000, overlap="allow", catchup="all", prewarm=14_000),),
)
"""Slots are reserved for its first steps, which may not begin before it is due."""

TURNS = _pipeline(
    "turns",
    steps=(_step("turn"), _step("over", "turn")),
    schedules=(Schedule(every=15_000, overlap="queue", catchup="all"),),
)
SKIPS = _pipeline(
    "skips", steps=(_step("skip"),), schedules=(Schedule(every=10_000, overlap="skip"),)
)
NEWEST = _pipeline(
    "newest",
    steps=(_step("newest"), _step("newer", "newest")),
    schedules=(Schedule(every=15_000, overlap="replace"),),
)

NEWS = "news"
"""The subject of events."""

HEARS = _pipeline(
    "hears",
    steps=(_step("heard"),),
    triggers=(
        Trigger("pipeline", "tick", on=("succeeded", "failed", "cancelled")),
        Trigger("event", NEWS),
    ),
)
"""Must start once for each end, and for each event."""

PICKY = _pipeline(
    "picky",
    steps=(
        _step("heavy", loop=_items(5), resources=(("cpu", 1.5),)),
        _step("light", loop=_items(3), resources=(("cpu", 0.5),), regions=("us", "eu")),
        _step("render", "light", loop=_items(2), resources=(("gpu", 1),), priority="high"),
        _step("alone", "heavy", resources=(("cpu", 3.0),), idempotent=False, retry=Retry()),
        _step("labelled", "alone", labels=(("os", "b"),), regions=("ap", "eu")),
    ),
)
"""Steps that want something of their worker."""

STARTED = (PICKY, WIDE, CHAIN, LATE, ASK, NEST, NARROW, TIMED, HURRY)
"""Those that people start."""

SCHEDULED = (AHEAD, TURNS, SKIPS, NEWEST)
"""Those of which one stands beside `TICK`."""

BY_NAME = {definition.name: definition for definition in (*STARTED, TICK, HEARS, *SCHEDULED)}
STEPS = {step.name: step for definition in BY_NAME.values() for step in definition.steps}
RESOURCES = {name: dict(step.resources) for name, step in STEPS.items()}
ONCE = frozenset(name for name, step in STEPS.items() if not step.idempotent)
LIMITS = {name: step.max_parallel for name, step in STEPS.items() if step.max_parallel is not None}
CONCURRENCY = {d.name: d.concurrency for d in BY_NAME.values() if d.concurrency is not None}
RUN_LIMITS = {d.name: d.max_parallel for d in BY_NAME.values() if d.max_parallel is not None}
SHORT = frozenset(
    {"foreseen", "foreseen_once", "behind", "turn", "over", "skip", "newest", "newer"}
)
"""Steps that are done soon, so that what waits for them does not wait for ever."""


def versions_of(definition: Definition) -> tuple[Definition, ...]:
    """A scheduled pipeline as it is applied at first, and others that it is changed to: with other
    scripts, behaving otherwise when they are late, and due at other times."""
    (schedule,) = definition.schedules
    every, ahead = schedule.every or 0, schedule.prewarm // 2
    others = (schedule, replace(schedule, prewarm=ahead), replace(schedule, every=every + 4_000))
    return (
        definition,
        *(
            replace(
                definition,
                steps=tuple(_in_version(step, number) for step in definition.steps),
                schedules=(other,),
            )
            for number, other in enumerate(others, 1)
        ),
    )


def _in_version(step: Step, number: int) -> Step:
    return replace(step, action=Argv((("lit", step.name), ("lit", f"v{number}"))))


VERSIONS = {codec.digest(one): one for each in SCHEDULED for one in versions_of(each)}


def argv_of(digest: str, name: str) -> tuple[str, ...] | None:
    """What a step runs in this version of a scheduled pipeline; None if it is of another one."""
    steps = VERSIONS[digest].steps if digest in VERSIONS else ()
    for step in steps:
        if step.name == name and isinstance(step.action, Argv):
            return tuple(str(word) for _, word in step.action.items)
    return None


def name_of(key: str) -> str:
    """The step's name, of the key of a task."""
    return key.partition("[")[0]


def values_of(step: str, fence: int, count: int) -> dict[str, Any]:
    """What an attempt puts out: the number of its fence, so that nobody mistakes one for
    another, and a list of its own."""
    given = {output.name for output in STEPS[step].outputs}
    found = {"fence": fence, "items": [f"{fence}-{n}" for n in range(count)]}
    return {name: value for name, value in found.items() if name in given}


def encoded(values: dict[str, Any]) -> bytes:
    return json.dumps(values).encode() if values else b""
