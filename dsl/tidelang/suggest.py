"""Which known name a misspelt one most likely means.

Cheap at any size: a small set is compared one by one; in a large one only names that are
one edit away on both sides are looked at, through an index made at the first question.
"""

from __future__ import annotations

from collections.abc import Iterable

_SMALL = 200


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The nearest of a few names, or None where none is near. A word of three letters or
    more may also be the start of just one name."""
    names = [name for name in known if name != word]
    if best := _best(word, [(distance(word, name), name) for name in names]):
        return best
    longer = [name for name in names if len(word) > 2 and name.startswith(word)]
    return longer[0] if len(longer) == 1 else None


def _best(word: str, near: list[tuple[int, str]]) -> str | None:
    limit = max(1, min(3, (len(word) + 1) // 3))
    cost, name = min(near, default=(limit + 1, ""), key=lambda pair: (pair[0], pair[1]))
    return name if cost <= limit and cost < len(word) else None


def distance(one: str, other: str, limit: int = 3) -> int:
    """Edits between two words, where swapping neighbours is one; more than `limit` is
    only said to be more."""
    if abs(len(one) - len(other)) > limit or max(len(one), len(other)) > 80:
        return limit + 1
    if one.lower() == other.lower():
        return 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return row[-1]


class Names:
    """A set of names that is asked many times."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known = tuple(dict.fromkeys(known))
        self._index: dict[str, list[str]] | None = None

    def nearest(self, word: str) -> str | None:
        if len(self._known) <= _SMALL:
            return nearest(word, self._known)
        index = self._indexed()
        near = {name for key in _shortened(word) for name in index.get(key, ())[:_SMALL]}
        return nearest(word, near)

    def _indexed(self) -> dict[str, list[str]]:
        if self._index is None:
            self._index = {}
            for name in self._known:
                for key in _shortened(name):
                    self._index.setdefault(key, []).append(name)
        return self._index


def _shortened(word: str) -> set[str]:
    """The word, and all that is left of it with one letter missing."""
    short = word[:80]
    return {short, *(short[:at] + short[at + 1 :] for at in range(len(short)))}


def listed(names: Iterable[str], most: int = 12, last: str = "and") -> str:
    """`a, b and c` for messages, shortened where there are many."""
    known = [f"`{name}`" for name in names]
    if len(known) > most:
        return f"{', '.join(known[:most])} and {len(known) - most} more"
    return f" {last} ".join([", ".join(known[:-1]), known[-1]] if len(known) > 1 else known)
