"""The notifier contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Notice:
    """One event that somebody is to be told of.

    `id` is the same however often the notice is sent: receivers that know it can tell a
    second delivery. `event` is a word behind `on` in a file (`failed`), or `test` for the
    message of `tidemill notify test`. `at` is when it happened, in seconds since the epoch
    in UTC. `run` has the fields that a template has (`id number pipeline due started
    trigger state attempt`), times as ISO 8601 in UTC or None. `step` is the key of the step
    that it is about, empty where it is the run; `detail` what there is to say of it. `tries`
    counts the times that it was sent before."""

    id: str
    event: str
    at: float
    run: dict[str, Any]
    step: str = ""
    detail: str = ""
    tries: int = 0


class Notifier(Protocol):
    """Tells people of events in runs. One instance serves one process, many notices at a
    time. Both methods are called on the event loop and must not block it."""

    async def send(self, notice: Notice, settings: BaseModel) -> None:
        """Delivers one notice, and returns when the receiver has taken it. `settings` is an
        instance of the model of the notifier's type: templates are filled in, secrets are
        their values. Cancelled where it takes longer than `NotifierType.timeout`.

        It is called again, with the same `Notice.id`, after every other end than a normal
        return, and also where this process dies before that return is stored: delivery is
        at least once. Notices of one run come one after the other, in order.

        Raises:
            NotifyError: it could not be delivered. Any other exception counts as one that
                may be tried again.
        """

    async def close(self) -> None:
        """Frees every resource."""


@dataclass(frozen=True, slots=True)
class NotifierType:
    """A notifier that a plugin offers: the word behind `notify` in a `.tide` file, the
    model of its settings, and how to make one.

    A setting of type `SecretStr` takes `secret("NAME")` in a file. One that is marked as a
    template (`Annotated[str, Template()]`) is a Jinja2 document, checked when the file is
    compiled and filled in before `send`; its default is one too. `on` is the language's
    own: no setting may have that name. `timeout` is in seconds."""

    kind: str
    settings: type[BaseModel]
    factory: Callable[[], Notifier]
    description: str = ""
    timeout: float = 30.0
