"""Triggers as the database keeps them, and what arrives for them: rows and pure functions.

An arrival is an event that somebody sent, or a request to a webhook, as it was received.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

from tidelang import codec
from tidelang.bounds import MAX_INT
from tidelang.definition import Definition, Trigger

MAX_EVENT = 64 << 10
"""Bytes of an event's payload, as JSON."""

MAX_KEY = 200
"""Characters of a key; a longer one is known by its digest."""

DEEPEST_JSON = 64
"""Lists and objects within each other in a payload."""

LATEST = 10
"""For so many times its `debounce` events of one key can put a run off, and no longer."""


class TriggerRow(NamedTuple):
    """A trigger of a pipeline that was applied: the `place`-th of the definition with this
    `digest`, which stands in the same row so that the two always fit. `identity`
    is what makes it the same when its file is applied again. `heard_at` is when something
    came for it last, whether or not it started a run; `fired_at` and `fired_run` are of the
    last run. `trouble` is what went wrong since something last went well."""

    number: int
    pipeline: str
    identity: str
    kind: str
    source: str
    place: int
    digest: str
    heard_at: float | None = None
    fired_at: float | None = None
    fired_run: int | None = None
    trouble: str = ""
    trouble_at: float | None = None


class Armed(NamedTuple):
    """A trigger, and the file that its pipeline stands in."""

    row: TriggerRow
    file: str


class ArrivalRow(NamedTuple):
    """`kind` is `event` or `webhook`, `source` its subject or name. `origin` says how an event
    came, and of a webhook's request the name of the secret that it was signed with: webhooks
    of one name that have other secrets hear nothing of it. Of one source no two have the same
    `key`, as long as the first is remembered."""

    seq: int
    kind: str
    source: str
    key: str | None
    payload: Mapping[str, Any]
    origin: str
    received_at: float


class HeldRow(NamedTuple):
    """What a trigger remembers of a key: it started a run that is not to be started again
    before `until`, or waits until `due_at` for more of the same. Then `params` (JSON) and
    `cause` are those of the last one, and `first_at` is when the first one came."""

    trigger: int
    key: str
    until: float | None = None
    due_at: float | None = None
    first_at: float | None = None
    params: Mapping[str, Any] = {}
    cause: Mapping[str, Any] = {}


class PayloadError(ValueError):
    """Bytes are no payload; the text says why, in a few words."""


def identities(definition: Definition) -> list[str]:
    """Of each trigger of a pipeline: what it listens to, and what it makes of that. How long
    it waits or remembers may change, and so may the name of its secret."""
    seen: dict[str, int] = {}
    found = []
    for trigger in definition.triggers:
        known = _known_by(trigger)
        again = seen[known] = seen.get(known, -1) + 1
        found.append(hashlib.sha256(f"{known}/{again}".encode()).hexdigest())
    return found


def _known_by(trigger: Trigger) -> str:
    same = (trigger.kind, trigger.source, trigger.on, trigger.when, trigger.params, trigger.key)
    return json.dumps(same, sort_keys=True)


def trigger_of(content: bytes, place: int) -> tuple[Definition, Trigger]:
    """A pipeline's definition, and one of its triggers."""
    definition = codec.decode(content)
    return definition, definition.triggers[place]


def secret_of(trigger: Trigger) -> str:
    """The name of the secret that a webhook's requests are signed with; empty for others."""
    found = trigger.secret
    return str(found[1]) if found is not None and found[0] == "secret" else ""


def key_of(text: str) -> str:
    """A key as the database can hold it."""
    if len(text) <= MAX_KEY and text.isprintable():
        return text
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def parsed(data: bytes) -> Any:
    """A payload, read as strictly as every database and every reader needs it.

    Raises:
        PayloadError: it is no JSON, or JSON that not everybody can read.
    """
    try:
        value = json.loads(
            data.decode(), parse_constant=_no_number, parse_float=_finite, parse_int=_whole
        )
    except UnicodeDecodeError:
        raise PayloadError("it is not UTF-8") from None
    except PayloadError:
        raise
    except (ValueError, RecursionError):
        raise PayloadError("it is no JSON") from None
    _shallow(value)
    return value


def payload(data: bytes) -> Mapping[str, Any]:
    """The payload of an event: an object.

    Raises:
        PayloadError: it is something else, or too large.
    """
    if len(data) > MAX_EVENT:
        raise PayloadError(f"it has more than {MAX_EVENT} bytes")
    found = parsed(data)
    if not isinstance(found, dict):
        raise PayloadError("it is no JSON object")
    return found


def _no_number(text: str) -> NoReturn:
    raise PayloadError(f"{text} is no JSON")


def _whole(text: str) -> int:
    if len(text) > 20 or abs(int(text)) > MAX_INT:
        raise PayloadError("it has a whole number of more than 64 bits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise PayloadError("it has a number that is too large")
    return number


def _shallow(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST_JSON + 1):
        level = [
            inner
            for each in level
            if isinstance(each, list | dict)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise PayloadError(f"it is nested more than {DEEPEST_JSON} deep")
