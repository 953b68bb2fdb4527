"""The codes of diagnostics: the page of each, with an example that fails and one that
passes.

The pages are Markdown in `explain/`, shipped with the package; a code exists when its
page does.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


def all_codes() -> tuple[str, ...]:
    """Every code that has a page, in order."""
    return tuple(sorted(_pages()))


def page(code: str) -> str | None:
    """The page of a code (`T001`; case does not matter); None where there is none."""
    name = _pages().get(code.upper())
    return (files(__package__) / "explain" / name).read_text("utf-8") if name else None


def title(code: str) -> str | None:
    """The short title of a code's page."""
    text = page(code)
    return text.partition("\n")[0].partition(": ")[2] if text else None


@cache
def _pages() -> dict[str, str]:
    folder = files(__package__) / "explain"
    names = (entry.name for entry in folder.iterdir())
    return {name.removesuffix(".md"): name for name in names if name.endswith(".md")}
