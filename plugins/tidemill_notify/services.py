"""`notify apprise`: any of the services that the apprise library knows.

The library says only whether a service has taken a message, so every refusal counts as one
that may pass. Its calls block and cannot be broken off: one that is cancelled goes on in its
thread until its own time-outs (`?cto=` and `?rto=` of an address; 4 seconds).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from pydantic import BaseModel

from tidemill.spi import Notice, NotifyError
from tidemill_notify.progress import Progress
from tidemill_notify.settings import AppriseSettings
from tidemill_notify.text import clean, one_line
from tidemill_notify.threads import NAME, Threads

_TALKERS = ("apprise", "oauthlib", "requests", "requests_oauthlib", "slixmpp", "urllib3")
_CONNECTIONS = "urllib3.connectionpool"
_TYPES = {
    "failed": "failure", "deadline_missed": "failure", "deadline_at_risk": "warning",
    "approval_needed": "warning", "succeeded": "success", "recovered": "success",
}  # fmt: skip


class AppriseNotifier:
    """See `tidemill.spi.Notifier`."""

    def __init__(self) -> None:
        self._threads = Threads()
        self._progress = Progress()

    async def send(self, notice: Notice, settings: BaseModel) -> None:
        if not isinstance(settings, AppriseSettings):
            raise TypeError("these are not the settings of an apprise notifier")
        urls = [url.get_secret_value() for url in settings.urls]
        left = self._progress.left(notice.id, urls)
        telling = _Telling(
            title=one_line(settings.title),
            body=clean(settings.message),
            type=_TYPES.get(notice.event, "info"),
        )
        problems: list[NotifyError] = []
        for url in left:  # one by one, so that it is known who has got it
            problem = await self._threads.run(partial(telling.to, url, urls.index(url)))
            if problem is None:
                self._progress.reached(notice.id, [url])
            else:
                problems.append(problem)
        if problems:
            raise _together(problems)
        self._progress.forget(notice.id)

    async def close(self) -> None:
        """There is nothing to free."""


class _Telling:
    """One notice, for any of its addresses. Called in a thread."""

    def __init__(self, *, title: str, body: str, type: str) -> None:  # noqa: A002
        self._message = {"title": title, "body": body, "notify_type": type}

    def to(self, url: str, place: int) -> NotifyError | None:
        """What went wrong, told without the address: by its place in `urls`."""
        _silence()
        try:
            import apprise
        except ModuleNotFoundError:
            return NotifyError(
                "the apprise notifier needs the package apprise: pip install 'tidemill[apprise]'"
            )
        asset = apprise.AppriseAsset(storage_mode="memory", storage_path=None)
        service = apprise.Apprise.instantiate(url, asset=asset)
        if service is None:
            words = f"address {place + 1} of `urls` is none that apprise understands"
            return NotifyError(words, permanent=True)
        try:
            taken = service.notify(body_format=apprise.NotifyFormat.TEXT, **self._message)
        except Exception:  # noqa: BLE001  a plugin of apprise; its text may hold the address
            taken = False
        name = one_line(str(service.service_name))
        return None if taken else NotifyError(f"address {place + 1} of `urls` ({name}) failed")


def _together(problems: Sequence[NotifyError]) -> NotifyError:
    text = "; ".join(str(problem) for problem in problems)
    return NotifyError(text, permanent=all(problem.permanent for problem in problems))


def _silence() -> None:
    """Apprise and what it calls write whole addresses into their logs. What is done in other
    threads by the same libraries (the Docker executor's) is let through."""
    for name in (*_TALKERS, _CONNECTIONS):
        logging.getLogger(name).addFilter(_discreet)  # once, however often it is called


def _discreet(record: logging.LogRecord) -> bool:
    return record.threadName != NAME and not record.name.startswith("apprise")
