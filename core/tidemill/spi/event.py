"""What a plugin sees of what happens in runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Event:
    """A run or a step has got into a state, and this is stored for good.

    `id` is the same however often the event is seen, and no other event ever has it. `at` is
    when it happened, in seconds since the epoch in UTC. `kind` is `run` or `step`, `run` the
    run's number, `state` a state of a run or of a step (`docs/explanation/states.md`). For a
    step, `step` is its key (`test[3.12]`) and `attempt` the number of its attempt, 0 before
    the first one. `detail` is what there was to say of it: why it failed, who approved."""

    id: str
    at: float
    kind: Literal["run", "step"]
    run: int
    pipeline: str
    state: str
    step: str = ""
    attempt: int = 0
    detail: str = ""
