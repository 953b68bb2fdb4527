"""Whose certificates are trusted."""

from __future__ import annotations

import asyncio
import ssl

from tidemill.spi import NotifyError


async def trusting(ca: str | None) -> ssl.SSLContext:
    """A context that checks certificates and names, by the file `ca` or by the system's.

    Made for each send: a file that was renewed is taken at once. Reading it takes some
    milliseconds, so it is done in a thread.

    Raises:
        NotifyError: the file cannot be used.
    """
    try:
        return await asyncio.to_thread(ssl.create_default_context, cafile=ca)
    except ssl.SSLError:
        problem = "holds no certificates"
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    raise NotifyError(f"the file of `ca`, {ca}, {problem}")
