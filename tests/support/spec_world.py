"""What the tests of the language ask of this implementation, and the world they live in.

The only module of theirs that imports Tidemill. Another implementation is tested by
putting another module in its place.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from unittest.mock import patch

import click
from memory_files import compiled
from pydantic import BaseModel, ByteSize, ConfigDict, Field, SecretStr
from spec_documents import Happening

from tidelang import codec, finding
from tidelang.compiler import Compilation, NoPlugins, compile_source
from tidelang.diagnostics import Diagnostic
from tidelang.foreign import made
from tidelang.functions import Function
from tidelang.reading import FolderLoader, read_source
from tidelang.source import Span
from tidemill.app import MistakesError, Project, open_run
from tidemill.cli.arguments import parameters
from tidemill.cli.commands.run import command
from tidemill.compile import InstalledPlugins
from tidemill.errors import TidemillError
from tidemill.model.requests import RunRequest, Selection
from tidemill.model.views import LateView, RunView, TaskView
from tidemill.spi import Template

LONGEST = 60.0
"""Seconds after which a run is taken for hung."""


# --- the plugins of the world ----------------------------------------------------------


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Proxy(Settings):
    host: str
    port: int = Field(22, ge=1, le=65_535)


class Service(Settings):
    image: str
    env: dict[str, SecretStr | str] = {}
    memory: ByteSize | None = None
    proxy: Proxy | None = None


class Docker(Settings):
    image: str = Field(description="The image to run in.", pattern=r"[^:]$")
    pull: Literal["missing", "always", "never"] = Field("missing", description="When to pull.")
    memory: ByteSize | None = Field(None, description="The most memory it may use.")
    network: str | None = Field(None, description="The network it is in.")
    service: dict[str, Service] = Field({}, description="What runs beside it.")


class Ssh(Settings):
    host: str = Field(description="The machine to run on.")
    user: str | None = Field(None, description="Who to run as.")
    port: int = Field(22, ge=1, le=65_535, description="Where its server listens.")
    password: SecretStr | None = Field(None, description="What lets the user in.")
    proxy: Proxy | None = Field(None, description="The machine to go through.")


class Slack(Settings):
    url: SecretStr = Field(description="The webhook to send to.")
    message: Annotated[str | None, Template()] = Field(None, description="What to say.")
    channel: str | None = Field(None, description="Where to say it.")


def _slug(text: str, mode: Literal["plain", "short"] | None = None, most: int = 80) -> str:
    if not text:
        raise ValueError("there is no text")
    return "-".join(text.lower().split())[: 3 if mode == "short" else most]


def _flood() -> list[int]:
    return [0] * 200_000


def _odd() -> str:
    return 7  # type: ignore[return-value]


_FUNCTIONS: dict[str, Callable[..., Any]] = {"slug": _slug, "flood": _flood, "odd": _odd}


def _function(name: str) -> Function:
    return made(name, _FUNCTIONS[name], "", "tide-world 1.0")


class WorldPlugins(NoPlugins):
    """`local` as it is installed; the others as tests/spec/README.md says."""

    def __init__(self) -> None:
        self._executors: dict[str, type[BaseModel]] = {"docker": Docker, "ssh": Ssh}
        local = InstalledPlugins().executor_settings("local")
        if local is not None:
            self._executors["local"] = local

    def executor_kinds(self) -> tuple[str, ...]:
        return tuple(sorted(self._executors))

    def executor_settings(self, kind: str) -> type[BaseModel] | None:
        return self._executors[kind]

    def problem(self, kind: str) -> str | None:
        return "it cannot be imported" if kind == "broken" else None

    def notifier_kinds(self) -> tuple[str, ...]:
        return ("slack",)

    def notifier_settings(self, kind: str) -> type[BaseModel] | None:
        return {"slack": Slack}[kind]

    def function_names(self) -> tuple[str, ...]:
        return tuple(_FUNCTIONS)

    def function(self, name: str) -> Function | None:
        return _function(name) if name in _FUNCTIONS else None

    def function_problem(self, name: str) -> str | None:
        return self.problem(name)


_PLUGINS = WorldPlugins()


# --- compiling -------------------------------------------------------------------------


@dataclass(frozen=True)
class Meaning:
    """What files mean: diagnostics as lines, and definitions as bytes, by pipeline."""

    diagnostics: tuple[str, ...]
    definitions: tuple[bytes, ...]

    @property
    def json(self) -> Any:
        """The definition, or an array of them where there are several."""
        found = [json.loads(each) for each in self.definitions]
        return found[0] if len(found) == 1 else found


def meaning(files: Mapping[str, str], main: str) -> Meaning:
    """Compiles one file of several."""
    compiled = _compiled(files, main)
    definitions = tuple(codec.encode(each) for each in compiled.definitions)
    lines = tuple(line for d in compiled.diagnostics for line in _told(d, main))
    return Meaning(lines, definitions)


def _compiled(files: Mapping[str, str], main: str) -> Compilation:
    with _functions():
        return compiled(files, _PLUGINS, main)


@contextmanager
def _functions() -> Iterator[None]:
    """Expressions that are worked out meanwhile have the functions of the world."""
    with patch.object(finding, "_provided", [lambda name, _: _function(name)]):
        yield


def compile_on_disk(file: Path) -> Compilation:
    """Compiles a file that lies on the disk, with what it imports from its folder."""
    loader = FolderLoader(file.parent)
    return compile_source(read_source(file), _PLUGINS, loader)


def read_back(definition: bytes) -> bytes:
    """A definition read and written again."""
    return codec.encode(codec.decode(definition))


def digest(definition: bytes) -> str:
    """What names a definition."""
    return codec.digest(codec.decode(definition))


def _told(diagnostic: Diagnostic, main: str) -> Iterator[str]:
    yield f"{diagnostic.code} {_place(diagnostic.span, main)}"
    for related in diagnostic.related:
        yield f"  also {_place(related.span, main)}"
    if diagnostic.fix is not None and diagnostic.fix.replacement:
        yield f"  fix {_first_line(diagnostic.fix.replacement).strip()}"


def _place(span: Span, main: str) -> str:
    file = "" if span.source.name == main else f"{span.source.name}:"
    text = _first_line(span.text)
    return f"{file}{span.first.line}:{span.first.column} {text}".rstrip()


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


# --- running ---------------------------------------------------------------------------


class _Watcher:
    """An observer that writes down what happens."""

    def __init__(self) -> None:
        self.happened: list[Happening] = []

    def run_changed(self, run: RunView) -> None:
        self.happened.append(Happening("run", run.state.value, _one_line(run.detail)))

    def tasks_changed(self, tasks: Sequence[TaskView]) -> None:
        for task in tasks:
            code = f"exit code {task.exit_code}; " if task.exit_code else ""
            self.happened.append(
                Happening(task.key, task.state.value, _one_line(code + task.detail))
            )

    def late(self, found: LateView) -> None:
        self.happened.append(Happening(found.key or "run", found.event, found.detail))

    def output(self, key: str, attempt: int, text: str) -> None:
        del attempt
        self.happened.append(Happening(key, "|", text))


def happenings(
    folder: Path, main: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> list[Happening]:
    """Runs the file in its folder, as `tidemill run` does, and tells what happened."""
    watcher = _Watcher()
    with _environment(environment):
        try:
            run = open_run(Project(folder), _request(folder / main, arguments))
        except (MistakesError, TidemillError, click.UsageError) as error:
            return [Happening("", "refused", _one_line(str(error)))]
        asyncio.run(asyncio.wait_for(run.drive(watcher), LONGEST))
    return watcher.happened


def _request(file: Path, arguments: Sequence[str]) -> RunRequest:
    given = copy(command).make_context("run", [str(file), *arguments]).params
    selection = Selection(given["only"], given["start"], given["until"])
    return RunRequest(
        file, given["pipeline"], parameters(given["params"]), selection, given["max_parallel"]
    )


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
