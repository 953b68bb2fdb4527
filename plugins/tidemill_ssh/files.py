"""Files that go to a host and come from it, by SFTP."""

from __future__ import annotations

import asyncio
import errno
import fnmatch
import hashlib
import os
import secrets
import stat
from collections.abc import AsyncIterator, Sequence
from pathlib import Path, PurePosixPath

import asyncssh

from tidemill.spi import InputFile, OutputFile, SavedFile, StepIO, Work
from tidemill.spi.files import FILES_LIMIT, too_many

ERRORS = (asyncssh.Error,)
_CHUNK = 1 << 20


async def upload(client: asyncssh.SFTPClient, folder: str, inputs: Sequence[InputFile]) -> None:
    """Raises: OSError: a file could not be put there."""
    try:
        for item in inputs:
            target = _inside(folder, item.path)
            await client.makedirs(str(target.parent), exist_ok=True)
            await client.put(str(item.source), str(target))
            runs = item.source.stat().st_mode & 0o111
            await client.chmod(str(target), 0o555 if runs else 0o444)
    except asyncssh.Error as error:
        raise OSError(errno.EIO, f"{error.reason}") from error


async def collect(
    client: asyncssh.SFTPClient, workdir: str, work: Work, io: StepIO, scratch: Path
) -> None:
    """Hands the files of all outputs to `io`, one after another."""
    await asyncio.to_thread(scratch.mkdir, parents=True, exist_ok=True)
    for output in work.outputs:
        for name, path in await find(client, workdir, output):
            copy = scratch / f"fetched-{secrets.token_hex(8)}"
            try:
                await client.get(path, str(copy))
                mode = (await client.stat(path)).permissions or 0
                copy.chmod(0o700 if mode & 0o100 else 0o600)
                await io.save_file(output.name, name, copy)
            finally:
                copy.unlink(missing_ok=True)


async def find(
    client: asyncssh.SFTPClient, workdir: str, output: OutputFile
) -> list[tuple[str, str]]:
    """The files of an output, as (name relative to the workdir, path), in order of name.

    What a link or `..` leads to outside of the workdir is left out.
    """
    pattern = PurePosixPath(output.glob)
    if pattern.is_absolute():
        return []
    home = PurePosixPath(str(await client.realpath(workdir)))
    found: dict[str, str] = {}
    async for name in _match(client, str(home), "", pattern.parts):
        path = f"{home}/{name}"
        try:
            real = str(await client.realpath(path))
            mode = (await client.stat(real)).permissions or 0
        except asyncssh.SFTPError:
            continue  # a link to nowhere
        if PurePosixPath(real).is_relative_to(home) and stat.S_ISREG(mode):
            found[name] = real
        if len(found) > FILES_LIMIT:
            raise too_many(output)
    return sorted(found.items())


async def _match(
    client: asyncssh.SFTPClient, home: str, name: str, parts: Sequence[str]
) -> AsyncIterator[str]:
    """Names below `home` that match, as `pathlib` would: `**` is any depth of folders."""
    if not parts:
        yield name
        return
    async for found, rest in _steps(client, home, name, parts):
        async for deeper in _match(client, home, found, rest):
            yield deeper


async def _steps(
    client: asyncssh.SFTPClient, home: str, name: str, parts: Sequence[str]
) -> AsyncIterator[tuple[str, Sequence[str]]]:
    """Where the first part of a pattern leads, and what of the pattern is left there."""
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield name, rest
    elif not any(sign in part for sign in "*?["):
        yield _join(name, part), rest
        return
    for entry, is_folder in await _entries(client, _join(home, name)):
        if part == "**" and is_folder:
            yield _join(name, entry), parts
        elif part != "**" and fnmatch.fnmatchcase(entry, part):
            yield _join(name, entry), rest


async def _entries(client: asyncssh.SFTPClient, folder: str) -> list[tuple[str, bool]]:
    try:
        found = await client.readdir(folder)
    except asyncssh.SFTPError:
        return []  # no folder, or not for us
    entries = [(str(entry.filename), entry.attrs.permissions or 0) for entry in found]
    return sorted((name, stat.S_ISDIR(mode)) for name, mode in entries if name not in {".", ".."})


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


async def put_back(client: asyncssh.SFTPClient, workdir: str, saved: Sequence[SavedFile]) -> None:
    """Raises: OSError: a file could not be put there, or its place is outside."""
    try:
        home = PurePosixPath(str(await client.realpath(workdir)))
        for item in saved:
            await _put(client, home, item)
    except asyncssh.Error as error:
        raise OSError(errno.EIO, f"cannot put files back in {workdir}: {error.reason}") from error


async def _put(client: asyncssh.SFTPClient, home: PurePosixPath, item: SavedFile) -> None:
    target = _inside(str(home), item.name)
    await _folders(client, home, target.parent)
    mode = 0o755 if item.executable else 0o644
    if await _same(client, str(target), item.source):
        return
    new = f"{target}.{secrets.token_hex(6)}.new"
    try:
        await client.put(str(item.source), new)
        await client.chmod(new, mode)
        await client.posix_rename(new, str(target))
    except BaseException:
        if await client.lexists(new):
            await client.remove(new)
        raise


async def _folders(client: asyncssh.SFTPClient, home: PurePosixPath, folder: PurePosixPath) -> None:
    """Made one by one, so that no link among them leads outside."""
    at = home
    for part in folder.relative_to(home).parts:
        at = at / part
        if not await client.lexists(str(at)):
            await client.mkdir(str(at))
        real = PurePosixPath(str(await client.realpath(str(at))))
        if not real.is_relative_to(home):
            raise OSError(errno.EPERM, f"{at} leads out of the workdir")


async def _same(client: asyncssh.SFTPClient, path: str, source: Path) -> bool:
    if not await client.lexists(path):
        return False
    there = await client.lstat(path)
    size = (await asyncio.to_thread(source.stat)).st_size
    if not stat.S_ISREG(there.permissions or 0) or there.size != size:
        return False
    digest = hashlib.sha256()
    async with client.open(path, "rb") as file:
        while data := await file.read(_CHUNK):
            digest.update(data if isinstance(data, bytes) else os.fsencode(data))
    with source.open("rb") as file_here:
        return hashlib.file_digest(file_here, "sha256").digest() == digest.digest()


def _inside(folder: str, path: str) -> PurePosixPath:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        raise OSError(errno.EPERM, f"the path {path!r} leads out of its folder")
    return PurePosixPath(folder) / parts
