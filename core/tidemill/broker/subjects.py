"""The names of everything in NATS: subjects, streams, consumers.

    tide.work.<pool>.<priority>                 orders, to whoever is free in the pool
    tide.work-for.<worker>                      orders that are for this worker alone
    tide.claim.<epoch>.<pool>.<run>.<task>.<fence>
                                                the first message on it is the claim; with a
                                                `b` behind the fence, that what was reserved
                                                is begun
    tide.result.<pool>.<worker>                 how attempts ended
    tide.heartbeat.<pool>.<worker>              a request; a scheduler's answer is contact
    tide.control.<worker>                       stop this attempt; take nothing new
    tide.nudge                                  look: something changed in the database
    tide.event-in.<subject>                     an event, from whoever may send some
    tide.log.<pool>.<run>.<task>.<attempt>.<worker>

A worker's permissions name its pool and itself: `docs/how-to/secure-the-fleet.md`.
"""

from __future__ import annotations

import re

from tidemill.model.messages import PRIORITIES
from tidemill.model.rows import TaskRef

WORK, CLAIMS, RESULTS, LOGS = "TIDE_WORK", "TIDE_CLAIMS", "TIDE_RESULTS", "TIDE_LOGS"
EVENTS = "TIDE_EVENTS_IN"

SCHEDULERS = "schedulers"
"""The durable consumer that all schedulers share, on claims, on results and on events."""

HEARTBEATS = "tide.heartbeat.*.*"
NUDGE = "tide.nudge"


def token(name: str) -> str:
    """A name as one token of a subject: what NATS gives a meaning to is written as =XX."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda found: _hex(found[0]), name) or "="


def untoken(text: str) -> str:
    """The name that `token` made this of."""
    raw = re.sub(rb"=([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), text.encode())
    return "" if text == "=" else raw.decode("utf-8", "surrogatepass")


def _hex(character: str) -> str:
    return "".join(f"={byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def work(pool: str, priority: int) -> str:
    return f"tide.work.{token(pool)}.{PRIORITIES[priority]}"


def work_consumer(pool: str, priority: int) -> str:
    return f"{token(pool).replace('=', '~')}-{PRIORITIES[priority]}"


def own_work(worker: str) -> str:
    return f"tide.work-for.{token(worker)}"


EVERYBODYS_OWN_WORK = "tide.work-for.*"


def owner(subject: str) -> str:
    """The worker whose own work has this subject."""
    return untoken(subject.split(".")[2])


def own_consumer(worker: str) -> str:
    """No pool's consumer is called so: a ~ stands before two digits there, or alone."""
    return f"for~~{token(worker).replace('=', '~')}"


def next_message(stream: str, consumer: str) -> str:
    """Where one asks a consumer for messages."""
    return f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"


def claim(epoch: str, pool: str, ref: TaskRef, fence: int) -> str:
    return f"tide.claim.{epoch}.{token(pool)}.{ref.run}.{ref.ordinal}.{fence}"


def begin(epoch: str, pool: str, ref: TaskRef, fence: int) -> str:
    """Of what was reserved: of the form of a claim, so that it goes where claims go."""
    return f"{claim(epoch, pool, ref, fence)}b"


def claims_of(epoch: str) -> str:
    """All claims of an epoch: it ends when the stream that keeps them is lost."""
    return f"tide.claim.{epoch}.*.*.*.*"


def epoch_of(claims: str) -> str:
    return claims.split(".")[2]


def result(pool: str, worker: str) -> str:
    return f"tide.result.{token(pool)}.{token(worker)}"


def heartbeat(pool: str, worker: str) -> str:
    return f"tide.heartbeat.{token(pool)}.{token(worker)}"


def control(worker: str) -> str:
    return f"tide.control.{token(worker)}"


def log(pool: str, ref: TaskRef, attempt: int, worker: str) -> str:
    return f"tide.log.{token(pool)}.{ref.run}.{ref.ordinal}.{attempt}.{token(worker)}"


def logs_of(run: int) -> str:
    return f"tide.log.*.{run}.*.*.*"


def event(subject: str) -> str:
    """Where an event is sent to; its subject has dots of its own."""
    return f"tide.event-in.{subject}"


def event_of(subject: str) -> str:
    return subject.removeprefix("tide.event-in.")


def sender(subject: str) -> tuple[str, str]:
    """Pool and worker of a result or heartbeat: who the server let speak there."""
    pool, worker = subject.split(".")[2:4]
    return untoken(pool), untoken(worker)
