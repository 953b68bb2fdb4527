"""Whom of several receivers a notice has reached: those are not told again.

Only as long as this process lives: after a restart everybody is, as "at least once" has it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

_KEPT = 1000


class Progress:
    """Notices that have reached some of their receivers, the last thousand of them."""

    def __init__(self) -> None:
        self._reached: OrderedDict[str, set[str]] = OrderedDict()

    def left(self, notice: str, receivers: Iterable[str]) -> list[str]:
        """Those that it has not reached, each once, in order."""
        reached = self._reached.get(notice, set())
        return [each for each in dict.fromkeys(receivers) if each not in reached]

    def reached(self, notice: str, receivers: Iterable[str]) -> None:
        self._reached.setdefault(notice, set()).update(receivers)
        self._reached.move_to_end(notice)
        while len(self._reached) > _KEPT:
            self._reached.popitem(last=False)

    def forget(self, notice: str) -> None:
        self._reached.pop(notice, None)
