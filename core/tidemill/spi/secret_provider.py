"""The contract of secret providers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel


class SecretProvider(Protocol):
    """Where values of secrets come from. One instance serves one process. Both methods are
    called on an event loop and must not block it."""

    async def get(self, names: Collection[str]) -> Mapping[str, str]:
        """The values of those that it has; the others are left out, and the next provider
        is asked for them. An empty value counts as none. Values are never kept longer than
        the process lives, and never written anywhere. It is asked once for each attempt of
        a step; asked for no names, by `tidemill doctor`, it finds out whether it works.

        Raises:
            SecretError: it cannot tell, or a value cannot be read. No other provider is
                asked then: a secret must not come from a place that nobody meant.
        """

    async def close(self) -> None:
        """Frees every resource."""


@dataclass(frozen=True, slots=True)
class ProviderContext:
    """`root` is the project's root, or the folder in which a worker was started: what
    relative paths in settings start from."""

    root: Path


@dataclass(frozen=True, slots=True)
class SecretProviderType:
    """A secret provider that a plugin offers: the word behind `provider` in a `[[secrets]]`
    table of `tidemill.toml`, the model of that table's other keys, and how to make one. The
    factory is given an instance of the model. `provider` is no name for a setting.

    `advice` says what a person is to do so that it has these secrets, in a clause such as
    `add A and B to secrets.env`; it is given the settings, and the names in order."""

    kind: str
    settings: type[BaseModel]
    factory: Callable[[Any, ProviderContext], SecretProvider]
    description: str = ""
    advice: Callable[[Any, Sequence[str]], str] | None = None
