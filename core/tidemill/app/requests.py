"""From what a person asks to a run that can be driven: compile, plan, select, store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tidelang import codec
from tidelang.compiler import Compilation
from tidelang.definition import Definition
from tidelang.params import ParamError, bind
from tidelang.reading import SourceError
from tidemill.app.constants import constant
from tidemill.compile import compile_file
from tidemill.errors import TidemillError, UsageError
from tidemill.model.plan import Plan, make_plan
from tidemill.model.requests import RunRequest
from tidemill.model.selection import select
from tidemill.project import Project


class MistakesError(TidemillError):
    """The file has mistakes; `compilation` holds the diagnostics."""

    exit_code = 1

    def __init__(self, compilation: Compilation, file: Path) -> None:
        super().__init__(f"{file} has mistakes", f"`tidemill validate {file}` shows them")
        self.compilation = compilation


@dataclass(frozen=True, slots=True)
class Planned:
    """A request worked out: what would run, and what the run would keep of its source."""

    plan: Plan
    chosen: frozenset[int]
    picked: tuple[str, ...]
    file: str
    definition: Definition = field(repr=False)
    called: Mapping[str, Definition] = field(repr=False)
    """By digest, the pipelines that steps of it run, and steps of those."""

    @property
    def content(self) -> bytes:
        return codec.encode(self.definition)

    @property
    def digest(self) -> str:
        return codec.digest(self.definition)


def plan_request(project: Project, request: RunRequest) -> Planned:
    """Compiles the file and lays out the run.

    Raises:
        MistakesError: the file has mistakes.
        UsageError: it cannot be read, or the request does not fit it.
    """
    compilation = compiled(request.file)
    definition = one_pipeline(compilation, request.file, request.pipeline, "--pipeline ")
    try:
        params = bind(definition, request.params, constant)
    except ParamError as error:
        first, *others = error.problems
        raise UsageError("; ".join([first, *others])) from None
    plan = make_plan(definition, params)
    shown = os.path.relpath(request.file.absolute(), project.root)
    file = os.fsencode(shown).decode("utf-8", "replace")
    chosen = select(plan, request.selection)
    return Planned(plan, chosen.ordinals, chosen.keys, file, definition, compilation.called)


def compiled(file: Path) -> Compilation:
    """A file without mistakes.

    Raises:
        MistakesError: it has mistakes.
        UsageError: it cannot be read.
    """
    try:
        compilation = compile_file(file)
    except SourceError as error:
        raise UsageError(str(error)) from None
    if not compilation.ok:
        raise MistakesError(compilation, file)
    return compilation


def one_pipeline(compilation: Compilation, file: Path, name: str | None, how: str) -> Definition:
    """The pipeline that is meant; `how` says how to name one of several.

    Raises:
        UsageError: there is none of this name, or several and no name.
    """
    by_name = {definition.name: definition for definition in compilation.definitions}
    listed = ", ".join(by_name)
    if name is not None:
        if name not in by_name:
            there = f"it has {listed}" if by_name else "it has none"
            raise UsageError(f"{file} has no pipeline {name!r}", there)
        return by_name[name]
    if not by_name:
        raise UsageError(f"{file} has no pipeline", "add `pipeline name { … }` to it")
    if len(by_name) > 1:
        raise UsageError(
            f"{file} has {len(by_name)} pipelines: {listed}",
            f"say which: {how}{next(iter(by_name))}",
        )
    return next(iter(by_name.values()))
