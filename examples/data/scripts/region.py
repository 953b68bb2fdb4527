"""Sums up one region. What it prints is appended to `$TIDE_OUTPUT`.

Usage: region.py ZONES REGION
"""

from __future__ import annotations

import csv
import json
import statistics
import sys
from pathlib import Path


def main(zones: Path, region: str) -> None:
    with zones.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["region"] == region]
    ahead = {row["zone"]: int(row["ahead"]) for row in rows}
    furthest = max(ahead, key=lambda zone: (abs(ahead[zone]), zone))
    print(f"zones={len(rows)}")
    print(f"mean={statistics.fmean(ahead.values()):.1f}")
    print(f"furthest={furthest}")
    print(f"by={ahead[furthest]}")
    print(f"ahead={json.dumps(sorted(ahead.values()))}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
