"""What a person may ask of a run, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Selection:
    """Which steps take part. Names are steps, or instances like `unit[3.12]`. Empty
    means all. `start` takes a step and all that depends on it, `until` a step and all
    it depends on; given together, what lies in both."""

    only: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    until: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRequest:
    """`params` are texts as typed behind `-p`; the language converts and checks them.
    `pipeline` may be left out where the file has one. `max_parallel` None means the
    number of processors. `fresh` is to use no result out of the cache; `told` is to tell people of
    its events."""

    file: Path
    pipeline: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    selection: Selection = Selection()
    max_parallel: int | None = None
    fresh: bool = False
    told: bool = False
