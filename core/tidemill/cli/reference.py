"""The command reference in `docs/reference/cli.md`, written from the commands' help.

`python -m tidemill.cli.reference docs/reference/cli.md` writes what stands behind the
marker anew; what stands before it is written by people. A test holds the two equal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from tidemill.cli.root import COMMANDS, root

MARKER: Final = "<!-- From here on generated: python -m tidemill.cli.reference FILE -->\n"


def renewed(text: str) -> str:
    """The page with its generated part as it has to be now."""
    head, marker, _ = text.partition(MARKER)
    if not marker:
        raise ValueError(f"the page has no line {MARKER!r}")
    return head + marker + _commands()


def _commands() -> str:
    parent = click.Context(root, info_name="tidemill", **root.context_settings)
    pages = [_page("tidemill", parent)]
    for name in COMMANDS:
        if command := root.get_command(parent, name):
            context = click.Context(command, info_name=name, parent=parent)
            pages += _pages(f"tidemill {name}", command, context)
    return "".join(pages)


def _pages(title: str, command: click.Command, context: click.Context) -> Iterator[str]:
    """A command's page, and those of the commands below it."""
    yield _page(title, context)
    if isinstance(command, click.Group):
        for name, below in sorted(command.commands.items()):
            inner = click.Context(below, info_name=name, parent=context)
            yield from _pages(f"{title} {name}", below, inner)


def _page(title: str, context: click.Context) -> str:
    context.terminal_width = 80
    return f"\n### {title}\n\n```text\n{context.get_help().rstrip()}\n```\n"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text("utf-8")), "utf-8")
