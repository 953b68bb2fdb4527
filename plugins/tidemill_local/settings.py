"""The settings of `executor local { … }` in a `.tide` file."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field


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
    memory: ByteSize | None = Field(
        default=None,
        ge=6 << 20,
        description="At most so much memory for the step's processes together, swap included, "
        "at least 6 MB; no bound by default.",
    )
    cpus: float | None = Field(
        default=None, gt=0, description="At most so many CPUs; no bound by default."
    )
    pids: int | None = Field(
        default=None,
        ge=4,
        description="At most so many processes and threads at a time; no bound by default.",
    )
    open_files: int | None = Field(
        default=None,
        ge=16,
        description="At most so many open files in each process; the worker's own bound by "
        "default.",
    )
    cpu_time: timedelta | None = Field(
        default=None,
        ge=timedelta(seconds=1),
        description="At most so much CPU time for each process, in whole seconds, rounded up; "
        "no bound by default.",
    )
    file_size: ByteSize | None = Field(
        default=None,
        ge=1,
        description="At most so large a file that a process writes; no bound by default.",
    )

    @property
    def cpu_seconds(self) -> int | None:
        """`cpu_time` as the kernel counts it."""
        return None if self.cpu_time is None else math.ceil(self.cpu_time.total_seconds())

    @property
    def needs_group(self) -> bool:
        """Whether anything is asked for that only a control group can hold a tree to."""
        return self.memory is not None or self.cpus is not None or self.pids is not None

    @property
    def is_bounded(self) -> bool:
        return self.needs_group or not (
            self.open_files is None and self.cpu_time is None and self.file_size is None
        )
