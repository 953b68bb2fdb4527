"""What may happen to buckets of NATS' Object Store behind everybody's back."""

from __future__ import annotations

import asyncio
import hashlib

from tidemill.broker.access import NatsAccess
from tidemill.broker.connection import connect


def damage(url: str, bucket: str) -> None:
    """Puts something else in the place of the one object of a bucket."""

    async def run() -> None:
        client = await connect(NatsAccess(url), "damage")
        objects = await client.jetstream().object_store(bucket)
        (found,) = await objects.list(ignore_deletes=True)
        content = hashlib.sha256(b"noise").digest()
        await objects.put(found.name, content)
        await client.close()

    asyncio.run(run())
