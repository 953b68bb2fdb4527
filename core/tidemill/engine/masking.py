"""Hiding the values of secrets in what a step puts out, however it comes in pieces.

They are hidden as they are, and as they stand in JSON, in base64, in a URL and in what a
shell shows of its commands. What cannot be known here cannot be hidden: a value that a step
has reversed, taken apart or encoded in another way.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

MASK = b"***"
SHORTEST = 4
"""Characters. Shorter values stand everywhere, and hiding them would show them."""

COMMON = frozenset(
    {"true", "false", "null", "none", "undefined", "enabled", "disabled", "default"}
    | {"root", "admin", "user", "guest", "test", "tests", "prod", "local", "localhost"}
    | {"main", "master", "latest"}
)
"""Words that stand everywhere, too: nobody who makes such a value a secret hides anything by
it, and a log without them says nothing."""

_ENCODED = 8
"""Characters of an encoded value, or of a piece of it, that are worth hiding."""

_WRAPS = (76, 64)
"""Columns after which `base64` and `openssl` begin a new line (RFC 2045, RFC 7468)."""


class Mask:
    """The values of one attempt's secrets, by name."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._patterns = {
            pattern.encode("utf-8", "surrogateescape"): name
            for name, value in values.items()
            for pattern in _patterns(value)
        }

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def names_in(self, data: bytes) -> list[str]:
        """The secrets whose value, or a line of it, is there."""
        return sorted({name for pattern, name in self._patterns.items() if pattern in data})

    def text(self, text: str) -> str:
        """The text with every value hidden."""
        if not self._patterns:
            return text
        data = text.encode("utf-8", "surrogateescape")
        return b"".join(self.pieces(data, self.found(data))).decode("utf-8", "surrogateescape")

    def found(self, data: bytes) -> list[tuple[int, int]]:
        """Where values stand, in order; those that overlap are one."""
        places = sorted(place for pattern in self._patterns for place in _places(pattern, data))
        merged: list[tuple[int, int]] = []
        for start, end in places:
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged

    def pieces(self, data: bytes, found: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        at = 0
        for start, end in found:
            yield data[at:start]
            yield MASK
            at = end
        yield data[at:]

    def begun(self, data: bytes) -> int:
        """How many of the last bytes may be the beginning of a value."""
        return max((_begun(pattern, data) for pattern in self._patterns), default=0)


class MaskedStream:
    """Bytes as they come, given out once it is certain that no value begins in them."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._held = b""
        self._hidden = 0
        """Of the held bytes, how many have been given out as a mask before."""

    def feed(self, data: bytes) -> bytes:
        data = self._held + data
        return self._give(data, len(data) - self._mask.begun(data))

    def close(self) -> bytes:
        return self._give(self._held, len(self._held))

    def _give(self, data: bytes, upto: int) -> bytes:
        if not upto:
            self._held = data
            return b""
        found = _with_start(self._mask.found(data), self._hidden)
        out = b"".join(self._mask.pieces(data[:upto], _until(found, upto)))
        out = out[len(MASK) :] if self._hidden else out
        self._held = data[upto:]
        self._hidden = max(0, *(end - upto for start, end in found if start < upto), 0)
        return out


def _with_start(found: list[tuple[int, int]], hidden: int) -> list[tuple[int, int]]:
    """The places together with the first bytes, which are hidden already."""
    if not hidden:
        return found
    end, rest = hidden, []
    for place in found:
        if place[0] < end:
            end = max(end, place[1])
        else:
            rest.append(place)
    return [(0, end), *rest]


def _until(found: list[tuple[int, int]], upto: int) -> list[tuple[int, int]]:
    return [(start, min(end, upto)) for start, end in found if start < upto]


# --- values ----------------------------------------------------------------------------


def _patterns(value: str) -> Iterator[str]:
    """The value and its lines, and each as others write it."""
    for text in {value, value.strip(), *_lines(value)}:
        if len(text) >= SHORTEST and text.lower() not in COMMON:
            yield text
            yield json.dumps(text)[1:-1]
            yield json.dumps(text, ensure_ascii=False)[1:-1]
            yield text.replace("'", r"'\''")
            yield from _in_urls(text)
            yield from _in_base64(text.encode("utf-8", "surrogateescape"))


def _in_urls(text: str) -> Iterator[str]:
    data = text.encode("utf-8", "surrogateescape")
    for escaped in (quote(data, safe=""), quote(data), quote_plus(data)):
        yield escaped
        yield _lower_escapes(escaped)


def _lower_escapes(escaped: str) -> str:
    """`%2F` as `%2f`: both are written."""
    first, *others = escaped.split("%")
    return "%".join([first, *(other[:2].lower() + other[2:] for other in others)])


def _in_base64(data: bytes) -> Iterator[str]:
    """In each of the three ways in which it may stand within something longer (as the
    password in the header of HTTP's basic authentication does), in both alphabets; and
    encoded by itself, in lines."""
    for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            bits = 8 * (before + len(data))
            whole = encode(bytes(before) + data).decode()
            text = whole[-(-8 * before // 6) : bits // 6]  # what hangs on nothing around it
            if len(text) >= _ENCODED:
                yield text
    alone = base64.standard_b64encode(data).decode().rstrip("=")
    for width in _WRAPS:
        lines = [alone[at : at + width] for at in range(0, len(alone), width)]
        yield from (line for line in lines if len(line) >= _ENCODED)


def _lines(value: str) -> Iterator[str]:
    """Without the lines around a key or certificate: they are the same in all."""
    for line in value.splitlines():
        if not line.startswith("-----"):
            yield line.strip()


def _places(pattern: bytes, data: bytes) -> Iterator[tuple[int, int]]:
    at = data.find(pattern)
    while at >= 0:
        yield at, at + len(pattern)
        at = data.find(pattern, at + 1)


def _begun(pattern: bytes, data: bytes) -> int:
    """The longest end of `data` that is a beginning of the pattern, and not all of it."""
    at = data.find(pattern[:1], max(0, len(data) - len(pattern) + 1))
    while at >= 0:
        if pattern.startswith(data[at:]):
            return len(data) - at
        at = data.find(pattern[:1], at + 1)
    return 0
