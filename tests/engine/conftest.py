from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from engine_bench import Bench

from tidemill.spi import exited


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Steps succeed at once unless the test says otherwise."""
    bench = Bench(tmp_path, lambda _: exited(0))
    try:
        yield bench
    finally:
        await bench.close()
