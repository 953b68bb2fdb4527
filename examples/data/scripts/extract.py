"""Joins the two tables of the tz database into one CSV: a row for each time zone.

Usage: extract.py ZONE1970 TZDATA TARGET

`solar` is what the clock would show if it followed the sun over the zone's principal
city (4 minutes for each degree of longitude), `standard` what it shows in winter, both
in minutes from UTC. `ahead` is their difference; the date line does not count.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path

PLACE = re.compile(r"([+-]\d+)([+-]\d+)")
DAY, HALF_DAY = 1440, 720
FIELDS = ("region", "zone", "country", "latitude", "longitude", "standard", "solar", "ahead")


def main(places: Path, rules: Path, target: Path) -> None:
    standard = dict(standard_times(rules.read_text(encoding="utf-8").splitlines()))
    rows = [row_of(line, standard) for line in places.read_text(encoding="utf-8").splitlines()
            if line and not line.startswith("#")]  # fmt: skip
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} zones of tz {rules.read_text(encoding='utf-8').split(maxsplit=3)[2]}")


def standard_times(lines: list[str]) -> Iterator[tuple[str, int]]:
    """Each zone's standard time now: the last line of its entry has no end date.

    An entry is `Z name offset rules format [until]` and lines of `offset rules …`; in
    between stand rules (`R`) and links (`L`)."""
    zone = ""
    for line in lines:
        kind, *fields = line.split()
        if kind == "Z":
            zone, offset = fields[0], fields[1]
        elif kind in {"R", "L", "#"}:
            zone = ""
        else:
            offset = kind
        if zone:
            yield zone, minutes(offset)


def minutes(offset: str) -> int:
    """`-3:30` and `5:45` in minutes; seconds, which only old entries have, are dropped."""
    hours, minute, *_ = [*offset.lstrip("-").split(":"), "0"]
    return (int(hours) * 60 + int(minute)) * (-1 if offset.startswith("-") else 1)


def degrees(text: str, digits: int) -> float:
    """ISO 6709: `+4823` or `-0031540` as degrees, `digits` of them before the minutes."""
    sign, number = (-1 if text[0] == "-" else 1), text[1:]
    whole, minute, second = number[:digits], number[digits : digits + 2], number[digits + 2 :]
    return sign * (int(whole) + int(minute) / 60 + int(second or 0) / 3600)


def row_of(line: str, standard: dict[str, int]) -> dict[str, object]:
    countries, place, zone, *_ = line.split("\t")
    match = PLACE.fullmatch(place)
    if match is None:
        sys.exit(f"extract.py: {zone} has no place that can be read: {place!r}")
    latitude, longitude = degrees(match[1], 2), degrees(match[2], 3)
    solar = round(longitude * 4)
    return {
        "region": zone.split("/")[0],
        "zone": zone,
        "country": countries.split(",")[0],
        "latitude": f"{latitude:.2f}",
        "longitude": f"{longitude:.2f}",
        "standard": standard[zone],
        "solar": solar,
        "ahead": (standard[zone] - solar + HALF_DAY) % DAY - HALF_DAY,
    }


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
