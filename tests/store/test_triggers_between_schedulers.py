"""A key starts one run where two schedulers take events of it at the same time."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from postgres import Postgres

from tidelang import codec
from tidelang.compiler import NoPlugins, compile_source
from tidelang.source import Source
from tidemill.app.triggering import apply_triggers, store_arrival
from tidemill.engine.plans import Plans
from tidemill.engine.triggering import Triggering
from tidemill.model.rows import PipelineRow
from tidemill.model.triggers import ArrivalRow
from tidemill.ports import Transaction
from tidemill.store.database import open_postgres
from tidemill.store.sql import SqlStore

NOW = 10.0
SOURCE = 'pipeline p {\ntrigger event "e" { key = event.id }\nstep a { run = "true" }\n}'


@pytest.fixture
def two(postgres: Postgres) -> Iterator[tuple[SqlStore, SqlStore]]:
    url = postgres.database()
    made = SqlStore(open_postgres(url)), SqlStore(open_postgres(url))
    yield made
    for store in made:
        store._engine.dispose()  # noqa: SLF001


def apply(tx: Transaction) -> None:
    (definition,) = compile_source(Source("t.tide", SOURCE), NoPlugins()).definitions
    digest = codec.digest(definition)
    tx.add_definition(digest, "p", codec.encode(definition), 1.0)
    tx.save_pipeline(PipelineRow("p", digest, "t.tide", 1.0, "anna"))
    apply_triggers(tx, definition, digest)


def send(tx: Transaction) -> None:
    store_arrival(tx, ArrivalRow(0, "event", "e", None, {"id": 7}, "emit", NOW))


def take(tx: Transaction) -> list[int]:
    made: list[int] = []
    Triggering(tx, Plans(), NOW, lambda each: made.append(each.run.number)).take()
    return made


def test_who_comes_second_sees_what_the_first_remembers(two: tuple[SqlStore, SqlStore]) -> None:
    one, other = two
    one.transact_now(apply)
    one.transact_now(send)
    second: list[list[int]] = []
    beside = threading.Thread(target=lambda: second.append(other.transact_now(take)))

    def first(tx: Transaction) -> list[int]:
        made = take(tx)
        other.transact_now(send)
        beside.start()
        beside.join(1.0)  # it waits: the event is its own, the trigger is not
        assert not second
        return made

    made = one.transact_now(first)
    beside.join(60)
    assert (made, second) == ([1], [[]])
