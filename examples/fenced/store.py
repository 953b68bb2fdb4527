"""A store that takes a value only from the newest attempt, and each write only once.

store.py write VALUE     exits with 4 if the fence is older than one that was seen
store.py key             the idempotency key of the last write
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from pathlib import Path

FILE = Path("store.json")
REFUSED = 4


def write(value: str, fence: int, key: str) -> int:
    """Stores a value; the highest fence and the key of the last write stay with it."""
    with FILE.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        before = json.loads(file.read() or '{"fence": -1, "key": ""}')
        if key == before["key"]:
            print("already stored under this key")
            return 0
        if fence < before["fence"]:
            print(f"refused: fence {fence} is older than {before['fence']}")
            return REFUSED
        file.truncate(0)
        json.dump({"value": value, "fence": fence, "key": key}, file)
    print(f'stored "{value}" with fence {fence}')
    return 0


def main() -> int:
    if sys.argv[1:] == ["key"]:
        print(json.loads(FILE.read_text())["key"])
        return 0
    _, _, value = sys.argv
    return write(value, int(os.environ["TIDE_FENCE"]), os.environ["TIDE_IDEMPOTENCY_KEY"])


if __name__ == "__main__":
    sys.exit(main())
