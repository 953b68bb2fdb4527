"""Colour for words, where there may be colour."""

from __future__ import annotations

from dataclasses import dataclass

from click import style

from tidemill.cli.words import LOOKS, RUN_COLOURS
from tidemill.model.states import RunState, TaskState


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours text if `on`, and hands it back as it is if not."""

    on: bool

    def state(self, state: TaskState, text: str) -> str:
        return style(text, fg=LOOKS[state].colour) if self.on else text

    def run(self, state: RunState, text: str) -> str:
        return style(text, fg=RUN_COLOURS.get(state), bold=True) if self.on else text

    def strong(self, text: str) -> str:
        return style(text, bold=True) if self.on else text

    def faint(self, text: str) -> str:
        return style(text, fg="bright_black") if self.on else text
