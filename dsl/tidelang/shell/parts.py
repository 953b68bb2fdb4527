"""What goes into the weaving of a script and what comes out: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Shape = Literal["scalar", "list", "number", "unknown"]
Filter = Literal["", "sh", "raw"]
Shell = Literal["sh", "bash"]


@dataclass(frozen=True, slots=True)
class Insert:
    """A place in a script for the value of variable `index`.

    `shape` is what the checker knows of its type: `number` for int and float, `list`,
    `scalar` for everything else that is one text, `unknown` for `any`."""

    index: int
    shape: Shape = "scalar"
    filter: Filter = ""

    @property
    def name(self) -> str:
        """The environment variable that carries it."""
        return f"TIDE_V{self.index}"


@dataclass(frozen=True, slots=True)
class Woven:
    """A script whose places have become references.

    In `parts` an int i stands where the words of list i or the raw text of i are put
    when the step starts. `kinds` gives each index its `definition.Variable.kind`."""

    parts: tuple[str | int, ...]
    kinds: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A place in which a value cannot be kept from being code, and the way out."""

    index: int
    message: str
    help: str
