"""Hiding the values of secrets in what a step puts out, however it comes in pieces.

They are hidden as they are, and as they stand in JSON, in base64, in a URL and in what a
shell shows of its commands; a longer one also where something has broken it into lines.
What cannot be known here cannot be hidden: a value that a step has reversed, taken apart or
encoded in another way.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

from tidemill.model.masking.joined import Joined
from tidemill.model.masking.patterns import Patterns

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

_WRAPPED = 12
"""Bytes of a value that is also found where it is broken into lines. The parts of a shorter
one stand one below the other by chance."""

_BEFORE_A_BREAK = 4
"""Bytes of a value before its first line break that are worth hiding."""

_FAR = 4 * 1024
"""Bytes that are looked back on; more than that is no wrapping."""


class Mask:
    """The values of one attempt's secrets, by name."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._names = {
            pattern.encode("utf-8", "surrogateescape"): name
            for name, value in values.items()
            for pattern in _patterns(value)
        }
        wrapped = {pattern for pattern in self._names if _may_be_wrapped(pattern)}
        self._wrapped = Patterns(wrapped)
        self._exact = Patterns(self._names.keys() - wrapped)

    def __bool__(self) -> bool:
        return bool(self._names)

    def names_in(self, data: bytes) -> list[str]:
        """The secrets whose value, or a line of it, is there."""
        return sorted({self._names[pattern] for _, _, pattern in self._places(data, b"")})

    def text(self, text: str) -> str:
        """The text with every value hidden."""
        if not self._names:
            return text
        data = text.encode("utf-8", "surrogateescape")
        return b"".join(self.pieces(data, self.found(data))).decode("utf-8", "surrogateescape")

    def found(self, data: bytes, before: bytes = b"") -> list[tuple[int, int]]:
        """Where values stand, in order; those that overlap are one. `before` is what stands
        in front of the data, as far as `context` keeps it."""
        places = sorted((start, end) for start, end, _ in self._places(data, before))
        merged: list[tuple[int, int]] = []
        for start, end in places:
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged

    def _places(self, data: bytes, before: bytes) -> Iterator[tuple[int, int, bytes]]:
        for at, pattern in self._exact.places(data):
            yield at, at + len(pattern), pattern
        if not self._wrapped:
            return
        joined = Joined(before + data)
        for at, pattern in self._wrapped.places(joined.text):
            start, last = _shown(joined, at, at + len(pattern)), at + len(pattern) - 1
            end = joined.original(last) + 1 - len(before)
            if end > 0:
                yield max(start - len(before), 0), end, pattern

    def pieces(self, data: bytes, found: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        at = 0
        for start, end in found:
            yield data[at:start]
            yield MASK
            at = end
        yield data[at:]

    def begun(self, data: bytes, before: bytes = b"") -> int:
        """How many of the last bytes may be the beginning of a value."""
        most = self._exact.begun(data)
        if self._wrapped:
            joined = Joined(before + data)
            size = self._wrapped.begun(joined.text)
            if size:
                start = _shown(joined, len(joined) - size, len(joined) + 1)
                most = max(most, min(len(before) + len(data) - start, len(data)))
        return most

    def context(self, given: bytes) -> bytes:
        """What has to be known of bytes that are gone, to find what was wrapped behind them."""
        if not self._wrapped:
            return b""
        near = given[-_FAR:]
        line = near.rstrip(b" \t\r\n")
        line += near[len(line) :].partition(b"\n")[0].partition(b"\r")[0]
        end = b"\n" if len(line) < len(near) else b""
        return re.split(rb"[\r\n]", line[-_BEFORE_A_BREAK + 1 :])[-1] + end


def _shown(joined: Joined, start: int, end: int) -> int:
    """Where in the data the part of a value begins that is to be hidden. Of one that is
    wrapped after a few characters these stay: else every line that ends in such characters
    would have to wait for the next."""
    after = joined.first_break(start, end)
    if after is None or after - start >= _BEFORE_A_BREAK:
        return joined.original(start)
    return joined.original(after)


class MaskedStream:
    """Bytes as they come, given out once it is certain that no value begins in them."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._before = b""
        """What of the bytes that are gone still matters."""
        self._held = b""
        self._hidden = 0
        """Of the held bytes, how many have been given out as a mask before."""

    def feed(self, data: bytes) -> bytes:
        data = self._held + data
        return self._give(data, len(data) - self._mask.begun(data, self._before))

    def close(self) -> bytes:
        return self._give(self._held, len(self._held))

    def _give(self, data: bytes, upto: int) -> bytes:
        if not upto:
            self._held = data
            return b""
        found = _with_start(self._mask.found(data, self._before), self._hidden)
        out = b"".join(self._mask.pieces(data[:upto], _until(found, upto)))
        out = out[len(MASK) :] if self._hidden else out
        self._before = self._mask.context(self._before + data[:upto])
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
    password in the header of HTTP's basic authentication does), in both alphabets."""
    for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            bits = 8 * (before + len(data))
            whole = encode(bytes(before) + data).decode()
            text = whole[-(-8 * before // 6) : bits // 6]  # what hangs on nothing around it
            if len(text) >= _ENCODED:
                yield text


def _may_be_wrapped(pattern: bytes) -> bool:
    """Whether it is also looked for with line breaks in it: not where it has some."""
    return len(pattern) >= _WRAPPED and not re.search(rb"^[ \t]|[\r\n]", pattern)


def _lines(value: str) -> Iterator[str]:
    """Without the lines around a key or certificate: they are the same in all."""
    for line in value.splitlines():
        if not line.startswith("-----"):
            yield line.strip()
