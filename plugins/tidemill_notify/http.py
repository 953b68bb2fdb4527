"""One POST, and what its answer means: what Slack and webhooks have in common.

Connections are not kept: notices are rare, and one that was closed meanwhile would look
like a failure. Of an answer's body no more than its first bytes is read.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from tidemill.spi import NotifyError
from tidemill_notify.failures import reason
from tidemill_notify.tls import trusting

if TYPE_CHECKING:
    import aiohttp

_WORTH_READING = 256
_PASSING = frozenset({408, 425, 429})
_LONGEST_WAIT = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Call:
    """`timeout` is in seconds. `who` is what the receiver is called in an error: nothing of
    its address."""

    who: str
    url: str
    body: bytes
    headers: Mapping[str, str]
    timeout: float
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` is how its body begins."""

    status: int
    text: str
    retry_after: float | None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class HttpClient:
    """One a notifier. The session is made when it is first used: on the loop."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(self, call: Call) -> Answer:
        """Raises: NotifyError: no answer came."""
        session = self._opened(call.who)
        context = await trusting(call.ca)
        import aiohttp

        try:
            return await self._post(session, call, context)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            problem = reason(error, call.timeout)
        # Here, and not where it is caught, so that nothing hangs on it that holds the address.
        raise NotifyError(f"{call.who} {problem}")

    async def _post(
        self, session: aiohttp.ClientSession, call: Call, context: ssl.SSLContext
    ) -> Answer:
        import aiohttp

        async with session.post(
            call.url,
            data=call.body,
            headers=call.headers,
            ssl=context,
            proxy=_proxy(call.url),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=call.timeout),
        ) as response:
            # An error's word is of use, a body that breaks off changes nothing.
            begins = b"" if response.ok else await _beginning(response)
            wait = _seconds(response.headers.get("Retry-After", ""))
            return Answer(response.status, begins.decode("utf-8", "replace"), wait)

    def _opened(self, who: str) -> aiohttp.ClientSession:
        try:
            import aiohttp
        except ModuleNotFoundError:
            message = f"{who} is reached by the package aiohttp: pip install 'tidemill[notify]'"
            raise NotifyError(message) from None
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "tidemill"},
                auto_decompress=False,
            )
        return self._session

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    import aiohttp

    try:
        return await response.content.read(_WORTH_READING)
    except (aiohttp.ClientError, OSError):
        return b""


def _proxy(url: str) -> str | None:
    """The proxy of the environment (`HTTPS_PROXY`, `NO_PROXY`). Not aiohttp's own look
    there, which would send passwords of `~/.netrc` along."""
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    return getproxies().get(parts.scheme)


def _seconds(text: str) -> float | None:
    """Of a `Retry-After`: seconds from now, or a date."""
    if re.fullmatch(r"[0-9]{1,9}", text.strip()):
        return min(float(text), _LONGEST_WAIT)
    try:
        wait = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait, 0.0), _LONGEST_WAIT)


def refuse(who: str, answer: Answer, words: str = "") -> NoReturn:
    """What an answer that is not 2xx means. `words` is what the receiver said, if it is
    known to hold no secret."""
    status = answer.status
    if 300 <= status < 400:
        message = f"{who} has moved (HTTP {status}): give its new address"
        raise NotifyError(message, permanent=True)
    said = f": {words}" if words else ""
    passing = status >= 500 or status in _PASSING
    message = f"{who} {'failed' if passing else 'refused the message'} (HTTP {status}){said}"
    raise NotifyError(message, permanent=not passing, retry_after=answer.retry_after)
