"""Compiling files and showing what is wrong with them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidemill import known
from tidemill._version import __version__
from tidemill.cli import console
from tidemill.cli.sources import sources
from tidemill.cli.text import plural

if TYPE_CHECKING:
    from tidelang.diagnostics import Diagnostic

_WIDEST = 120


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of checking some files; `unreadable` are whole messages."""

    files: tuple[Path, ...]
    diagnostics: tuple[Diagnostic, ...]
    unreadable: tuple[str, ...]

    @property
    def errors(self) -> bool:
        return any(found.severity == "error" for found in self.diagnostics)


def check(named: Sequence[Path]) -> Checked:
    """Compiles files, and of folders every `.tide` file below them."""
    unreadable: list[str] = []
    files = sources(named, unreadable)
    entries = {file: known.entry(file) for file in files}
    changed = [file for file, kept in entries.items() if kept is None or not known.holds(kept)]
    diagnostics = _compile(changed, entries, unreadable) if changed else ()
    return Checked(tuple(files), diagnostics, tuple(unreadable))


def _compile(
    files: Sequence[Path], entries: Mapping[Path, Path | None], unreadable: list[str]
) -> tuple[Diagnostic, ...]:
    """Compiles files, and remembers those without mistakes. The compiler is imported
    only here: where nothing has changed, its start is the larger part of the time."""
    from tidelang.diagnostics import in_order
    from tidelang.reading import SourceError
    from tidemill.compile import InstalledPlugins, compile_file, loader_for

    plugins = InstalledPlugins()
    diagnostics: list[Diagnostic] = []
    for file in files:
        loader = loader_for(file)
        try:
            found = compile_file(file, plugins, loader).diagnostics
        except SourceError as error:
            unreadable.append(str(error))
            continue
        diagnostics += found
        kept = entries[file]
        if kept is None or found:
            continue
        if not plugins.asked:
            known.remember(kept, loader.reached)
        elif (installed := plugins.loaded.sources()) is not None:
            known.remember(kept, loader.reached, installed)
    return in_order(_once(diagnostics))


def _once(diagnostics: Iterable[Diagnostic]) -> Iterable[Diagnostic]:
    """Each mistake once: a file may be checked by itself and as an import of others."""
    return {
        (os.path.realpath(d.span.source.name), d.span.start, d.code, d.message): d
        for d in diagnostics
    }.values()


def print_text(checked: Checked) -> None:
    """For people: each mistake with its line; what could not be read on stderr."""
    show(checked.diagnostics)
    if not checked.diagnostics and not checked.unreadable:
        count = len(checked.files)
        named = str(checked.files[0]) if count == 1 else plural(count, "file")
        click.echo(f"{named}: no mistakes")
    complain(checked.unreadable)


def print_for(checked: Checked, form: str) -> None:
    """For programs: `json`, `sarif`, `github` or `gitlab`; what could not be read on
    stderr."""
    from tidelang.render import github, gitlab, json, sarif

    renderers: dict[str, Callable[[Sequence[Diagnostic]], str]] = {
        "json": json.render,
        "github": github.render,
        "gitlab": gitlab.render,
        "sarif": lambda found: sarif.render(found, __version__),
    }
    click.echo(renderers[form](checked.diagnostics), nl=False)
    complain(checked.unreadable)


def show(diagnostics: Sequence[Diagnostic], *, err: bool = False) -> None:
    """Diagnostics as text, on stdout or stderr."""
    from tidelang.render import terminal

    stream = sys.stderr if err else sys.stdout
    width = min(_WIDEST, shutil.get_terminal_size().columns) if stream.isatty() else None
    text = terminal.render(diagnostics, color=console.colour(stream), width=width)
    click.echo(text, nl=False, err=err)


def complain(messages: Iterable[str]) -> None:
    """What could not be read or written, on stderr."""
    for message in messages:
        console.complain(message)
