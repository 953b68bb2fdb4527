"""A server that speaks S3, on loopback: moto's, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import fsspec

from fleet import free_ports

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
"""What its clients need in their environment."""


class S3Server:
    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._log = folder / "s3.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=log, stderr=log
            )
        for _ in range(600):
            if self._answers():
                return
            time.sleep(0.05)
        self.stop()
        raise AssertionError(self._log.read_text())

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.url, timeout=5).close()  # noqa: S310  it is on loopback
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def bucket(self, name: str) -> None:
        self.files().mkdir(name)

    def files(self) -> Any:
        """What is there, as a file system of fsspec."""
        return fsspec.filesystem(
            "s3", endpoint_url=self.url, key=KEYS["AWS_ACCESS_KEY_ID"],
            secret=KEYS["AWS_SECRET_ACCESS_KEY"], use_listings_cache=False,
        )  # fmt: skip

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
