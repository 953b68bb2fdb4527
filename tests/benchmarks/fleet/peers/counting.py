"""How a peer's task says that it has run: by a byte at the end of a file. A write of one byte
takes microseconds, and is the same for all of them, whatever a worker is made of."""

from __future__ import annotations

import os

STEP_SECONDS = 0.01
"""What a step of the sequential case takes."""

_file = os.open(os.environ["BENCH_COUNT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def done() -> None:
    os.write(_file, b".")
