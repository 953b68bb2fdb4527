"""`tidemill graph`: a pipeline as a picture."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidemill.cli import console, exits
from tidemill.cli.arguments import one_file
from tidemill.cli.style import Paint
from tidemill.errors import UsageError

if TYPE_CHECKING:
    from tidelang.drawing.model import Drawing

_SUFFIXES = {".svg": "svg", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".txt": "text"}


@click.command(
    epilog="""\b
Examples:
  tidemill graph release.tide
  tidemill graph release.tide -o release.svg
  tidemill graph release.tide nightly --format mermaid
"""
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.argument("pipeline", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "svg", "dot", "mermaid"]),
    help="How to draw it; by the suffix of -o if left out, else as text.",
)
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write it to FILE."
)
def command(file: Path | None, pipeline: str | None, form: str | None, output: Path | None) -> int:
    """Draw the graph of a pipeline.

    As text for the terminal, as SVG, for Graphviz (dot), or as Mermaid. A solid line
    leads to a step that uses something of the one before, a dotted one to a step that
    only waits for it; what a longer way implies is left out.
    """
    from tidelang.drawing.look import look
    from tidemill.app import MistakesError, compiled, one_pipeline

    file = one_file("graph", file)
    form = form or _by_suffix(output)
    try:
        definition = one_pipeline(compiled(file), file, pipeline, f"tidemill graph {file} ")
    except MistakesError as error:
        from tidemill.cli.checking import show

        show(error.compilation.diagnostics, err=True)
        return error.exit_code
    text = _drawn(look(definition), form, to_file=output is not None)
    if output is None:
        click.echo(text, nl=False)
    else:
        _write(output, text)
    return exits.OK


def _by_suffix(output: Path | None) -> str:
    if output is None:
        return "text"
    form = _SUFFIXES.get(output.suffix.lower())
    if form is None:
        known = ", ".join(_SUFFIXES)
        raise UsageError(
            f"{output}: its suffix does not say what to draw", f"use one of {known}, or --format"
        )
    return form


def _drawn(drawing: Drawing, form: str, *, to_file: bool) -> str:
    from tidelang.drawing import dot, mermaid

    if form == "svg":
        return _svg(drawing)
    if form == "text":
        return _text(drawing, to_file=to_file)
    return dot.render(drawing) if form == "dot" else mermaid.render(drawing)


def _svg(drawing: Drawing) -> str:
    from tidelang.drawing.svg.page import TooLargeError, render

    try:
        return render(drawing)
    except TooLargeError as error:
        raise UsageError(str(error), "draw it as text or for Graphviz: --format dot") from None


def _text(drawing: Drawing, *, to_file: bool) -> str:
    from tidelang.drawing.text import Settings, render

    if to_file:
        return render(drawing, Settings())
    paint = Paint(console.colour())
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    unicode = console.usable_encoding()
    return render(drawing, Settings(columns, unicode, paint.faint, paint.strong))


def _write(output: Path, text: str) -> None:
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from None
