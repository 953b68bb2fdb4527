"""The examples on the pages of the codes, as they are compiled.

`⟨x, 3 times⟩` in an example stands for `xxx`, and `\\n` in it for a line's end: what passes a
limit is too large for a page."""

from __future__ import annotations

import re

from tidelang import codes

_REPEATED = re.compile(r"⟨(.*?), ([\d_]+) times⟩")


def example(code: str, heading: str) -> str:
    """The example under `## Fails` or `## Passes` of a code's page."""
    page = codes.page(code) or ""
    match = re.search(rf"^## {heading}\n+```tide\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert match is not None, f"{code} has no example under {heading}"
    return _REPEATED.sub(_repeated, match[1])


def _repeated(found: re.Match[str]) -> str:
    return found[1].replace("\\n", "\n") * int(found[2])
