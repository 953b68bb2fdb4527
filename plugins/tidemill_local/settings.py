"""The settings of `executor local { … }` in a `.tide` file."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class LocalSettings(BaseModel):
    """Runs the step as a process on the machine that the worker runs on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    inherit: tuple[str, ...] = Field(
        default=(),
        description="Names of further environment variables that the step inherits from "
        "the worker, beside PATH, HOME, LANG and the like.",
    )
    workspace: Literal["project", "private"] = Field(
        default="project",
        description="Where the step runs: in the project's own folder, or in a fresh empty "
        "one that is removed when it has ended.",
    )
