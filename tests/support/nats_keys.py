"""Certificates, nkeys and JWTs as `openssl`, `nk` and `nsc` make them, for tests of who gets
into NATS."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nkeys

_STREAMS = ("mem_storage", "disk_storage", "streams", "consumer")
_LIMITS = ("subs", "data", "payload", "imports", "exports", "conn", "leaf", *_STREAMS)
UNLIMITED = dict.fromkeys(_LIMITS, -1) | {"wildcards": True}
NO_STREAMS = dict.fromkeys(_STREAMS, 0)


class Authority:
    """Who signs certificates: a file `NAME.pem`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.pem, self._key = self._make(name, [])

    def issue(self, name: str, *hosts: str) -> tuple[Path, Path]:
        """A certificate, for a server at `hosts` or for a client, and its key."""
        signed = ["-CA", str(self.pem), "-CAkey", str(self._key)]
        for names in filter(None, [",".join(hosts)]):
            signed += ["-addext", f"subjectAltName={names}"]
        return self._make(name, signed)

    def _make(self, name: str, options: list[str]) -> tuple[Path, Path]:
        pem, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        subprocess.run(
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", key, "-out", pem,
                *options,
            ],
            check=True, capture_output=True,
        )  # fmt: skip
        return pem, key


@dataclass(frozen=True)
class Pair:
    """An nkey: what is shown, and what is kept."""

    public: str
    seed: str

    @classmethod
    def user(cls) -> Pair:
        return cls.of(nkeys.PREFIX_BYTE_USER)

    @classmethod
    def of(cls, prefix: int) -> Pair:
        seed = nkeys.encode_seed(os.urandom(32), prefix)
        return cls(nkeys.from_seed(bytearray(seed)).public_key.decode(), seed.decode())

    def jwt(self, subject: str, name: str, nats: dict[str, Any], **claims: Any) -> str:
        """What this one says of that one."""
        head = {"typ": "JWT", "alg": "ed25519-nkey"}
        body = {
            "jti": name, "iat": int(time.time()), "iss": self.public, "sub": subject,
            "name": name, "nats": nats | {"version": 2}, **claims,
        }  # fmt: skip
        text = ".".join(_encoded(json.dumps(part).encode()) for part in (head, body))
        signature = nkeys.from_seed(bytearray(self.seed.encode())).sign(text.encode())
        return f"{text}.{_encoded(signature)}"


class Operator:
    """An operator and its accounts, by name: public key and JWT of each. Users of the account
    TIDE are given .creds files."""

    def __init__(self) -> None:
        operator = Pair.of(nkeys.PREFIX_BYTE_OPERATOR)
        pairs = {name: Pair.of(nkeys.PREFIX_BYTE_ACCOUNT) for name in ("SYS", "TIDE")}
        self._account = pairs["TIDE"]
        system = {"type": "operator", "system_account": pairs["SYS"].public}
        self.jwt = operator.jwt(operator.public, "o", system)
        limits = {"SYS": UNLIMITED | NO_STREAMS, "TIDE": UNLIMITED}
        self.accounts = {
            name: (
                pair.public,
                operator.jwt(pair.public, name, {"type": "account", "limits": limits[name]}),
            )
            for name, pair in pairs.items()
        }

    def creds(self, path: Path, lasts: float | None = None) -> Path:
        """Those of a new user, good for so many seconds."""
        user = Pair.user()
        ends = {} if lasts is None else {"exp": int(time.time() + lasts)}
        claims = {"type": "user", "subs": -1, "data": -1, "payload": -1}
        jwt = self._account.jwt(user.public, "w1", claims, **ends)
        path.write_text(
            f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
        )
        return path


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
