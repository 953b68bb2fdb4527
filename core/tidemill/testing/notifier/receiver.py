"""The other end: what the author of a notifier supplies for the tests to look at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

from pydantic import BaseModel


class Mood(StrEnum):
    """How a receiver treats what it is sent.

    `BUSY` is a refusal that passes, `REFUSES` one for good; `CUTS` breaks the connection
    before it has answered, `HANGS` never answers, and `GONE` takes no connection at all.
    """

    TAKES = "takes"
    BUSY = "busy"
    REFUSES = "refuses"
    CUTS = "cuts"
    HANGS = "hangs"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that was taken: what it says, and the id by which a second delivery of it
    is told; None where the service has no place for one."""

    text: str
    id: str | None = None


class Receiver(ABC):
    """A server that notices are sent to, in the event loop of the test or elsewhere. It is
    entered before a test and left after it.

    `deliveries` are the messages that it has taken, in order. `secrets` are texts that may
    stand in no error and no log: passwords, tokens, parts of addresses; none of the
    notifier's own words may hold them by chance. `has_ids` is unset where the service has
    no place for an id, `tells_refusals` where a notifier cannot know `REFUSES` from `BUSY`.
    """

    has_ids = True
    tells_refusals = True

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.secrets: tuple[str, ...] = ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    @abstractmethod
    def settings(self, text: str) -> BaseModel:
        """Settings of a notice that is to say this, here."""

    @abstractmethod
    async def become(self, mood: Mood) -> None:
        """From now on it treats what it is sent so; `TAKES` is how it starts."""

    @abstractmethod
    def connections(self) -> int:
        """How many of the notifier's connections are open."""
