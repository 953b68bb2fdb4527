"""The secret providers of a project: the `[[secrets]]` tables of its `tidemill.toml`, and the
plugins that are meant by them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.app.configuration import CONFIGURATION, check_keys, read_tables, with_durations
from tidemill.errors import UsageError
from tidemill.plugins import PluginError, load

if TYPE_CHECKING:
    from tidemill.spi import SecretProvider

_TABLE = "secrets"
_DEFAULT: Sequence[Mapping[str, Any]] = ({"provider": "env"},)


@dataclass(frozen=True, slots=True)
class Source:
    """A provider in its place. `title` tells it from the others."""

    title: str
    provider: SecretProvider
    advice: Callable[[Sequence[str]], str]


def sources(root: Path) -> Iterator[Source]:
    """Every provider, in the order in which they are asked.

    Raises:
        UsageError: a table makes no sense.
        PluginError: there is no such provider, or it does not take a value.
    """
    path = root / CONFIGURATION
    tables = read_tables(path, _TABLE) or _DEFAULT
    kinds = [_kind(path, table) for table in tables]
    plugins = load()
    for at, (kind, table) in enumerate(zip(kinds, tables, strict=True)):
        title = kind if kinds.count(kind) == 1 else f"{kind} ({_TABLE} table {at + 1})"
        yield _source(root, path, plugins.secret_providers, kind, title, table)


def _kind(path: Path, table: Mapping[str, Any]) -> str:
    kind = table.get("provider")
    if not isinstance(kind, str):
        raise UsageError(
            f"{path}: a [[{_TABLE}]] table has no provider", 'write it as provider = "…"'
        )
    return kind


def _source(
    root: Path, path: Path, offers: Any, kind: str, title: str, table: Mapping[str, Any]
) -> Source:
    from tidelang.models import from_pydantic
    from tidemill.spi import ProviderContext

    offer = offers.require(kind)
    schema = from_pydantic("", offer.settings)
    if not schema.open:
        check_keys(f"{path}: {_TABLE} of {kind}", table, ["provider", *schema.fields])
    given = {name: value for name, value in table.items() if name != "provider"}
    settings = offers.settings(kind, with_durations(offer.settings, given))

    def advice(names: Sequence[str]) -> str:
        return str(offer.advice(settings, names)) if offer.advice else f"give it {', '.join(names)}"

    try:
        return Source(title, offer.factory(settings, ProviderContext(root)), advice)
    except Exception as error:
        raise PluginError(f"secret provider {title} cannot be made: {error}") from error
