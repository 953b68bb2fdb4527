"""How to get into NATS: what people configure, read and checked before it is used.

Whatever is wrong is said in one line that names the file or the server, and nothing that is
secret.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import nkeys  # type: ignore[import-untyped]
from nats.errors import Error as NatsError

from tidemill.errors import UsageError

_JWT = re.compile(rb"-BEGIN NATS USER JWT-+\s+([\w.-]+)")
_SEED = re.compile(rb"-BEGIN USER NKEY SEED-+\s+(\w+)")


@dataclass(frozen=True, slots=True)
class NatsAccess:
    """Where NATS is, and how to get in. `url` may name several servers, with commas.
    `credentials` is a .creds file, `nkey` a file with a seed; `ca`, `certificate` and
    `key` are PEM files."""

    url: str
    credentials: Path | None = None
    nkey: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    token: str | None = None

    @property
    def encrypted(self) -> bool:
        """Whether nothing may be said in the clear."""
        return bool(self.ca or self.certificate) or "tls://" in self.url

    @property
    def expired(self) -> bool:
        """Whether the credentials say that their time is over."""
        if self.credentials is None:
            return False
        try:
            claims = _credentials(self.credentials)[0].split(b".")[1]
            return 0 < int(json.loads(_unpadded(claims)).get("exp", 0)) < time.time()
        except (UsageError, ValueError, IndexError):
            return False

    def shown(self) -> str:
        """The servers without what is secret about them."""
        return ", ".join(f"{scheme}://{host}" for scheme, _, host in self._parts())

    def options(self) -> dict[str, Any]:
        """All of it as the client takes it.

        Raises:
            UsageError: it makes no sense, or a file is not what it should be.
        """
        options: dict[str, Any] = {"servers": self._servers()} | self._person()
        if self.encrypted:
            options["tls"] = self._tls()
        if self.key and not self.certificate:
            raise UsageError(f"access to NATS: {self.key} is a key", "where is its certificate?")
        if self.credentials and self.nkey:
            raise UsageError("access to NATS: there is a .creds file and an nkey", "name but one")
        if self.token:
            options["token"] = self.token
        if self.nkey:
            options["nkeys_seed_str"] = _seed(self.nkey, _read(self.nkey).strip()).decode()
        if self.credentials:
            options |= _signing(self.credentials)
        return options

    def _parts(self) -> list[tuple[str, str, str]]:
        """Scheme, user and host of each server. What stands before the last @ is secret,
        whatever it is."""
        parts = []
        for server in filter(None, (one.strip() for one in self.url.split(","))):
            scheme, _, rest = server.rpartition("://")
            who, _, host = rest.rpartition("@")
            parts.append((scheme or "nats", who, host))
        return parts

    def _servers(self) -> list[str]:
        for scheme, _, host in self._parts():
            if scheme not in {"nats", "tls"}:
                raise UsageError(f"NATS is not spoken over {scheme}://", "write nats:// or tls://")
            try:
                parts = urlsplit(f"{scheme}://{host}")
                good = bool(parts.hostname) and parts.port != 0
            except ValueError:
                good = False
            if not good:
                raise UsageError(f"NATS at {host!r} is no address", "write it as nats://HOST:PORT")
        servers = [f"{scheme}://{host}" for scheme, _, host in self._parts()]
        if not servers:
            raise UsageError("no server of NATS is named", "write it as nats://HOST:PORT")
        return servers

    def _person(self) -> dict[str, str]:
        """The user or token of the URL; also for the servers that are only heard of later."""
        people = {who for _, who, _ in self._parts() if who}
        if len(people) > 1:
            raise UsageError("access to NATS: two servers are given two users", "name but one")
        for who in people:
            user, colon, password = who.partition(":")
            if colon:
                return {"user": unquote(user), "password": unquote(password)}
            return {"token": unquote(user)}
        return {}

    def _tls(self) -> ssl.SSLContext:
        for path in filter(None, (self.ca, self.certificate, self.key)):
            _read(path)  # its errors name the file; those of ssl do not
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except ssl.SSLError:
            raise UsageError(f"access to NATS: {self.ca} holds no certificate") from None
        if self.certificate:
            try:
                context.load_cert_chain(self.certificate, self.key, password=lambda: "")
            except ssl.SSLError:
                raise UsageError(
                    f"access to NATS: {self.certificate} and {self.key or 'itself'} are no"
                    " certificate and its key",
                    "PEM files, the key without a passphrase",
                ) from None
        return context


def _signing(path: Path) -> dict[str, Any]:
    """A .creds file. It is read again at each connection: it may have been renewed."""

    def read() -> tuple[bytes, bytes]:
        try:
            return _credentials(path)
        except UsageError as error:
            raise NatsError(error.message) from None

    def sign(nonce: str) -> bytes:
        signed: bytes = nkeys.from_seed(bytearray(read()[1])).sign(nonce.encode())
        return base64.b64encode(signed)

    _credentials(path)
    return {"user_jwt_cb": lambda: read()[0], "signature_cb": sign}


def _credentials(path: Path) -> tuple[bytes, bytes]:
    """A user's JWT and seed.

    Raises:
        UsageError: it is not there, or has no such things in it.
    """
    text = _read(path)
    jwt, seed = _JWT.search(text), _SEED.search(text)
    if not jwt or not seed:
        raise UsageError(f"access to NATS: {path} is no .creds file", "`nsc generate creds`")
    return jwt[1], _seed(path, seed[1])


def _seed(path: Path, seed: bytes) -> bytes:
    try:
        if not seed.startswith(b"SU"):
            raise ValueError
        nkeys.from_seed(bytearray(seed))
    except (nkeys.NkeysError, ValueError):
        raise UsageError(f"access to NATS: {path} holds no user's seed", "it begins with SU") from (
            None
        )
    return seed


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"access to NATS: {path}: {error.strerror}") from None


def _unpadded(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
