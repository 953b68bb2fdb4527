"""Diagnostics as workflow commands of GitHub Actions: annotations in a pull request.

::error file=release.tide,line=4,col=10,endLine=4,endColumn=11,title=T010::…
"""

from __future__ import annotations

from collections.abc import Sequence

from tidelang.diagnostics import Diagnostic


def render(diagnostics: Sequence[Diagnostic]) -> str:
    """A line for each."""
    return "".join(f"{_command(diagnostic)}\n" for diagnostic in diagnostics)


def _command(diagnostic: Diagnostic) -> str:
    first, last = diagnostic.span.first, diagnostic.span.last
    properties = {
        "file": diagnostic.span.source.name,
        "line": first.line,
        "col": first.column,
        "endLine": last.line,
        "endColumn": last.column,
        "title": diagnostic.code,
    }
    text = [diagnostic.message]
    text += [f"help: {diagnostic.fix.message}"] if diagnostic.fix else []
    text += [f"note: {note}" for note in diagnostic.notes]
    given = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{diagnostic.severity} {given}::{_data(chr(10).join(text))}"


def _data(text: str) -> str:
    """What the runner would act on in a message."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """The same in a property, where `:` and `,` end it too."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
