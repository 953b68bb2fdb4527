"""The secrets of one attempt, on the worker: looked up, put where they are referred to,
and kept from everything that is stored or shown."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from tidelang.shell import check_environment
from tidemill.model.masking import Mask
from tidemill.model.messages import Order
from tidemill.model.settings import with_secrets
from tidemill.ports import Secrets

SALT = 16
"""Bytes."""


class Unlocked:
    """An order whose secrets are known."""

    def __init__(self, order: Order, known: Mapping[str, str]) -> None:
        self._order = order
        self._known = known
        self.mask = Mask(known)

    @property
    def env(self) -> dict[str, str]:
        """All variables.

        Raises:
            FillError: the system cannot pass one of them.
        """
        secret = {name: value.text(self._known) for name, value in self._order.secret_env.items()}
        env = {**self._order.env, **secret}
        if secret:
            check_environment(env)
        return env

    @property
    def settings(self) -> dict[str, Any]:
        """The executor's settings."""
        return with_secrets(self._order.settings, self._order.secret_settings, self._known)

    def seal(self, salt: bytes) -> str:
        """By which an attempt that is taken up again knows whether its secrets are still
        what they were. Slow on purpose, as for passwords: it is written to a disk. Empty
        where there are none."""
        if not self._known:
            return ""
        text = json.dumps(sorted(self._known.items())).encode()
        return salt.hex() + hashlib.scrypt(text, salt=salt, n=1 << 13, r=8, p=1).hex()

    def opens(self, seal: str) -> bool:
        """Whether these are the values that were sealed."""
        try:
            salt = bytes.fromhex(seal[: 2 * SALT])
        except ValueError:
            return False
        return hmac.compare_digest(self.seal(salt), seal)

    def problem(self, values: bytes) -> str | None:
        """Why these outputs may not be stored, if so: a secret is among them."""
        names = self.mask.names_in(values)
        if not names:
            return None
        which = " and ".join(names)
        return (
            f"the outputs hold the value of secret {which}; outputs are stored, so none may: "
            "let the step that wants it use the secret itself"
        )

    def kept_problem(self, kept: Mapping[str, Any]) -> str | None:
        """The same of outputs that have been read."""
        return self.problem(json.dumps(kept, ensure_ascii=False).encode("utf-8", "surrogateescape"))


async def unlock(order: Order, secrets: Secrets) -> Unlocked:
    """Looks up what an order refers to.

    Raises:
        TidemillError: a secret is not there.
    """
    values = [*order.secret_env.values(), *(value for _, value in order.secret_settings)]
    names = frozenset[str]().union(*(value.names for value in values))
    return Unlocked(order, await secrets.get(names) if names else {})
