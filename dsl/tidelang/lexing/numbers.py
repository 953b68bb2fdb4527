"""Which word that starts with a digit is a number, a duration or a size; and its value.

`1_000` `1.5`; `500ms` `1h30m` `1.5s` `7d`, units from large to small, each once;
`512MiB` `10MB`: decimal units count in thousands, the ones with `i` in 1,024.
"""

from __future__ import annotations

import re
from fractions import Fraction

from tidelang.limits import INTEGER

DURATIONS = {
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1000,
    "ms": 1,
}
SIZES = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_DIGITS = r"\d+(?:_\d+)*"
_AMOUNT = rf"{_DIGITS}(?:\.{_DIGITS})?"
_NUMBER = re.compile(_AMOUNT, re.ASCII)
_DURATION = re.compile(rf"{_AMOUNT}(?:ms|[wdhms])(?:{_AMOUNT}(?:ms|[wdhms]))*", re.ASCII)
_PART = re.compile(rf"({_AMOUNT})(ms|[wdhms])", re.ASCII)
_SIZE = re.compile(rf"({_AMOUNT})([KMGT]i?B|B)", re.ASCII)
_SLIPS = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "min": "m", "mins": "m",
    "minute": "m", "minutes": "m", "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
    "day": "d", "days": "d", "week": "w", "weeks": "w", "k": "KB", "kb": "KB", "ki": "KiB",
    "kib": "KiB", "mb": "MB", "mi": "MiB", "mib": "MiB", "g": "GB", "gb": "GB", "gi": "GiB",
    "gib": "GiB", "t": "TB", "tb": "TB", "ti": "TiB", "tib": "TiB", "b": "B",
}  # fmt: skip


class NumberError(Exception):
    """`message` says what is wrong with the word; `better`, how to write it, if known."""

    def __init__(self, message: str, better: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.better = better


def kind(word: str) -> str:
    """`NUMBER`, `DURATION` or `SIZE`.

    Raises NumberError where it is none of them, or too large."""
    if _NUMBER.fullmatch(word):
        number(word)
        return "NUMBER"
    if _SIZE.fullmatch(word):
        size(word)
        return "SIZE"
    if _DURATION.fullmatch(word):
        duration(word)
        return "DURATION"
    raise _unknown(word)


def number(word: str) -> int | float:
    """The value of a NUMBER."""
    if len(word) > 40:
        raise NumberError("this number has too many digits")
    if "." in word:
        return float(word)
    return _bounded(Fraction(int(word)), "number")


def duration(word: str) -> int:
    """Milliseconds of a DURATION."""
    parts = _PART.findall(word)
    units = [DURATIONS[unit] for _, unit in parts]
    if sorted(units, reverse=True) != units or len(set(units)) != len(units):
        raise NumberError("the units of a duration go from large to small, each once: `1h30m`")
    return _bounded(sum(_amount(amount) * DURATIONS[unit] for amount, unit in parts), "duration")


def size(word: str) -> int:
    """Bytes of a SIZE."""
    amount, unit = _SIZE.findall(word)[0]
    return _bounded(_amount(amount) * SIZES[unit], "size")


def _amount(digits: str) -> Fraction:
    if len(digits) > 40:
        raise NumberError("this number has too many digits")
    return Fraction(digits.replace("_", ""))


def _bounded(value: Fraction | int, what: str) -> int:
    whole = int(value)
    if whole != value:
        least = "milliseconds" if what == "duration" else "bytes"
        raise NumberError(f"this {what} is not a whole number of {least}")
    if whole > INTEGER:
        raise NumberError(f"this {what} is too large; the largest is {INTEGER}")
    return whole


def _unknown(word: str) -> NumberError:
    match = re.match(rf"({_DIGITS}(?:\.{_DIGITS})*)(.*)", word, re.ASCII)
    digits, unit = (match[1], match[2]) if match else (word, "")
    if digits.count(".") > 1:
        return NumberError("this number has two decimal points")
    if unit.startswith("_"):
        return NumberError("in a number, `_` stands between two digits", digits)
    from difflib import get_close_matches  # slow to load, and seldom needed

    known = [*DURATIONS, *SIZES]
    near = [_SLIPS[unit.lower()]] if unit.lower() in _SLIPS else get_close_matches(unit, known, 1)
    return NumberError(f"there is no unit `{unit}`", digits + near[0] if near else None)
