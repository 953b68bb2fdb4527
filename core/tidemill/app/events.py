"""Events: sending one, and what arrives at webhooks. Stored before anybody is told that it was
received."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from tidemill.app.applying import nudge
from tidemill.app.fleet import writing_store
from tidemill.app.triggering import store_arrival
from tidemill.clock import SystemClock
from tidemill.errors import UsageError
from tidemill.model.triggers import ArrivalRow, PayloadError, TriggerRow, key_of, payload
from tidemill.ports import Transaction
from tidemill.project import Project

_SUBJECT = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_MAX_SUBJECT = 200


@dataclass(frozen=True, slots=True)
class Emitted:
    """`new` is False where an event with that key came before; `heard_by` are the pipelines
    with a trigger of that subject."""

    subject: str
    new: bool
    heard_by: tuple[str, ...]


def emit(project: Project, subject: str, data: str | None, key: str | None) -> Emitted:
    """Sends an event: `data` is a JSON object, or `@` and the name of a file with one.

    Raises:
        UsageError: it makes no sense.
        TidemillError: the database cannot be used.
    """
    if len(subject) > _MAX_SUBJECT or not _SUBJECT.fullmatch(subject):
        raise UsageError(
            f"{subject[:_MAX_SUBJECT]!r} is no subject",
            "words of letters, digits, _ and -, with dots between, as in git.push",
        )
    row = ArrivalRow(
        seq=0,
        kind="event",
        source=subject,
        key=None if key is None else key_of(key),
        payload=_payload(data),
        origin="emit",
        received_at=SystemClock().now(),
    )

    def work(tx: Transaction) -> Emitted:
        heard = {each.pipeline for each in tx.triggers_of(kind="event", source=subject)}
        return Emitted(subject, store_arrival(tx, row), tuple(sorted(heard)))

    sent = writing_store(project).transact_now(work)
    if sent.new:
        nudge(project, 0)
    return sent


def triggers(project: Project, pipeline: str | None) -> list[TriggerRow]:
    """What else starts runs than people and the clock: of a pipeline, or all.

    Raises:
        UsageError: there is no such pipeline.
    """
    from tidemill.app.applying import no_pipeline

    def work(tx: Transaction) -> list[TriggerRow]:
        if pipeline is not None and tx.pipeline(pipeline) is None:
            raise no_pipeline(pipeline, [row.name for row in tx.pipelines()])
        return tx.triggers_of(pipeline)

    return writing_store(project).transact_now(work)


def _payload(data: str | None) -> dict[str, object]:
    try:
        if data is None:
            return {}
        if data.startswith("@"):
            return dict(payload(Path(data[1:]).read_bytes()))
        return dict(payload(data.encode("utf-8", "surrogateescape")))
    except OSError as error:
        raise UsageError(f"--data {data}: {error.strerror}") from None
    except PayloadError as error:
        hint = f"a JSON object, as in {json.dumps({'branch': 'main'})}"
        raise UsageError(f"--data cannot be sent: {error}", hint) from None
