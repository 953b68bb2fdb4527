"""Laying files out: what `tidemill fmt` does with each of them."""

from __future__ import annotations

import difflib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidelang.formatting import format_source
from tidelang.reading import SourceError, decoded, read_source
from tidemill.cli.checking import complain, show
from tidemill.cli.console import colour
from tidemill.cli.sources import sources
from tidemill.cli.text import clean, plural
from tidemill.errors import TidemillError

if TYPE_CHECKING:
    from tidelang.diagnostics import Diagnostic
    from tidelang.source import Source

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@dataclass(slots=True)
class Done:
    """What came of some files; `unreadable` are whole messages."""

    files: int = 0
    changed: list[str] = field(default_factory=list)
    mistakes: list[Diagnostic] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def files(named: Sequence[Path], *, check: bool, diff: bool) -> Done:
    """Lays files out, and says what was done.

    Raises:
        TidemillError: a file could not be written; those before it have been.
    """
    done = Done()
    for path in sources(named, done.unreadable):
        done.files += 1
        try:
            source, before = read_source(path), path.read_bytes()
        except (SourceError, OSError) as error:
            done.unreadable.append(str(error))
            continue
        after = _laid_out(source, done)
        if after is None or after.encode() == before:
            continue
        done.changed.append(str(path))
        if diff:
            _show_difference(str(path), before, after)
        elif not check:
            _write(path, after)
    _report(done, check=check, diff=diff)
    return done


def stream(*, check: bool, diff: bool) -> Done:
    """Lays out what stands on stdin, and prints it; what has mistakes is not printed."""
    done, before = Done(files=1), sys.stdin.buffer.read()
    try:
        source = decoded("<stdin>", before)
    except SourceError as error:
        done.unreadable.append(str(error))
        complain(done.unreadable)
        return done
    after = _laid_out(source, done)
    if after is not None:
        if after.encode() != before:
            done.changed.append("<stdin>")
        if diff:
            _show_difference("<stdin>", before, after)
        elif not check:
            sys.stdout.buffer.write(after.encode())
            sys.stdout.buffer.flush()
    show(done.mistakes, err=True)
    return done


def _laid_out(source: Source, done: Done) -> str | None:
    result = format_source(source)
    done.mistakes.extend(result.diagnostics)
    return result.text


def _write(path: Path, text: str) -> None:
    """Puts the new text in the place of the old one, whole or not at all, with the same
    permissions; a symbolic link stays one."""
    real = Path(os.path.realpath(path))
    new = ""
    try:
        descriptor, new = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.")
        with open(descriptor, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123
            file.write(text)
            os.fchmod(descriptor, stat.S_IMODE(real.stat().st_mode))
        os.replace(new, real)  # noqa: PTH105
    except OSError as error:
        with suppress(OSError):
            os.unlink(new)  # noqa: PTH108
        raise TidemillError(f"{path}: cannot be written: {error.strerror}") from None


def _show_difference(name: str, before: bytes, after: str) -> None:
    coloured = colour()
    for line in _difference(name, before.decode("utf-8"), after):
        style = _COLOURS.get(line[0]) if coloured and not line.startswith(("+++", "---")) else None
        click.echo(click.style(clean(line), fg=style) if style else clean(line))


def _difference(name: str, before: str, after: str) -> Iterator[str]:
    old, new = before.split("\n"), after.split("\n")
    return difflib.unified_diff(old, new, name, name, lineterm="")


def _report(done: Done, *, check: bool, diff: bool) -> None:
    show(done.mistakes, err=True)
    complain(done.unreadable)
    if diff:
        return
    for name in done.changed:
        click.echo(f"{name}: {'would be laid out anew' if check else 'laid out anew'}")
    rest = done.files - len(done.changed) - len(done.unreadable)
    if not done.changed and not done.mistakes and rest > 0:
        click.echo(f"{plural(rest, 'file')} already in canonical layout")
