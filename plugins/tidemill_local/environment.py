"""Which variables of the worker's own environment a step inherits.

A step is to do the same whoever starts it from wherever, so it gets what a program needs
to find its home, its language and its certificates, and nothing that happens to be set:
no credentials, no `PYTHONPATH`, no `GIT_*`. A pipeline asks for more by `inherit`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

INHERITED = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "TERM",
        "LANG",
        "LANGUAGE",
        "TZ",
        "XDG_RUNTIME_DIR",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "all_proxy",
    }
)
"""And every name that starts with `LC_`."""


def inherited(extra: Iterable[str] = ()) -> dict[str, str]:
    """The variables that a step inherits, as they are now."""
    more = frozenset(extra)
    return {
        name: value
        for name, value in os.environ.items()
        if name in INHERITED or name.startswith("LC_") or name in more
    }
