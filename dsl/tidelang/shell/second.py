"""Text that a second shell reads: what `| sh` has quoted must be bare there.

`ssh host "deploy {{ x | sh }}"` is safe because the far shell meets the quoted value
outside of quotes. Inside quotes of its own, in a comment or as an argument of yet another
shell the quotes of the value would open what they should close.
"""

from __future__ import annotations

from tidelang.shell.parts import Insert
from tidelang.shell.scan import scan
from tidelang.shell.state import HOLE, Content, Form, Place, Scan

_HELP = "take the quotes around the place away: | sh puts its own, for one more shell"


def check_second(first: Scan) -> None:
    """Look at all texts of a scan that hold a value quoted for a second shell."""
    for content in first.second:
        _check(content)


def _check(content: Content) -> None:
    places = [part for part in content if _quoted(part)]
    text = "".join(HOLE if _quoted(part) else _known(part) for part in content)
    inner = scan(text, [Insert(at) for at in range(len(places))], bash=False)
    for place, found in zip(places, inner.places, strict=True):
        if not isinstance(place, Place):
            continue
        if found.refusal is not None:
            place.refuse(f"for the second shell: {found.refusal[0]}", found.refusal[1])
        elif found.form is not Form.BARE or not found.plain or found.numbers:
            place.refuse(
                "the second shell would not meet this value as a word outside of quotes", _HELP
            )


def _quoted(part: str | Place | None) -> bool:
    return isinstance(part, Place) and part.insert.filter == "sh"


def _known(part: str | Place | None) -> str:
    """Any text will do for what is not known; it can only make its own mistakes."""
    return part.replace(HOLE, "x") if isinstance(part, str) else "x"
