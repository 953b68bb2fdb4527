"""Weaving: a script with places becomes one with references to variables."""

from __future__ import annotations

from collections.abc import Sequence

from tidelang.shell.parts import Insert, Refusal, Shell, Woven
from tidelang.shell.scan import scan
from tidelang.shell.second import check_second
from tidelang.shell.state import HOLE, Form, Place

_NO_SHELL = (
    "this script is not run by a POSIX shell, whose quoting Tide knows",
    "give the value by env { NAME = … } and read NAME from the environment in the script",
)
_NUL = (
    "the script holds a NUL character, which no shell can read",
    "take it out",
)
_LIST_IN_TEXT = (
    "a list inside a longer word or inside quotes has no one meaning",
    'make one text of it: {{ … | join(" ") }}, or let it stand alone, outside of quotes',
)
_EXTENDS_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_[")


def weave(parts: Sequence[str | Insert], shell: Shell | None) -> Woven | tuple[Refusal, ...]:
    """Write a reference for each insert, quoted for its place; or say which are refused.

    `shell` is the dialect, None for an interpreter that is no POSIX shell: there only
    `raw` inserts can stand. The result's `kinds` has an entry for each index."""
    inserts = [part for part in parts if isinstance(part, Insert)]
    if not inserts:
        return Woven(("".join(map(str, parts)),), {})
    if shell is None or any(isinstance(part, str) and HOLE in part for part in parts):
        places = _unscanned(inserts, _NO_SHELL if shell is None else _NUL)
        text = "".join(HOLE if isinstance(part, Insert) else part for part in parts)
    else:
        text = "".join(HOLE if isinstance(part, Insert) else part for part in parts)
        state = scan(text, inserts, bash=shell == "bash")
        check_second(state)
        places = state.places
    for place in places:
        _check_shape(place)
    refusals = tuple(
        Refusal(place.insert.index, *place.refusal) for place in places if place.refusal
    )
    return refusals or _write(text, places)


def _unscanned(inserts: Sequence[Insert], why: tuple[str, str]) -> list[Place]:
    places = [Place(insert, 0, Form.PLAIN) for insert in inserts]
    for place in places:
        place.refuse(*why)
    return places


def _check_shape(place: Place) -> None:
    """Refuse what the place would take, were it of another type."""
    shape, quoted = place.insert.shape, place.insert.filter == "sh"
    if place.form is Form.COMMENT:
        return
    if place.numbers and (shape not in ("number", "unknown") or quoted):
        place.refuse(
            f"only a number may stand here: {place.numbers}",
            "declare the value int, or work with it outside of arithmetic",
        )
    elif shape == "list" and not quoted and not place.word:
        place.refuse(*_LIST_IN_TEXT)


# --- writing -----------------------------------------------------------------------


def _write(text: str, places: Sequence[Place]) -> Woven:
    written: list[str | int] = []
    kinds: dict[int, str] = {}
    stretches = text.split(HOLE)
    for at, place in enumerate(places):
        index, kind = place.insert.index, _kind(place)
        kinds[index] = kind
        written.append(stretches[at])
        pasted = kind == "raw" or (kind == "words" and place.form is not Form.COMMENT)
        follows = stretches[at + 1][:1]
        raw_follows = not follows and at + 1 < len(places) and places[at + 1].insert.filter == "raw"
        extended = raw_follows or follows in _EXTENDS_NAME
        before = stretches[at][-1:] or (HOLE if at else "")
        written.append(index if pasted else _reference(place, before, follows, extended=extended))
    written.append(stretches[-1])
    return Woven(_joined(written), kinds)


def _kind(place: Place) -> str:
    """The `definition.Variable.kind`."""
    insert = place.insert
    if insert.filter == "raw":
        return "raw"
    if place.numbers:
        return "number"
    if insert.filter == "sh":
        return "quoted"
    takes_words = place.word or place.form is Form.COMMENT
    return "words" if takes_words and insert.shape in ("list", "unknown") else "value"


def _reference(place: Place, before: str, after: str, *, extended: bool) -> str:
    name = place.insert.name
    if place.form is Form.COMMENT:
        return name
    if place.form is Form.DOUBLE:
        return f"${{{name}}}" if extended else f"${name}"
    if place.form is Form.PLAIN:
        return f"${{{name}}}"
    if place.form is Form.SUM:
        return _in_sum(name, before, after)
    reopen = {Form.BARE: ("", ""), Form.SINGLE: ("'", "'"), Form.ANSI: ("'", "$'")}
    close, opening = reopen[place.form]
    return f'{close}"${name}"{opening}'


def _in_sum(name: str, before: str, after: str) -> str:
    """In brackets, since `3-{{ x }}` with -5 would read `3--5`; but not where the text
    around makes one number of it, as in `16#{{ x }}`."""
    touching = any(c.isalnum() or c in f"_#{HOLE}$" for c in (before + after))
    return f"${{{name}}}" if touching else f"(${{{name}}})"


def _joined(parts: Sequence[str | int]) -> tuple[str | int, ...]:
    """Without empty stretches, neighbouring ones made one."""
    joined: list[str | int] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part != "":
            joined.append(part)
    return tuple(joined)
