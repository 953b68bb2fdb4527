"""The command line: parse, call the application, print.

A module a command in `commands/`, what is shown of a run in `display/`, small helpers
beside them. Nothing here decides anything about runs; that is the engine's. Start-up is
part of the interface: `tidemill --help` and `tidemill validate` import no database, no
asyncio, no rich and no plugin, so everything heavy is imported where it is used.
"""

from __future__ import annotations

import gc

_SELDOM = 50_000
"""Objects that come to be, less those that go, before Python looks which are garbage. What is
imported stays: to look through it again for every 700 takes 7% of a command's time."""


def main() -> int:
    """The entry point of the `tidemill` command; returns the exit code."""
    gc.set_threshold(_SELDOM)
    from tidemill.cli.root import run

    return run()
