"""Plans of files, as people and programs are shown them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tidemill.cli.sources import sources
from tidemill.cli.style import Paint
from tidemill.cli.text import clean
from tidemill.cli.times import moment
from tidemill.errors import UsageError
from tidemill.model.states import TaskState

if TYPE_CHECKING:
    from tidemill.app import FilePlan, Sources
    from tidemill.app.planning import PartChange, PipelineChange

_SIGNS: Final = {"new": "+", "changed": "~", "gone": "-", "left": "!"}
_COLOURS: Final = {
    "new": TaskState.SUCCEEDED,
    "changed": TaskState.RUNNING,
    "gone": TaskState.FAILED,
    "left": TaskState.CANCELLED,
}
_COUNTED: Final = ("new", "changed", "gone", "unchanged")


def sources_of(command: str, paths: tuple[Path, ...], *, prune: bool) -> Sources:
    """Raises:
    UsageError: no path is given, or one cannot be read.
    """
    from tidemill.app import Sources

    if not paths:
        raise UsageError("no file given", f"tidemill {command} release.tide")
    unreadable: list[str] = []
    files = sources(paths, unreadable)
    if unreadable:
        raise UsageError("; ".join(unreadable))
    return Sources(tuple(files), paths, prune)


def plan_shape(plan: FilePlan) -> dict[str, Any]:
    return {
        "empty": plan.is_empty,
        "base": plan.base,
        "target": plan.target,
        "pipelines": [asdict(change) for change in plan.changes],
    }


def plan_lines(plan: FilePlan, paint: Paint) -> Iterator[str]:
    for change in plan.changes:
        if change.change != "unchanged":
            yield from _pipeline(change, paint)
    counts = Counter(change.change for change in plan.changes)
    said = [f"{counts[word]} {word}" for word in _COUNTED if counts[word]]
    if plan.is_empty:
        said.append("nothing to do")
    yield ", ".join(said)


def _pipeline(change: PipelineChange, paint: Paint) -> Iterator[str]:
    sign = paint.state(_COLOURS[change.change], _SIGNS[change.change])
    file = clean(change.file)
    where = {
        "left": f"is in {file} no more, and stays (--prune removes it)",
        "gone": f"gone: it is in {file} no more",
    }.get(change.change, f"{change.change}, in {file}")
    what = f" ({', '.join(map(clean, change.what))})" if change.what else ""
    yield f"{sign} pipeline {clean(change.pipeline)} {where}{what}"
    for part in change.parts:
        yield f"    {_part(part, paint)}"


def _part(part: PartChange, paint: Paint) -> str:
    sign = paint.state(_COLOURS[part.change], _SIGNS[part.change])
    said = f"{sign} {part.part} {clean(part.name)}"
    if part.what:
        said += f": {', '.join(map(clean, part.what))}"
    if part.next:
        said += f", next {', '.join(map(moment, part.next))}"
    return said
