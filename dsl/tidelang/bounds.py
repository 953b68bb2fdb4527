"""How large a value may grow, and how much work one expression may be.

Whatever a file says, working out its expressions ends soon and fits into memory. Limits
on the text of a file belong to `tidelang.limits`.
"""

from __future__ import annotations

from tidelang.values import Value

MAX_TEXT = 1 << 20
"""characters in one string"""
MAX_ITEMS = 100_000
"""items in one value, those of nested lists and maps counted too"""
MAX_WORK = 1_000_000
"""items that one expression may touch while it is worked out"""
MAX_INT = (1 << 63) - 1
MAX_INSTANCES = 10_000
"""instances of one step"""
MAX_DEPTH = 300
"""nesting of expressions; the parser's own limit is lower"""


class EvaluationError(Exception):
    """An expression has no value, and why: one plain sentence for the file's author."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class MissingError(EvaluationError):
    """What is asked for is not there; `default(x, y)` gives `y` then."""


def weigh(value: Value, limit: int) -> int:
    """Items in a value, nested ones included; stops counting soon after `limit`.

    A string weighs one item for each 256 characters."""
    total = 0
    left: list[Value] = [value]
    while left and total <= limit:
        item = left.pop()
        if isinstance(item, str):
            total += len(item) >> 8
        elif isinstance(item, list):
            total += len(item)
            left.extend(item)
        elif isinstance(item, dict):
            total += len(item)
            left.extend(item.values())
    return total


def whole(number: int) -> int:
    """The same number, if it fits 64 bits."""
    if -MAX_INT <= number <= MAX_INT:
        return number
    raise EvaluationError("a whole number is larger than 64 bits")


def text(value: str) -> str:
    """The same text, if it is not too long."""
    text_length(len(value))
    return value


def text_length(length: int) -> int:
    """The same length, if a text may have it."""
    if length > MAX_TEXT:
        raise EvaluationError(f"a text is longer than {MAX_TEXT:,} characters")
    return length


def items(count: int) -> int:
    """The same count, if a list may have so many items."""
    if count > MAX_ITEMS:
        raise EvaluationError(f"a list would have {count:,} items, more than {MAX_ITEMS:,}")
    return count
