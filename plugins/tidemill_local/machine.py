"""Whether this machine can keep the local executor's promise."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tidemill.spi import StartError


def check() -> None:
    """Raises: StartError: it cannot, and why."""
    if sys.platform != "linux":
        raise StartError(f"the local executor runs on Linux, not on {sys.platform}")
    if not Path("/proc/self/stat").exists():
        raise StartError("the local executor needs the /proc file system: mount it")
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        raise StartError(
            f"the local executor needs Linux 5.4 or newer (pidfd_open: {error.strerror})"
        ) from error
