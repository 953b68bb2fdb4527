"""Requests to webhooks: is one signed, and if so, it is stored.

Who may not know a secret learns nothing from the answer: not whether there is such a webhook,
nor what is wrong with the signature. The log says it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

from tidemill.app.secrets import InstalledSecrets, installed_secrets
from tidemill.app.triggering import store_arrival
from tidemill.errors import TidemillError
from tidemill.model.signatures import Delivery, verified
from tidemill.model.triggers import ArrivalRow, key_of, parsed, secret_of, trigger_of
from tidemill.ports import Clock, Store, Transaction

log = logging.getLogger("tidemill")

KEPT = 10.0
"""Seconds for which a secret is kept: a flood of requests must not be one at its provider."""


class RefusedError(Exception):
    """A request that nothing is done about; why is for the log alone."""


class Webhooks:
    def __init__(self, store: Store, clock: Clock, root: Path) -> None:
        self._store = store
        self._clock = clock
        self._secrets: InstalledSecrets = installed_secrets(root)
        self._kept: dict[str, tuple[float, str]] = {}
        self._asking = asyncio.Lock()

    async def receive(self, name: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Stores a request to the webhook of this name; whether it is new.

        Raises:
            RefusedError: nothing shows that its sender may send it.
            PayloadError: its body is no JSON.
            UnavailableError: the database cannot be reached now.
        """
        wanted = await self._store.transact(lambda tx: _secrets_of(tx, name))
        if not wanted:
            raise RefusedError("no pipeline has such a webhook")
        now = self._clock.now()
        signed: dict[str, Delivery] = {}
        for secret in wanted:
            found = verified(headers, body, await self._secret(secret), now)
            if found is not None:
                signed[secret] = found
        if not signed:
            raise RefusedError("it is not signed with the secret, or too old")
        content = parsed(body)
        rows = [self._row(name, secret, found, content) for secret, found in signed.items()]
        stored = await self._store.transact(lambda tx: [store_arrival(tx, row) for row in rows])
        return any(stored)

    def _row(self, name: str, secret: str, found: Delivery, content: object) -> ArrivalRow:
        payload = {"sender": found.sender, "type": found.type, "delivery": found.id}
        return ArrivalRow(
            seq=0,
            kind="webhook",
            source=name,
            key=key_of(f"{secret}/{found.key}"),
            payload={**payload, "body": content},
            origin=secret,
            received_at=self._clock.now(),
        )

    async def _secret(self, name: str) -> str:
        """Its value; empty where it cannot be had, which nothing is signed with."""
        async with self._asking:
            until, value = self._kept.get(name, (0.0, ""))
            if until > self._clock.now():
                return value
            try:
                value = (await self._secrets.get([name]))[name]
            except TidemillError as error:
                log.error("a webhook cannot be asked: %s", error.message)
                value = ""
            self._kept[name] = (self._clock.now() + KEPT, value)
            return value

    async def close(self) -> None:
        await self._secrets.close()
        await self._store.close()


def _secrets_of(tx: Transaction, name: str) -> list[str]:
    """The names of the secrets of all webhooks of this name."""
    found: dict[str, None] = {}
    for row in tx.triggers_of(kind="webhook", source=name):
        _, trigger = trigger_of(tx.definition(row.digest), row.place)
        if secret := secret_of(trigger):
            found[secret] = None
    return list(found)
