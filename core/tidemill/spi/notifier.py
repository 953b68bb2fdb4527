"""The notifier contract, as far as the language needs it.

What a notifier is handed and how delivery is retried is not settled yet: `Notifier` has
what is certain, and will get the rest before the first notifier is shipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel


class Notifier(Protocol):
    """Tells people of events in runs. One instance serves one process."""

    async def close(self) -> None:
        """Frees every resource."""


@dataclass(frozen=True, slots=True)
class NotifierType:
    """A notifier that a plugin offers: the word behind `notify` in a `.tide` file, the
    model of its settings, and how to make one.

    A setting of type `SecretStr` takes `secret("NAME")` in a file. One that is marked as a
    template (`Annotated[str, Template()]`) is a Jinja2 document, checked when the file is
    compiled. `on` is the language's own: no setting may have that name."""

    kind: str
    settings: type[BaseModel]
    factory: Callable[[], Notifier]
    description: str = ""
