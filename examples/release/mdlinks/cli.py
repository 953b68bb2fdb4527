"""The command line: 0 all links lead somewhere, 1 some do not, 2 bad usage."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mdlinks import __version__
from mdlinks.check import Checker, Finding, markdown_files


def main(argv: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    missing = [path for path in options.paths if not path.exists()]
    if missing:
        print(f"mdlinks: {missing[0]} is not there", file=sys.stderr)
        return 2
    pages = list(markdown_files(options.paths))
    checker = Checker(options.root)
    findings = list(checker.check(pages))
    if options.json:
        print(json.dumps([_as_data(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(finding)
        print(f"{len(pages)} pages, {checker.links} links, {len(findings)} broken")
    return 1 if findings else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mdlinks", description="Find links in Markdown files that lead nowhere."
    )
    parser.add_argument("paths", nargs="+", type=Path, help="Markdown files, or folders of them")
    parser.add_argument("--root", type=Path, default=Path(), help="where links like /x.md start")
    parser.add_argument("--json", action="store_true", help="print findings as JSON")
    parser.add_argument("--version", action="version", version=f"mdlinks {__version__}")
    return parser


def _as_data(finding: Finding) -> dict[str, str | int]:
    return {
        "page": str(finding.page),
        "line": finding.link.line,
        "target": finding.link.target,
        "why": finding.why,
    }
