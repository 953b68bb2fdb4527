"""What scheduler and workers say to each other through a broker: frozen, JSON-able.

Nothing here knows which broker carries it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidelang.definition import Output as DeclaredOutput
from tidelang.values import Secret
from tidemill.model.rows import TaskRef

PRIORITIES = ("critical", "high", "normal", "low", "bulk")
"""By rank: a task's `priority` is an index into this."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a worker holds: one attempt."""

    ref: TaskRef
    fence: int


@dataclass(frozen=True, slots=True)
class FileInput:
    """A stored file (by SHA-256) and where it goes below the folder of inputs."""

    path: str
    digest: str


FACTS = frozenset(
    f"TIDE_{name}" for name in ("RUN", "PIPELINE", "STEP", "ATTEMPT", "FENCE", "IDEMPOTENCY_KEY")
)
"""The variables by which a step is told about itself."""


@dataclass(frozen=True, slots=True)
class CacheRule:
    """When an earlier result may be used. `inputs` are patterns of files, `key` the JSON
    of the step's own, `used` the digests of the outputs it uses, by `NAME of STEP`;
    `max_age` is in seconds. Where `read` is not set, results are only stored."""

    inputs: tuple[str, ...] = ()
    key: Any = None
    used: Mapping[str, str] = field(default_factory=dict)
    max_age: float | None = None
    read: bool = True


NO_RESULT = "there is no result of this key"
"""Why a cache has nothing, where nothing is wrong."""


@dataclass(frozen=True, slots=True)
class CacheReport:
    """What an attempt found in the cache: the run whose result it took (`hit`), or why
    there was none. `parts` are what the key is made of, as shortened digests by label."""

    key: str
    parts: Mapping[str, str]
    hit: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt of one task, to be carried out: complete, but for what only the worker
    knows. `outputs` are `tidelang.definition.Output`s with their globs worked out.

    `script` is `{"text", "interpreter", "in_file"}`, or None where `argv` is set.
    `timeout` is in seconds. Where text stands for a path below the folder of inputs, it
    starts with `tidemill.spi.INPUTS`.

    Secrets are here by name only. `secret_env` are variables beside those of `env`;
    `secret_settings` are the places in `settings`, paths of keys and indexes, whose text
    the worker puts there.
    """

    ref: TaskRef
    fence: int
    key: str
    step: str
    attempt: int
    pool: str
    priority: int
    idempotency_key: str
    script: Mapping[str, Any] | None
    argv: tuple[str, ...] | None
    env: Mapping[str, str]
    workdir: str
    executor: str
    settings: Mapping[str, Any]
    inputs: tuple[FileInput, ...] = ()
    globs: Mapping[str, str] = field(default_factory=dict)
    values: tuple[DeclaredOutput, ...] = ()
    timeout: float | None = None
    secret_env: Mapping[str, Secret] = field(default_factory=dict)
    secret_settings: tuple[tuple[tuple[str | int, ...], Secret], ...] = ()
    cache: CacheRule | None = None
    start_at: float | None = None
    """When it is due, by the schedulers' clock, where that is still to come: whoever claims it
    reserves a slot, gets ready, and begins then."""
    once: bool = False
    """Whether it must never be begun twice."""
    epoch: str = ""
    """Which claims count for it: a broker that has lost them all begins another epoch, in
    which nothing of an earlier one can be claimed."""
    target: str = ""
    """The worker that it is for; empty where any of the pool may take it."""
    resources: Mapping[str, float] = field(default_factory=dict)
    """What the step takes up there."""

    @property
    def claimed(self) -> Claimed:
        return Claimed(self.ref, self.fence)


@dataclass(frozen=True, slots=True)
class Started:
    """A worker has claimed an attempt. The claim itself is this message. One that is
    `reserved` begins when it is due, with another such message."""

    ref: TaskRef
    fence: int
    worker: str
    at: float
    reserved: bool = False


@dataclass(frozen=True, slots=True)
class Voided:
    """An offer that no worker had claimed was withdrawn, or (`reserved`) one that was not
    begun by the worker that had."""

    ref: TaskRef
    fence: int
    reserved: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt ended. `reason` is a `tidemill.spi.Reason`'s value; `outputs` are
    JSON by name, checked against their declared types."""

    ref: TaskRef
    fence: int
    worker: str
    started_at: float
    ended_at: float
    reason: str
    exit_code: int | None = None
    signal: int | None = None
    detail: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    cache: CacheReport | None = None
    claimed: bool = True
    """Whether the broker vouches for it that this worker has claimed the attempt."""
    begun: bool = True
    """Not set where a reserved attempt ended before it was begun."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A worker is there, has this many slots and resources in all, and holds these attempts, of
    which it has yet to begin those that are `reserved`. One that is `draining`, or
    `cordoned`, takes nothing new."""

    worker: str
    pool: str
    slots: int
    held: tuple[Claimed, ...]
    region: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    draining: bool = False
    resources: Mapping[str, float] = field(default_factory=dict)
    cordoned: bool = False
    reserved: tuple[Claimed, ...] = ()


@dataclass(frozen=True, slots=True)
class Nudge:
    """Something changed in the database behind the scheduler's back: look, at a run or
    (0) at nothing in particular."""

    run: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """Somebody sent an event, with a payload that has been read. No two with the same `key`
    are taken."""

    subject: str
    key: str | None
    payload: Mapping[str, Any]
    at: float


Report = Started | Voided | Result | Heartbeat | Nudge | Arrived
"""What comes to a scheduler."""


@dataclass(frozen=True, slots=True)
class StopAttempt:
    """To a worker: stop this attempt, killing it after `grace` seconds."""

    ref: TaskRef
    fence: int
    grace: float
    worker: str


@dataclass(frozen=True, slots=True)
class Cordon:
    """To a worker: take nothing new from now on, or (`lifted`) take work again. What it holds
    goes on."""

    worker: str
    lifted: bool


Control = StopAttempt | Cordon
"""What a worker is told."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a step wrote, masked and bounded: whole lines, each with its line end, or a
    piece of one that is very long. `at` is where it begins in the output of the attempt with
    this fence, and `size` how far it goes, in bytes as the step wrote them."""

    run: int
    ordinal: int
    key: str
    attempt: int
    text: str
    fence: int = 0
    at: int = 0
    size: int = 0
