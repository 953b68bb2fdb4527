"""Cron expressions and time zones, checked by the libraries that will read them."""

from __future__ import annotations

import re
from dataclasses import dataclass

ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

FIELDS = (
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of month", "1 to 31"),
    ("month", "1 to 12 or jan to dec"),
    ("day of week", "0 to 7 (0 and 7 are Sunday) or sun to sat"),
)
LONGEST = 200


@dataclass(frozen=True, slots=True)
class CronError(Exception):
    """What is wrong, and where in the text."""

    message: str
    start: int
    end: int
    help: str = ""


def five_fields(text: str) -> str:
    """The expression as five fields with one space between them.

    Raises:
        CronError: it is none, or would never fire.
    """
    found = [(match[0], match.start(), match.end()) for match in re.finditer(r"\S+", text)]
    if text.strip().startswith("@"):
        return _alias(text)
    if len(found) != 5 or len(text) > LONGEST:
        names = ", ".join(name for name, _ in FIELDS)
        message = f"a cron expression has five fields, and this has {len(found)}"
        raise CronError(message, 0, len(text), f"the fields are {names}: `0 2 * * mon-fri`")
    for at, (field, start, end) in enumerate(found):
        _check_field(at, field, start, end)
    joined = " ".join(field for field, _, _ in found)
    _check_fires(joined, found[2][1], found[3][2])
    return joined


def _alias(text: str) -> str:
    from tidelang.suggest import nearest

    known = ALIASES.get(text.strip().lower())
    if known:
        return known
    near = nearest(text.strip(), ALIASES)
    fix = f"did you mean `{near}`?" if near else f"known are {', '.join(ALIASES)}"
    raise CronError(f"there is no schedule `{text.strip()}`", 0, len(text), fix)


def _check_field(at: int, field: str, start: int, end: int) -> None:
    name, allowed = FIELDS[at]
    alone = ["*"] * 5
    alone[at] = field
    if not _reads(" ".join(alone)):
        raise CronError(f"`{field}` is no {name}", start, end, f"this field takes {allowed}, `*`, "
                        "a range `a-b`, a list `a,b` or a step `*/n`")  # fmt: skip


def _reads(text: str) -> bool:
    from datetime import datetime

    from cronsim import CronSim, CronSimError

    try:
        CronSim(text, datetime(2024, 1, 1))  # noqa: DTZ001  only the fields are read
    except (CronSimError, ValueError, OverflowError):
        return False
    return text.isascii()


def _check_fires(text: str, start: int, end: int) -> None:
    if not _reads(text):
        raise CronError("no month has such a day: this would never fire", start, end)


def zone_exists(name: str) -> bool:
    """Whether there is an IANA time zone of this name."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def nearest_zone(name: str) -> str | None:
    """The zone most likely meant: a near spelling, or one whose city it is."""
    from zoneinfo import available_timezones

    from tidelang.suggest import nearest

    zones = sorted(available_timezones())
    near = nearest(name, zones)
    city = name.rsplit("/", 1)[-1].replace(" ", "_").lower()
    return near or next((zone for zone in zones if zone.rsplit("/", 1)[-1].lower() == city), None)
