"""Variables of the process."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from tidemill_secrets.settings import EnvSettings


class EnvSecrets:
    """See `tidemill.spi.SecretProvider`."""

    def __init__(self, settings: EnvSettings) -> None:
        self._prefix = settings.prefix

    async def get(self, names: Collection[str]) -> Mapping[str, str]:
        """An empty variable is what CI systems make of a secret that nobody has set."""
        found = {name: os.environ.get(self._prefix + name, "") for name in names}
        return {name: value for name, value in found.items() if value}

    async def close(self) -> None: ...
