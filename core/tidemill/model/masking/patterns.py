"""Finding any of a number of byte strings, in time that does not grow with their number."""

from __future__ import annotations

from collections.abc import Collection, Iterator

FEW = 32
"""So many may have begun at the end of the data: each is tried. Of more of them (the lines of
a key, each as others write it) only those that the last bytes allow."""

MANY = 500
"""So many are looked for one by one, which the machine does very fast. More are looked for
together, a byte at a time."""

_HEAD = 4
"""Bytes by which patterns are told apart: no pattern is shorter."""


class Patterns:
    """Byte strings of at least four bytes."""

    def __init__(self, patterns: Collection[bytes]) -> None:
        self._all = tuple(patterns)
        self._longest = max(map(len, self._all), default=0)
        self._by_head: dict[bytes, list[bytes]] = {}
        self._beginnings: frozenset[bytes] = frozenset()
        if len(self._all) > min(FEW, MANY):
            for pattern in self._all:
                self._by_head.setdefault(pattern[:_HEAD], []).append(pattern)
            self._beginnings = frozenset(
                head[:size] for head in self._by_head for size in range(1, _HEAD)
            )

    def __bool__(self) -> bool:
        return bool(self._all)

    def places(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Where patterns stand, in no order; they may overlap."""
        if len(self._all) > MANY:
            yield from self._places_together(data)
            return
        for pattern in self._all:
            at = data.find(pattern)
            while at >= 0:
                yield at, pattern
                at = data.find(pattern, at + 1)

    def begun(self, data: bytes) -> int:
        """How many of the last bytes are the beginning of a pattern, and not all of it: the
        most there can be."""
        if self._by_head:
            return self._begun_together(data)
        return max((_begun(pattern, data) for pattern in self._all), default=0)

    def _places_together(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        heads = self._by_head
        for at in range(len(data) - _HEAD + 1):
            for pattern in heads.get(data[at : at + _HEAD], ()):
                if data.startswith(pattern, at):
                    yield at, pattern

    def _begun_together(self, data: bytes) -> int:
        for at in range(max(0, len(data) - self._longest + 1), len(data)):
            head = data[at : at + _HEAD]
            if len(head) < _HEAD:
                begun = head in self._beginnings
            else:
                rest = data[at:] if head in self._by_head else b""
                begun = any(_begins(pattern, rest) for pattern in self._by_head.get(head, ()))
            if begun:
                return len(data) - at
        return 0


def _begins(pattern: bytes, rest: bytes) -> bool:
    return len(rest) < len(pattern) and pattern.startswith(rest)


def _begun(pattern: bytes, data: bytes) -> int:
    """The longest end of `data` that is a beginning of the pattern, and not all of it."""
    at = data.find(pattern[:1], max(0, len(data) - len(pattern) + 1))
    while at >= 0:
        if pattern.startswith(data[at:]):
            return len(data) - at
        at = data.find(pattern[:1], at + 1)
    return 0
