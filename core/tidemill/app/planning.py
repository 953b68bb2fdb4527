"""What a change of files does to the pipelines of the fleet: what was there, what is there
then, and how the two differ.

There is no second opinion on what applying does: a plan is what applying has done, in a
transaction that is not committed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from tidelang import codec
from tidelang.definition import Approval, Definition, Step, Subrun, Trigger
from tidelang.values import duration_text
from tidemill.model import schedules
from tidemill.model.rows import PipelineRow, ScheduleRow
from tidemill.ports import Transaction

NEXT = 3
"""Times of each schedule that are shown."""

_APART = frozenset({"name", "steps", "schedules", "triggers", "format"})
"""Parts of a definition that are compared by themselves."""


@dataclass(frozen=True, slots=True)
class PartChange:
    """A step, schedule or trigger that is `new`, `changed` (`what` of it) or `gone`. `next`
    are the times at which a schedule is due next."""

    part: str
    name: str
    change: str
    what: tuple[str, ...] = ()
    next: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class PipelineChange:
    """A pipeline is `new`, `changed`, `unchanged`, `gone`, or `left`: in its file no more, and
    not to be removed. `what` are its own attributes that changed."""

    pipeline: str
    file: str
    change: str
    digest: str
    before: str | None = None
    what: tuple[str, ...] = ()
    parts: tuple[PartChange, ...] = ()


@dataclass(frozen=True, slots=True)
class FilePlan:
    """`base` is a digest of what there was before, `target` one of what the files say."""

    changes: tuple[PipelineChange, ...]
    base: str
    target: str

    @property
    def is_empty(self) -> bool:
        return all(change.change in {"unchanged", "left"} for change in self.changes)


@dataclass(frozen=True, slots=True)
class Version:
    """A pipeline as it is applied."""

    row: PipelineRow
    definition: Definition
    schedules: tuple[ScheduleRow, ...]


def snapshot(tx: Transaction, names: Iterable[str]) -> dict[str, Version]:
    found: dict[str, Version] = {}
    for name in names:
        row = tx.pipeline(name)
        if row is not None:
            definition = codec.decode(tx.definition(row.digest))
            found[name] = Version(row, definition, tuple(tx.schedules_of(name)))
    return found


def compared(
    before: Mapping[str, Version], after: Mapping[str, Version], left: Sequence[PipelineRow]
) -> FilePlan:
    """`left` are pipelines that stay, though their files have them no more."""
    stays = {row.name for row in left}
    names = sorted({*before, *after} - stays)
    changes = [_pipeline(before.get(name), after.get(name)) for name in names]
    changes += [PipelineChange(r.name, r.file, "left", r.digest, r.digest) for r in left]
    wanted = {name: version for name, version in after.items() if name not in stays}
    return FilePlan(tuple(changes), _digest(before), _digest(wanted))


def _digest(versions: Mapping[str, Version]) -> str:
    """Of what matters: not of the commit, nor of where schedules are in time."""
    found = [
        [name, v.row.digest, v.row.file, sorted([s.identity, dict(s.spec)] for s in v.schedules)]
        for name, v in sorted(versions.items())
    ]
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def _pipeline(before: Version | None, after: Version | None) -> PipelineChange:
    there = after or before
    if there is None:
        raise ValueError("a pipeline that neither was nor will be")
    old = None if before is None else before.row.digest
    what = () if before is None or after is None else tuple(_attributes(before, after))
    parts = tuple(_parts(before, after))
    if before is None:
        change = "new"
    elif after is None:
        change = "gone"
    else:
        change = "changed" if what or parts or old != after.row.digest else "unchanged"
    return PipelineChange(
        there.row.name, there.row.file, change, there.row.digest, old, what, parts
    )


def _attributes(before: Version, after: Version) -> Iterator[str]:
    if before.row.file != after.row.file:
        yield "file"
    for field in fields(Definition):
        old, new = (getattr(v.definition, field.name) for v in (before, after))
        if field.name not in _APART and old != new:
            yield field.name


def _parts(before: Version | None, after: Version | None) -> Iterator[PartChange]:
    if after is None:
        return
    old = None if before is None else before.definition
    yield from _schedules(() if before is None else before.schedules, after.schedules)
    yield from _triggers(() if old is None else old.triggers, after.definition.triggers)
    yield from _steps(() if old is None else old.steps, after.definition.steps)


def _schedules(before: Sequence[ScheduleRow], after: Sequence[ScheduleRow]) -> Iterator[PartChange]:
    old, new = ({row.identity: row for row in rows} for rows in (before, after))
    for identity, row in new.items():
        known = old.get(identity)
        what = () if known is None else tuple(_differing(known.spec, row.spec))
        if known is None or what:
            change = "new" if known is None else "changed"
            yield PartChange("schedule", schedule_name(row.spec), change, what, _next(row))
    for identity, row in old.items():
        if identity not in new:
            yield PartChange("schedule", schedule_name(row.spec), "gone")


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return sorted(k for k in {*before, *after} if before.get(k) != after.get(k))


def schedule_name(spec: Mapping[str, Any]) -> str:
    """`0 2 * * * Europe/Berlin`, `every 15m`, `at 2027-01-01T08:00 UTC`."""
    if spec.get("every"):
        return f"every {duration_text(spec['every'])}"
    zone = spec.get("timezone", "UTC")
    return f"{spec['cron']} {zone}" if spec.get("cron") else f"at {spec.get('at')} {zone}"


def _next(row: ScheduleRow) -> tuple[float, ...]:
    if row.next_due is None:
        return ()
    later = schedules.offset(row.spec, row.pipeline)
    times = [row.next_due - later]
    while len(times) < NEXT:
        then = schedules.first_after(row.spec, times[-1])
        if then is None:
            break
        times.append(then)
    return tuple(at + later for at in times)


def _triggers(before: Sequence[Trigger], after: Sequence[Trigger]) -> Iterator[PartChange]:
    """Those of one source are compared in their order."""
    old, new = _numbered(before), _numbered(after)
    for key, trigger in new.items():
        known = old.get(key)
        if known is None:
            yield PartChange("trigger", _trigger_name(trigger), "new")
        elif known != trigger:
            what = _changed_fields(known, trigger)
            yield PartChange("trigger", _trigger_name(trigger), "changed", tuple(what))
    for key, trigger in old.items():
        if key not in new:
            yield PartChange("trigger", _trigger_name(trigger), "gone")


def _numbered(triggers: Sequence[Trigger]) -> dict[tuple[str, str, int], Trigger]:
    found: dict[tuple[str, str, int], Trigger] = {}
    for trigger in triggers:
        number = sum(1 for key in found if key[:2] == (trigger.kind, trigger.source))
        found[trigger.kind, trigger.source, number] = trigger
    return found


def _trigger_name(trigger: Trigger) -> str:
    return f"{trigger.kind} {trigger.source}"


def _steps(before: Sequence[Step], after: Sequence[Step]) -> Iterator[PartChange]:
    old, new = ({step.name: step for step in steps} for steps in (before, after))
    for name, step in new.items():
        known = old.get(name)
        if known is None:
            yield PartChange("step", name, "new")
        elif known != step:
            what = dict.fromkeys(_word(f, known, step) for f in _changed_fields(known, step))
            yield PartChange("step", name, "changed", tuple(what))
    for name in old:
        if name not in new:
            yield PartChange("step", name, "gone")


def _changed_fields(before: Any, after: Any) -> list[str]:
    names = [field.name for field in fields(before)]
    return [name for name in names if getattr(before, name) != getattr(after, name)]


def _word(field: str, before: Step, after: Step) -> str:
    """As the file calls it."""
    if field == "action":
        if isinstance(after.action, Subrun):
            same = isinstance(before.action, Subrun) and (
                before.action.pipeline == after.action.pipeline
            )
            return f"what {after.action.pipeline} does" if same else "pipeline"
        return "approve" if isinstance(after.action, Approval) else "run"
    return {"loop": "for", "when_decides": "when", "outputs": "output"}.get(field, field)
