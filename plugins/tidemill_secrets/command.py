"""What a command prints."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from tidemill.spi import SecretError
from tidemill_secrets.process import ask
from tidemill_secrets.settings import HOLE, CommandSettings

AT_ONCE = 8
"""Commands that run beside each other: services that they ask count requests."""


class CommandSecrets:
    """See `tidemill.spi.SecretProvider`."""

    def __init__(self, settings: CommandSettings, root: Path) -> None:
        self._settings = settings
        self._root = root
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def get(self, names: Collection[str]) -> Mapping[str, str]:
        self._require_program()
        for name in names:
            _require_plain(name)
        asked = sorted(names)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._one(name)) for name in asked]
        except ExceptionGroup as errors:
            raise _first(errors) from None
        values = {name: task.result() for name, task in zip(asked, tasks, strict=True)}
        return {name: value for name, value in values.items() if value}

    async def close(self) -> None: ...

    def _require_program(self) -> None:
        """Said also where nothing is asked for, which is how `tidemill doctor` looks."""
        program = self._settings.argv[0]
        where = self._root / program if "/" in program else program
        if shutil.which(where) is None:
            raise SecretError(f"{program} is not there, or not a program that can be run")

    async def _one(self, name: str) -> str:
        argv = [argument.replace(HOLE, name) for argument in self._settings.argv]
        async with self._turns:
            done = await ask(argv, self._root, self._settings.timeout.total_seconds())
        if done.code in self._settings.missing_exit:
            return ""
        if done.code != 0:
            raise SecretError(
                f"{argv[0]} {done.words} when it was asked for {name}: run it by hand to see why; "
                "if that means that it has no such secret, add the code to missing_exit"
            )
        return _text(done.output, argv[0], name)


def _text(output: bytes, program: str, name: str) -> str:
    """Without the line end that programs put after what they print."""
    try:
        text = output.decode()
    except UnicodeDecodeError:
        raise SecretError(f"what {program} printed for {name} is not UTF-8") from None
    return text.removesuffix("\n").removesuffix("\r")


def _require_plain(name: str) -> None:
    """A name comes from a file of somebody who may not be the one that wrote the command:
    it must neither become an option of it nor lead out of the folder that it looks in."""
    if name.startswith(("-", "/")) or ".." in name.split("/"):
        raise SecretError(
            f"no command is asked for {name}: it could be taken for an option, or another place"
        )


def _first(errors: ExceptionGroup[Exception]) -> Exception:
    found: Exception = errors
    while isinstance(found, ExceptionGroup):
        found = found.exceptions[0]
    return found
