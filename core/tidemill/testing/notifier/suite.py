"""The suite as a whole: what an author supplies, and the themes put together."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tidemill.testing.notifier.bench import Bench, Subject
from tidemill.testing.notifier.delivery import Delivering
from tidemill.testing.notifier.failing import Failing
from tidemill.testing.notifier.lifecycle import Lifecycle


class NotifierConformance(Delivering, Failing, Lifecycle, Subject):
    """Subclass it as `Test…`, and supply `notifier_type` and `receiver`."""

    @pytest_asyncio.fixture
    async def bench(self) -> AsyncIterator[Bench]:
        """A fresh notifier and its receiver."""
        async with self.receiver() as receiver:
            notifier = self.notifier_type().factory()
            try:
                yield Bench(notifier, receiver)
            finally:
                await notifier.close()
