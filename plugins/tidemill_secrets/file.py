"""Entries of a file, which may be encrypted. It is read anew for every question."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tidemill.spi import SecretError
from tidemill_secrets.formats import FormatError, read_dotenv, read_json
from tidemill_secrets.process import LARGEST, ask
from tidemill_secrets.settings import FileSettings

_SOPS_VALUE = "ENC[AES256_GCM,"
_AGE_STARTS = (b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")
_OTHERS = stat.S_IROTH | stat.S_IWOTH
_NO_KEY = 128
"""What SOPS exits with where no key opens the file."""


class FileSecrets:
    """See `tidemill.spi.SecretProvider`."""

    def __init__(self, settings: FileSettings, root: Path) -> None:
        self._settings = settings
        self._root = root
        self._path = _place(root, settings.path)

    async def get(self, names: Collection[str]) -> Mapping[str, str]:
        entries = await self._entries()
        values = {name: self._text(name, entries[name]) for name in names if name in entries}
        return {name: value for name, value in values.items() if value}

    async def close(self) -> None: ...

    def _text(self, name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise self._error(f"{name} is no text: put it in quotes")
        if value.startswith(_SOPS_VALUE):
            raise self._error('it is encrypted with SOPS: set encryption = "sops"')
        return value

    async def _entries(self) -> Mapping[str, Any]:
        content = await asyncio.to_thread(self._content)
        if content is None:
            return {}
        if self._settings.encryption != "none":
            content = await self._decrypted()
        try:
            text = content.decode("utf-8-sig")
            return read_json(text) if self._settings.written_as == "json" else read_dotenv(text)
        except UnicodeDecodeError:
            raise self._error("it is not UTF-8") from None
        except FormatError as error:
            raise self._error(str(error)) from None

    def _content(self) -> bytes | None:
        """What stands in the file; None where it need not be there and is not."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                self._require_private(status)
                content = file.read(LARGEST + 1)
        except FileNotFoundError:
            if self._settings.optional:
                return None
            raise self._error("there is no such file") from None
        except OSError as error:
            raise self._error(f"it cannot be read: {error.strerror}") from None
        if len(content) > LARGEST:
            raise self._error(f"it is larger than {LARGEST >> 20} MiB")
        if self._settings.encryption == "none" and content.startswith(_AGE_STARTS):
            raise self._error('it is encrypted with age: set encryption = "age"')
        return content

    def _require_private(self, status: os.stat_result) -> None:
        """Of a file that is not encrypted: who can read or change it has the secrets."""
        if not stat.S_ISREG(status.st_mode):
            raise self._error("it is no plain file")
        if self._settings.encryption == "none" and status.st_mode & _OTHERS:
            raise self._error(f"everybody can read or change it: chmod 600 {self._settings.path}")

    async def _decrypted(self) -> bytes:
        tool = self._settings.encryption
        if shutil.which(tool) is None:
            raise self._error(f"it takes `{tool}` to decrypt it: install it, or mend PATH")
        argv, extra = self._age() if tool == "age" else self._sops()
        done = await ask(argv, self._root, self._settings.timeout.total_seconds(), extra)
        if done.code == _NO_KEY and tool == "sops":
            raise self._error("no key that SOPS finds here opens it: run `sops decrypt` on it")
        if done.code != 0:
            raise self._error(f"{tool} {done.words}: run `{tool} --decrypt` on it to see why")
        return done.output

    def _age(self) -> tuple[list[str], dict[str, str]]:
        identity = self._identity()
        return ["age", "--decrypt", "--identity", str(identity), "--", str(self._path)], {}

    def _sops(self) -> tuple[list[str], dict[str, str]]:
        extra = {"SOPS_DISABLE_VERSION_CHECK": "true"}
        if self._settings.identity is not None:
            extra["SOPS_AGE_KEY_FILE"] = str(self._identity())
        return ["sops", "--decrypt", "--output-type", "json", str(self._path)], extra

    def _identity(self) -> Path:
        name = self._settings.identity or ""
        path = _place(self._root, name)
        try:
            status = path.stat()
        except OSError as error:
            raise self._error(f"its identity {name} cannot be read: {error.strerror}") from None
        if status.st_mode & _OTHERS:
            raise self._error(f"everybody can read or change its identity: chmod 600 {name}")
        return path

    def _error(self, what: str) -> SecretError:
        return SecretError(f"{self._settings.path}: {what}")


def _place(root: Path, path: str) -> Path:
    return root / Path(path).expanduser()
