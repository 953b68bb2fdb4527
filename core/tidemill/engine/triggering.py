"""Runs that something else starts than people and the clock: the ends of other pipelines'
runs, events, and requests to webhooks.

The runs that an end starts are made in the transaction that ends the run, and those that an
arrival starts in the one that takes it. So each is made exactly once, whoever dies when.
Rows of triggers are locked while something is done about them: of two schedulers one waits,
and then sees what the other one has remembered of a key.

What goes wrong with one trigger (a condition that has no value, params that do not fit) is
told, and stops none of the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tidelang import codec, values
from tidelang.arithmetic import kind
from tidelang.definition import Definition, Trigger
from tidelang.evaluate import EvaluationError, Scope, evaluate
from tidemill.engine.create import Made, NewRun, create_runs
from tidemill.engine.plans import Plans
from tidemill.engine.standing import Standing
from tidemill.errors import TidemillError
from tidemill.model import causes
from tidemill.model.causes import DEEPEST, Cause
from tidemill.model.plan import make_plan
from tidemill.model.rows import RunRow
from tidemill.model.triggers import (
    LATEST,
    Armed,
    ArrivalRow,
    HeldRow,
    TriggerRow,
    key_of,
    secret_of,
    trigger_of,
)
from tidemill.ports import Transaction

log = logging.getLogger(__name__)

AT_ONCE = 100
"""Arrivals, and keys that have waited, that are looked at in one transaction."""

REMEMBERED = 86_400.0
"""Seconds for which an arrival is remembered by its key: far longer than any sender goes on
trying to deliver it, and than a signature is good for."""

MAX_TROUBLE = 1000
"""Characters that are kept of what went wrong."""

SWEPT = 500
"""Of what need not be remembered, how much is forgotten in one transaction."""


class _NoRunError(Exception):
    """Why a trigger cannot start a run: a sentence."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A trigger with what it stands in."""

    row: TriggerRow
    file: str
    content: bytes
    definition: Definition
    trigger: Trigger


class _Wish(NamedTuple):
    """A run that a trigger asks for. `at` is when that happened which it is about."""

    of: _Loaded
    params: Mapping[str, Any]
    cause: Cause
    at: float
    key: str | None = None


@dataclass(slots=True)
class Triggering:
    """What triggers do in one transaction. Whoever `made` tells of each run hears of it
    once it is stored."""

    tx: Transaction
    plans: Plans
    now: float
    made: Callable[[Made], None]
    standing: Standing | None = None
    _definitions: dict[str, bytes] = field(default_factory=dict)
    _rows: dict[int, TriggerRow] = field(default_factory=dict)
    _changed: set[int] = field(default_factory=set)
    _followed: set[int] = field(default_factory=set)
    _ended: list[RunRow] = field(default_factory=list)

    # ends of runs

    def follow(self, runs: Iterable[RunRow]) -> bool:
        """Starts what the ends of these runs start, of those that have ended and were not
        followed yet; and what that starts, should it end at once. Whether it started any."""
        some = False
        self._ended += runs
        while ended := self._to_follow():
            armed = self.tx.armed({("pipeline", run.pipeline) for run in ended})
            for each in self._loaded(armed):
                for run in ended:
                    if run.pipeline == each.row.source and run.state.value in each.trigger.on:
                        some |= self._follow(each, run)
        self._note()
        return some

    def _to_follow(self) -> list[RunRow]:
        found = [
            run
            for run in self._ended
            if run.state.ended
            and run.pooled
            and run.root is None
            and run.number not in self._followed
        ]
        self._ended = []
        self._followed.update(run.number for run in found)
        return found

    def _follow(self, each: _Loaded, run: RunRow) -> bool:
        try:
            if causes.depth_of(run.cause) >= DEEPEST:
                raise _NoRunError(
                    f"run {run.number} of {run.pipeline} is the last of {DEEPEST} that started one"
                    " another: is this a cycle?"
                )
            self.plans.refresh(self.tx, [run])
            event = {
                "pipeline": run.pipeline,
                "run": run.number,
                "state": run.state.value,
                "params": dict(self.plans.of(run.number).params),
            }
            wish = self._wish(each, event, causes.end_of(run, each.row.number), self.now)
            if wish is not None:
                self._start(wish)
        except _NoRunError as error:
            self._trouble(each.row, str(error))
            return False
        return wish is not None

    # arrivals

    def take(self) -> bool:
        """Takes what has arrived and acts on it. Whether more may be left: then a signal is,
        too, so that somebody looks."""
        arrivals = self.tx.take_arrivals(AT_ONCE)
        if arrivals:
            self._act(arrivals)
            self.tx.forget_arrivals(self.now - REMEMBERED, SWEPT)
            self.tx.forget_held(self.now, SWEPT)
        more = len(arrivals) == AT_ONCE
        if more:
            self.tx.signal(0)
        return more

    def _act(self, arrivals: Sequence[ArrivalRow]) -> None:
        armed = self._loaded(self.tx.armed({(row.kind, row.source) for row in arrivals}))
        wishes = []
        for row in arrivals:
            for each in armed:
                if (each.row.kind, each.row.source) == (row.kind, row.source) and (
                    row.kind != "webhook" or secret_of(each.trigger) == row.origin
                ):
                    wishes += self._asked(each, row)
        self._fulfil(wishes)
        self._note()

    def _asked(self, each: _Loaded, row: ArrivalRow) -> list[_Wish]:
        cause = causes.arrival(row.kind, row.source, each.row.number, row.seq)
        try:
            # The clock of who received it may be ahead of this one's.
            wish = self._wish(each, row.payload, cause, min(row.received_at, self.now))
        except _NoRunError as error:
            self._trouble(each.row, str(error))
            return []
        return [] if wish is None else [wish]

    def _fulfil(self, wishes: Sequence[_Wish]) -> None:
        keys = {(wish.of.row.number, wish.key) for wish in wishes if wish.key is not None}
        held = {(row.trigger, row.key): row for row in self.tx.held(keys)} if keys else {}
        changed: dict[tuple[int, str], HeldRow] = {}
        for wish in wishes:
            if wish.key is None:
                self._try(wish)
                continue
            name = (wish.of.row.number, wish.key)
            before = held.get(name) or HeldRow(*name)
            held[name] = changed[name] = self._decide(wish, before)
        if changed:
            self.tx.hold(list(changed.values()))

    def _decide(self, wish: _Wish, before: HeldRow) -> HeldRow:
        """What is remembered of its key by then."""
        if before.due_at is not None and before.due_at <= wish.at:
            before = self._release(wish.of, before)
        if before.until is not None and before.until > wish.at:
            return before
        wait = wish.of.trigger.debounce / 1000
        if not wait:
            self._try(wish)
            return before._replace(until=wish.at + wish.of.trigger.dedupe / 1000)
        first = wish.at if before.first_at is None else before.first_at
        due = min(wish.at + wait, first + LATEST * wait)
        return before._replace(due_at=due, first_at=first, params=wish.params, cause=wish.cause)

    # keys that have waited

    def release(self) -> bool:
        """Starts what has waited for more long enough. Whether more may be left."""
        found = self.tx.due_held(self.now, AT_ONCE)
        if found:
            armed = self._loaded(self.tx.armed_by_number({row.trigger for row in found}))
            known = {each.row.number: each for each in armed}
            again = self.tx.held({(row.trigger, row.key) for row in found})
            due = [row for row in again if row.due_at is not None and row.due_at <= self.now]
            released = [
                self._release(known[row.trigger], row) for row in due if row.trigger in known
            ]
            if released:
                self.tx.hold(released)
            self._note()
        return len(found) == AT_ONCE

    def _release(self, of: _Loaded, row: HeldRow) -> HeldRow:
        at = row.due_at or self.now
        self._try(_Wish(of, row.params, row.cause, at))
        return HeldRow(row.trigger, row.key, until=at + of.trigger.dedupe / 1000)

    # making runs

    def _wish(self, of: _Loaded, event: Mapping[str, Any], cause: Cause, at: float) -> _Wish | None:
        """The run that a trigger asks for because of an event; None if it asks for none.

        Raises:
            _NoRunError: what it says cannot be worked out with this event.
        """
        scope = Scope({"event": event})
        self._set(of.row, heard_at=at)
        try:
            if of.trigger.when is not None:
                wanted = evaluate(of.trigger.when, scope)
                if not isinstance(wanted, bool):
                    raise _NoRunError(f"`when` is {kind(wanted)}, not true or false")
                if not wanted:
                    self._set(of.row, trouble="", trouble_at=None)
                    return None
            key = None if of.trigger.key is None else evaluate(of.trigger.key, scope)
            params = _params(of, scope)
        except EvaluationError as error:
            raise _NoRunError(error.message) from None
        keyed = of.trigger.debounce or of.trigger.key is not None
        return _Wish(of, params, cause, at, key_of(values.to_text(key)) if keyed else None)

    def _try(self, wish: _Wish) -> None:
        try:
            self._start(wish)
        except _NoRunError as error:
            self._trouble(wish.of.row, str(error))

    def _start(self, wish: _Wish) -> None:
        of = wish.of
        types = {param.name: param.type for param in of.definition.params}
        try:
            params = {
                name: values.from_json(value, types[name]) for name, value in wish.params.items()
            }
            plan = make_plan(of.definition, params)
        except (TidemillError, ValueError, KeyError) as error:
            raise _NoRunError(f"no run can be made: {error}") from None
        new = NewRun(
            plan,
            of.row.digest,
            of.content,
            of.file,
            chosen=frozenset(range(plan.size)),
            carried={},
            pooled=True,
            told=True,
            cause=wish.cause,
        )
        (made,) = create_runs(self.tx, [new], self.now, self.standing)
        number = made.run.number
        self._set(of.row, fired_at=self.now, fired_run=number, trouble="", trouble_at=None)
        self.plans.replace(number, plan)
        self._ended.append(made.run)
        self.made(made)

    def _loaded(self, armed: Iterable[Armed]) -> list[_Loaded]:
        found = []
        for row, file in armed:
            if row.digest not in self._definitions:
                self._definitions[row.digest] = self.tx.definition(row.digest)
            content = self._definitions[row.digest]
            self._rows.setdefault(row.number, row)
            try:
                found.append(_Loaded(row, file, content, *trigger_of(content, row.place)))
            except codec.FormatError as error:
                self._trouble(row, f"apply {file} again: {error}")
        return found

    # what is remembered of triggers

    def _trouble(self, row: TriggerRow, text: str) -> None:
        """Told once, however many events meet it."""
        if self._rows[row.number].trouble != text[:MAX_TROUBLE]:
            what = f"trigger {row.kind} {row.source} of {row.pipeline}"
            log.warning("%s starts no run: %s", what, text)
        self._set(row, trouble=text[:MAX_TROUBLE], trouble_at=self.now)

    def _set(self, row: TriggerRow, **changes: Any) -> None:
        self._rows[row.number] = self._rows[row.number]._replace(**changes)
        self._changed.add(row.number)

    def _note(self) -> None:
        if self._changed:
            self.tx.note_triggers([self._rows[number] for number in sorted(self._changed)])
            self._changed.clear()


def _params(of: _Loaded, scope: Scope) -> dict[str, Any]:
    """All params of a run, as JSON."""
    given = dict(of.trigger.params)
    found = {}
    for param in of.definition.params:
        expr = given.get(param.name) or param.default or ("lit", None)
        try:
            value = evaluate(expr, scope if param.name in given else Scope())
            found[param.name] = values.to_json(values.conform(value, param.type))
        except (EvaluationError, ValueError) as error:
            raise _NoRunError(f"param {param.name}: {error}") from None
    return found
