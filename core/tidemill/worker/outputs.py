"""What a step leaves behind: its outputs, checked against what it declares."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidelang import outputs, values
from tidelang.definition import Output
from tidemill.model.messages import Order
from tidemill.model.outputs import FILES
from tidemill.ports import Artifacts
from tidemill.spi import Outcome, bad_output
from tidemill.worker.secrets import Unlocked


@dataclass(slots=True)
class Outputs:
    """Of the one attempt that `order` is for."""

    order: Order
    artifacts: Artifacts
    _files: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Those that were stored, by output."""

    async def store(self, output: str, name: str, source: Path) -> None:
        """Keeps one of the files that an output asks for.

        Raises:
            OSError: it could not be read or stored.
            TidemillError: it could not be stored.
        """
        stored = await self.artifacts.put(source)
        entry: dict[str, Any] = {"name": name, "digest": stored.digest, "size": stored.size}
        if await asyncio.to_thread(os.access, source, os.X_OK):
            entry["executable"] = True
        self._files.setdefault(output, []).append(entry)

    def of(self, outcome: Outcome, unlocked: Unlocked) -> tuple[dict[str, Any], Outcome]:
        """All that a step which ended so is to be known by, as it is stored: nothing, unless
        it ended well and left just what it declares; where it did not, the outcome says so."""
        if not outcome.ok:
            return {}, outcome
        if problem := unlocked.problem(outcome.values):
            return {}, bad_output(problem, usage=outcome.usage)
        kept, problems = self._read(outcome.values)
        if problem := unlocked.kept_problem(kept):
            problems = [problem]
        if problems:
            return {}, bad_output("; ".join(problems), usage=outcome.usage)
        return kept, outcome

    def _read(self, raw: bytes) -> tuple[dict[str, Any], list[str]]:
        """What there is, and what is wrong with it."""
        declared = self.order.values
        problems: list[str] = []
        kept: dict[str, Any] = {}
        try:
            found = outputs.parse(raw, declared)
            kept = {name: values.to_json(value) for name, value in found.items()}
        except outputs.OutputError as error:
            problems.extend(error.problems)
        for output in declared:
            if output.glob is not None:
                files = sorted(self._files.get(output.name, []), key=lambda file: file["name"])
                kept[output.name] = {FILES: files}
                problems.extend(_file_problems(output, self.order.globs[output.name], files))
        return kept, problems


def _file_problems(output: Output, glob: str, files: Sequence[Mapping[str, Any]]) -> list[str]:
    if output.type.name == "list" or len(files) == 1:
        return []
    if not files:
        return [f"output {output.name}: no file matches {glob!r}"]
    names = ", ".join(file["name"] for file in files[:5])
    many = f"output {output.name}: {len(files)} files match {glob!r} ({names})"
    return [f"{many}; declare it as list(file) to keep them all"]
