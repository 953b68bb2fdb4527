"""Where secrets come from: the providers of the `[[secrets]]` tables in `tidemill.toml`, asked
in their order; the environment of this process where there are none.

Nothing is kept from one lookup to the next, and every attempt of a step makes one: a secret
that was replaced is seen by the next attempt.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tidemill.errors import TidemillError, UsageError
from tidemill.model.secrets import named_in

if TYPE_CHECKING:
    from tidemill.app.secret_providers import Source

T = TypeVar("T")

log = logging.getLogger("tidemill")

LIMIT = 300.0
"""Seconds after which a provider counts as hung: whoever waits for it holds a slot."""


@dataclass(frozen=True, slots=True)
class SecretState:
    """Whether a provider works; `problem` is empty where it does."""

    title: str
    problem: str


class InstalledSecrets:
    """See `tidemill.ports.Secrets`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._sources: Sequence[Source] | None = None

    def open(self) -> Sequence[Source]:
        """Makes the providers, if they are not made yet; `get` does so by itself.

        Raises:
            TidemillError: what is configured makes no sense.
        """
        if self._sources is None:
            from tidemill.app.secret_providers import sources  # and with it, all plugins

            self._sources = list(sources(self._root))
        return self._sources

    async def get(self, names: Collection[str]) -> Mapping[str, str]:
        found = await self._find(names)
        _require([name for name in names if name not in found], self.open())
        return {name: value for name, (value, _) in found.items()}

    async def where(self, names: Collection[str]) -> Mapping[str, str]:
        """The provider that has each; those that none has are left out.

        Raises:
            TidemillError: a provider cannot tell.
        """
        return {name: title for name, (_, title) in (await self._find(names)).items()}

    async def states(self) -> Sequence[SecretState]:
        """How each provider does, asked for no secret."""
        states = []
        for source in self.open():
            try:
                await _asked(source, ())
            except TidemillError as error:
                states.append(SecretState(source.title, error.message))
            else:
                states.append(SecretState(source.title, ""))
        return states

    async def close(self) -> None:
        sources, self._sources = self._sources or (), None
        for source in sources:
            try:
                await source.provider.close()
            except Exception as error:  # noqa: BLE001  a plugin's bug must not keep us here
                _log(source, error)

    async def _find(self, names: Collection[str]) -> Mapping[str, tuple[str, str]]:
        """Each value with the title of where it came from."""
        found: dict[str, tuple[str, str]] = {}
        for source in self.open():
            left = [name for name in names if name not in found]
            if not left:
                break
            values = await _asked(source, left)
            found |= {name: (values[name], source.title) for name in left if values.get(name)}
        return found


def installed_secrets(root: Path) -> InstalledSecrets:
    """The secrets of a project, or of the folder in which a worker was started. Nothing is
    read or imported before the first secret is asked for."""
    return InstalledSecrets(root)


def secret_sources(root: Path, names: Collection[str]) -> Mapping[str, str]:
    """`InstalledSecrets.where`, for who has no event loop. Costs nothing where no name is
    given."""
    return once(root, lambda secrets: secrets.where(names)) if names else {}


def require_secrets(root: Path, names: Collection[str]) -> None:
    """Raises:
    UsageError: some are not there; all of them are named.
    TidemillError: a provider cannot tell.
    """
    if names:
        once(root, lambda secrets: secrets.get(names))


def secret_states(root: Path) -> Sequence[SecretState]:
    """`InstalledSecrets.states`, for who has no event loop."""
    return once(root, InstalledSecrets.states)


def secrets_in(file: Path) -> list[str]:
    """All that a file names, also for what only some runs do.

    Raises:
        MistakesError: it has mistakes.
        UsageError: it cannot be read.
    """
    from tidemill.app.requests import compiled  # the compiler, which few who ask need

    compilation = compiled(file)
    definitions = (*compilation.definitions, *compilation.called.values())
    return sorted(frozenset[str]().union(*map(named_in, definitions)))


def once(root: Path, ask: Callable[[InstalledSecrets], Awaitable[T]]) -> T:
    """One question, on an event loop of its own."""

    async def run() -> T:
        secrets = installed_secrets(root)
        try:
            return await ask(secrets)
        finally:
            await secrets.close()

    return asyncio.run(run())


async def _asked(source: Source, names: Sequence[str]) -> Mapping[str, str]:
    """What a provider has.

    Raises:
        TidemillError: it cannot tell, or is broken. No value is in what is said.
    """
    from tidemill.spi import SecretError

    try:
        async with asyncio.timeout(LIMIT):
            found = await source.provider.get(names)
        return {name: found[name] for name in names if isinstance(found.get(name), str)}
    except SecretError as error:
        raise TidemillError(f"secret provider {source.title}: {error}") from None
    except TimeoutError:
        raise TidemillError(
            f"secret provider {source.title} has not answered for {LIMIT:g} s"
        ) from None
    except Exception as error:  # noqa: BLE001  a plugin's bug must cost its step alone
        _log(source, error)
        raise TidemillError(
            f"secret provider {source.title} failed: {type(error).__name__}",
            "the log says where in its code; tell its author",
        ) from None


def _log(source: Source, error: Exception) -> None:
    """Where it happened, without the error's own text: that may hold a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"\n  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    what = type(error).__name__
    log.error("secret provider %s failed: %s%s", source.title, what, "".join(places))


def _require(missing: Sequence[str], asked: Sequence[Source]) -> None:
    """Says of all that are missing what can be done: all that were asked could have them."""
    if not missing:
        return
    names = sorted(missing)
    what = f"secret {names[0]} is" if len(names) == 1 else f"secrets {_listed(names)} are"
    if len(asked) == 1 and asked[0].title == "env":
        raise UsageError(f"{what} not set", asked[0].advice(names))
    titles = _listed([source.title for source in asked])
    ways = [f"{source.title}: {source.advice(names)}" for source in asked]
    raise UsageError(f"{what} not set: {titles} had to be asked", "\n".join(ways))


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
