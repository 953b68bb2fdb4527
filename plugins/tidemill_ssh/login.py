"""Logging in: from settings to a connection, and from what goes wrong to words.

The host's key is always checked against a file of known hosts; there is no way around it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import asyncssh

from tidemill.spi import StartError
from tidemill_ssh.settings import SshSettings

KEEPALIVE = 15.0
"""Seconds without a word after which the other side is asked for one."""
_JUMPS = 8
"""So many hosts one may have to be reached over."""
MISSES = 3
"""So many of these may stay without an answer before the connection counts as lost."""


async def log_in(settings: SshSettings) -> asyncssh.SSHClientConnection:
    """Raises: StartError: the host cannot be reached, trusted, or does not let us in."""
    try:
        async with asyncio.timeout(settings.patience):
            return await _connect(settings, _JUMPS)
    except TimeoutError as error:
        raise StartError(
            f"{place(settings)} did not let us in within {settings.patience:g} s: is it "
            "an SSH server, and not too busy? (connect_timeout)"
        ) from error
    except (asyncssh.Error, OSError, ValueError) as error:
        raise StartError(_said(settings, error)) from error


async def _connect(settings: SshSettings, jumps: int) -> asyncssh.SSHClientConnection:
    options = await asyncio.to_thread(_options, settings)
    hop = await _jump(settings, options.tunnel, jumps)
    try:
        connection = await asyncssh.connect(settings.host, options=options, tunnel=hop)
    except BaseException:
        if hop is not None:
            hop.close()
        raise
    connection.set_tunnel(hop)  # which is closed with it
    return connection


async def _jump(
    settings: SshSettings, through: object, jumps: int
) -> asyncssh.SSHClientConnection | None:
    """The connection to the last of the hosts that `ProxyJump` names. Of our settings theirs are
    what is trusted and the config; asyncssh by itself would ask neither."""
    hop = None
    for name in through.split(",") if isinstance(through, str) and through != "none" else ():
        if not jumps:
            raise StartError(f"ProxyJump leads to {place(settings)} over too many hosts")
        user, _, address = name.strip().rpartition("@")
        host, colon, port = address.rpartition(":")
        own = {"key": None, "private_key": None, "passphrase": None, "password": None}
        there = settings.model_copy(
            update=own
            | {"host": host if colon else address, "port": int(port) if colon else None}
            | {"user": user or None}
        )
        try:
            hop = await (_connect(there, jumps - 1) if hop is None else _over(hop, there))
        except (asyncssh.Error, OSError, ValueError) as error:
            raise StartError(f"{_said(there, error)} (ProxyJump)") from error
    return hop


async def _over(
    hop: asyncssh.SSHClientConnection, settings: SshSettings
) -> asyncssh.SSHClientConnection:
    options = await asyncio.to_thread(_options, settings)
    connection = await asyncssh.connect(settings.host, options=options, tunnel=hop)
    connection.set_tunnel(hop)
    return connection


def place(settings: SshSettings) -> str:
    """The host as the person who wrote the file knows it."""
    return settings.host if settings.port is None else f"{settings.host}:{settings.port}"


def _options(settings: SshSettings) -> asyncssh.SSHClientConnectionOptions:
    """Only what is set is passed on: for the rest the config speaks, as for OpenSSH."""
    chosen: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "username": settings.user,
        "known_hosts": _file(settings.known_hosts, "known_hosts"),
        "config": _file(settings.config, "config"),
        "client_keys": _keys(settings),
        "password": settings.password and settings.password.get_secret_value(),
        "passphrase": settings.passphrase and settings.passphrase.get_secret_value(),
    }
    given = {name: value for name, value in chosen.items() if value is not None} | {
        "keepalive_interval": KEEPALIVE,
        "keepalive_count_max": MISSES,
        "connect_timeout": settings.patience,
        "agent_forwarding": False,
    }
    options = asyncssh.SSHClientConnectionOptions(**given)
    if options.known_hosts is None:  # `UserKnownHostsFile none`: to asyncssh, trust anybody
        return asyncssh.SSHClientConnectionOptions(**given, known_hosts=b"")
    return options


def _file(path: str | None, setting: str) -> str | None:
    if path is None:
        return None
    file = Path(path).expanduser()
    if not file.is_file() or not os.access(file, os.R_OK):
        raise StartError(f"the worker cannot read {path} ({setting})")
    return str(file)


def _keys(settings: SshSettings) -> list[Any] | None:
    passphrase = None if settings.passphrase is None else settings.passphrase.get_secret_value()
    if settings.private_key is not None:
        try:
            return [
                asyncssh.import_private_key(settings.private_key.get_secret_value(), passphrase)
            ]
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            raise StartError(
                f"private_key is no private key that can be used: {error} (passphrase)"
            ) from error
    if settings.key is not None:
        file = _file(settings.key, "key")
        try:
            return [asyncssh.read_private_key(str(file), passphrase)]
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            raise StartError(
                f"{settings.key} is no key that can be used: {error} (passphrase)"
            ) from error
    return None


def _said(settings: SshSettings, error: Exception) -> str:
    where = place(settings)
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        file = settings.known_hosts or "~/.ssh/known_hosts"
        return (
            f"the key of {where} is not among the known hosts in {file}, so nothing was sent: it "
            "is unknown, or has changed (which may be an attack); check it, then write it there"
        )
    if isinstance(error, asyncssh.PermissionDenied):
        user = settings.user or "the worker's user"
        return (
            f"{where} refused the login of {user}: no key or password was accepted "
            "(user, key, private_key, password)"
        )
    if isinstance(error, socket.gaierror):
        return f"no host is known as {settings.host}: check its name (host)"
    if isinstance(error, ConnectionRefusedError):
        return f"{where} refused the connection: no SSH server listens there (host, port)"
    if isinstance(error, asyncssh.ConfigParseError):
        return f"the SSH config cannot be read: {_line(error)}"
    return f"cannot connect to {where}: {_line(error)}"


def _line(error: Exception) -> str:
    text = getattr(error, "reason", "") or getattr(error, "strerror", "") or str(error)
    return " ".join(str(text).split()) or type(error).__name__
