"""Why a connection did not do its work, in words that hold nothing of an address.

Texts of libraries' exceptions are never passed on: they like to hold the whole URL.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from socket import gaierror

_CERTIFICATES = {
    10: "has expired",
    62: "is for another name",
    64: "is for another address",
}
"""By OpenSSL's `X509_V_ERR_…`; the others are all about who has signed it."""
_LONGEST = 300


def reason(error: BaseException, timeout: float) -> str:
    """What the receiver did, as the end of a sentence: `refused the connection`."""
    for each in _chain(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            code = getattr(each, "verify_code", None)
            if code is None:
                continue  # aiohttp's, which is one too and has the true one as its cause
            why = _CERTIFICATES.get(code, "is signed by nobody who is trusted")
            return f"cannot be trusted: its certificate {why}"
        if isinstance(each, ssl.SSLError):
            return "does not speak TLS as it should"
        if isinstance(each, ConnectionRefusedError):
            return "refused the connection"
        if isinstance(each, gaierror):
            return "cannot be found: its name has no address"
        if isinstance(each, TimeoutError):
            return f"did not answer within {timeout:g} s"
    return "cannot be reached" if _unreachable(error) else "broke the connection off"


def _unreachable(error: BaseException) -> bool:
    """An error of the system that is not about a connection that was there."""
    return any(
        isinstance(each, OSError) and each.errno and not isinstance(each, ConnectionError)
        for each in _chain(error)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def quoted(text: str, secrets: tuple[str, ...] = ()) -> str:
    """What a server has said, as one short line without these secrets."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        line = line.replace(secret, "***")
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"
