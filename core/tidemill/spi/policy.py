"""What a policy is asked about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class DispatchTask:
    """An attempt of a step that is about to be offered to workers.

    `run` is the run's number, `file` the file that its pipeline stands in, `step` the step's
    name and `key` that of this instance of it (`test[3.12]`). `attempt` counts from 1.
    `executor` is the kind, `settings` what the file sets of it, worked out. `priority` is the
    language's word. `labels` and `regions` are what the step wants of a worker, `resources`
    what it takes. `params` are the run's.
    `idempotent` is whether the step may be done again.

    Texts of secrets are in none of it; a setting that is made of one is not there. All of it
    is a copy: to change it changes nothing."""

    run: int
    pipeline: str
    file: str
    step: str
    key: str
    attempt: int
    executor: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    pool: str = "default"
    priority: str = "normal"
    labels: Mapping[str, str] = field(default_factory=dict)
    regions: tuple[str, ...] = ()
    resources: Mapping[str, int | float] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    idempotent: bool = True
