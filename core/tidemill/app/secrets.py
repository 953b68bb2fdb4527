"""Where secrets come from: for now, the environment of the `tidemill` process.

Further providers are asked here, in a configured order, before it is said that one is
missing.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from tidemill.errors import UsageError


class EnvironmentSecrets:
    """See `tidemill.ports.Secrets`."""

    async def get(self, names: Collection[str]) -> Mapping[str, str]:
        self.require(names)
        return {name: os.environ[name] for name in names}

    def missing(self, names: Collection[str]) -> list[str]:
        """Those that are not there. An empty one counts as missing: it is what CI systems
        make of a secret that nobody has set."""
        return sorted(name for name in names if not os.environ.get(name))

    def require(self, names: Collection[str]) -> None:
        """Raises:
        UsageError: some are not there; all of them are named.
        """
        missing = self.missing(names)
        if not missing:
            return
        what = f"secret {missing[0]} is" if len(missing) == 1 else f"secrets {_and(missing)} are"
        variables = "variable" if len(missing) == 1 else "variables"
        raise UsageError(
            f"{what} not set",
            f"set the environment {variables} {_and(missing)} for the `tidemill` that runs it",
        )


def _and(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
