"""A project: the folder that steps run in, and where Tidemill keeps what it knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STATE_FOLDER = ".tidemill"
_MARKS = (STATE_FOLDER, "tidemill.toml", ".git")


@dataclass(frozen=True, slots=True)
class Project:
    """`local` looks at the runs of this project alone, whatever fleet is configured."""

    root: Path
    local: bool = False

    @property
    def state(self) -> Path:
        return self.root / STATE_FOLDER

    @property
    def database(self) -> Path:
        return self.state / "tidemill.db"

    @property
    def artifacts(self) -> Path:
        return self.state / "artifacts"

    @property
    def results(self) -> Path:
        """What cached steps put out, by key."""
        return self.state / "results"

    @property
    def nats(self) -> Path:
        """The store of the NATS server that `tidemill up` brings along."""
        return self.state / "nats"

    @property
    def up(self) -> Path:
        """How to reach what `tidemill up` has started here."""
        return self.state / "up.json"

    def run_folder(self, number: int) -> Path:
        """Lock, bell, logs and scratch files of a run."""
        return self.state / "runs" / str(number)


def find_project(start: Path, *, local: bool = False) -> Project:
    """The project that `start`, a file or folder, lies in: the nearest folder upwards
    with `.tidemill`, `tidemill.toml` or `.git`; else the folder itself."""
    here = start.absolute()
    folder = here if here.is_dir() else here.parent
    for candidate in (folder, *folder.parents):
        if any((candidate / mark).exists() for mark in _MARKS):
            return Project(candidate, local)
    return Project(folder, local)
