"""`python -m tidemill.testing.simulation`: tells many seeds, and says what came of them."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tidemill.testing.simulation.many import Summary, story_of, tell_all

EVERY = 100
"""Seeds between two lines that say how far it is."""


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    if given.tell:
        for seed in given.seeds:
            _say(*story_of(seed, None))
        return 0
    summary = Summary()
    for told in tell_all(given.seeds, given.jobs):
        summary.add(told)
        if told.broken:
            _say(f"BROKEN  {told.broken}")
        if summary.seeds % EVERY == 0:
            _say(f"{summary.seeds} of {len(given.seeds)} seeds, {len(summary.broken)} broken")
    _say("", *summary.lines())
    if given.report is not None:
        given.report.write_text(json.dumps(summary.as_json(), indent=2) + "\n")
    for seed in sorted(summary.broken)[:1]:
        _say("", f"how seed {seed} ended:", *story_of(seed, given.last))
        _say("", f"again, and whole: python -m tidemill.testing.simulation --seeds {seed} --tell")
    return 1 if summary.broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tidemill.testing.simulation",
        description="Runs a fleet in virtual time, with bad luck, once for each seed.",
        epilog="Exit code 1: a promise was broken.",
    )
    parser.add_argument(
        "--seeds", type=_seeds, default=range(100), metavar="A..B", help="both are told (0..99)"
    )
    parser.add_argument("--jobs", type=_jobs, default=1, metavar="N", help="processes (1)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="the summary as JSON")
    parser.add_argument(
        "--last", type=int, default=60, metavar="N", help="lines of a story that ends badly (60)"
    )
    parser.add_argument("--tell", action="store_true", help="tell the stories, line by line")
    return parser


def _seeds(text: str) -> range:
    found = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a seed (7) nor a range (0..99)")
    first, last = int(found[1]), int(found[2] or found[1])
    if last < first:
        raise argparse.ArgumentTypeError(f"{text!r} ends before it begins")
    return range(first, last + 1)


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes")
    return int(text)


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
