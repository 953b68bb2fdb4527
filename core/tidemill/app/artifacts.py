"""Where files and cached results pass from step to step: what options, the environment,
`tidemill up` and `tidemill.toml` say, and what follows from it.

What nobody configures is the fleet's own NATS; on one machine it is the project's folder.
Runs of `tidemill run` keep to that folder, whatever is configured for a fleet: a collector of
the fleet's artifacts does not know of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidelang import values
from tidemill._version import __version__
from tidemill.app import reach
from tidemill.app.configuration import CONFIGURATION, check_keys, read_open_table
from tidemill.app.fleet import Fleet, told_by_up
from tidemill.artifacts import file_kind
from tidemill.artifacts.folder import FolderArtifacts
from tidemill.artifacts.local_cache import LocalCache
from tidemill.artifacts.results import FolderResults, StoredResults
from tidemill.artifacts.stored import StoredArtifacts
from tidemill.broker import object_store
from tidemill.broker.access import NatsAccess
from tidemill.errors import TidemillError, UsageError
from tidemill.plugins import PluginInfo, load
from tidemill.plugins.offers import Offers
from tidemill.ports import Artifacts, Clock, Results
from tidemill.project import Project
from tidemill.spi import ArtifactError, ArtifactStore, ArtifactStoreType, StoreContext

_TABLE = "artifacts"
_VARIABLE = "TIDEMILL_ARTIFACTS"
_OURS = ("url", "cache")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):")

CACHE = 10 << 30
"""Bytes of copies that a machine keeps, by default."""


@dataclass(frozen=True, slots=True)
class Place:
    """An address, what else was configured for its kind, and where that was. `own` is the
    project's folder, which needs no copies."""

    address: str
    source: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    cache: int = CACHE
    own: bool = False

    @property
    def kind(self) -> str:
        return _kind(self.address)

    def shown(self) -> str:
        """Without a user that somebody may have written into it."""
        return re.sub(r"//[^/@]*@", "//", self.address)


def place(project: Project, where: Fleet, option: str | None = None) -> Place:
    """Where artifacts are, of all that was said.

    Raises:
        UsageError: the file cannot be read, or makes no sense.
    """
    if project.local:
        return own_folder(project)
    path = project.root / CONFIGURATION
    table = read_open_table(path, _TABLE)
    address, source = _address(project, where, option, table.get("url"), path)
    if not address:
        return own_folder(project)
    found = Place(address, source, _settings(table, address), _cache(table, path))
    return found if not _is_own(found, project) else own_folder(project)


def own_folder(project: Project) -> Place:
    return Place(project.state.absolute().as_uri(), "the project's folder", own=True)


def _address(
    project: Project, where: Fleet, option: str | None, url: object, path: Path
) -> tuple[str, str]:
    if option is not None:
        return (option if _kind(option) else Path(option).absolute().as_uri()), "--artifacts"
    if given := os.environ.get(_VARIABLE):
        return _with_scheme(given, project), _VARIABLE
    up = told_by_up(project)
    if up and up.get("nats") == where.nats:
        return str(up.get("artifacts") or ""), "`tidemill up`"
    if url is not None:
        if not isinstance(url, str) or not url:
            raise UsageError(f"{path}: artifacts.url is no address", 'write it as url = "…"')
        return _with_scheme(url, project), f"{path}: {_TABLE}"
    return ("nats:", "the fleet's NATS") if where.nats else ("", "")


def _kind(address: str) -> str:
    found = _SCHEME.match(address)
    return found[1] if found else ""


def _with_scheme(text: str, project: Project) -> str:
    return text if _kind(text) else (project.root / text).absolute().as_uri()


def _settings(table: Mapping[str, Any], address: str) -> dict[str, Any]:
    """What stands in the table is for the kind of its own address, if it has one."""
    url = table.get("url")
    if isinstance(url, str) and (_kind(url) or "file") != _kind(address):
        return {}
    return {name: value for name, value in table.items() if name not in _OURS}


def _cache(table: Mapping[str, Any], path: Path) -> int:
    if "cache" not in table:
        return CACHE
    try:
        size = int(values.parse_size(table["cache"]))
    except (ValueError, TypeError):
        size = -1
    if size < 0:
        raise UsageError(
            f"{path}: artifacts.cache is {table['cache']!r}, which is no size",
            'write it as "20GiB"',
        )
    return size


def _is_own(found: Place, project: Project) -> bool:
    if found.kind != "file":
        return False
    return file_kind.folder_of(found.address, project.root).resolve() == project.state.resolve()


# --- what follows from it ------------------------------------------------------------


def offer_ours(
    offers: Offers[ArtifactStoreType], access: NatsAccess | None = None, inbox: str = "_INBOX"
) -> None:
    """Adds to what plugins offer what Tidemill does by itself."""
    ours = PluginInfo("tidemill", "tidemill", __version__, "tidemill")
    offers.add(ours, file_kind.KIND)
    offers.add(ours, object_store.kind(access, inbox))


def open_store(
    found: Place, project: Project, where: Fleet, inbox: str = "_INBOX"
) -> ArtifactStore:
    """Raises:
    TidemillError: nobody offers such a store, or its settings make no sense.
    """
    offers = load().artifact_stores
    offer_ours(offers, reach.access(where), inbox)
    try:
        kind = offers.require(found.kind)
    except TidemillError as error:
        what = f"{found.source} is {found.shown()}: {error.message}"
        raise UsageError(what, error.hint) from None
    path = project.root / CONFIGURATION
    check_keys(f"{path}: {_TABLE}", found.settings, [*_OURS, *kind.settings.model_fields])
    settings = offers.settings(found.kind, found.settings)
    context = StoreContext(project.root, _caches(project) / "scratch")
    try:
        return kind.factory(found.address, settings, context)
    except ArtifactError as error:
        raise UsageError(str(error)) from None


def _caches(project: Project) -> Path:
    return project.state / "cache"


def open_artifacts(
    found: Place, project: Project, where: Fleet, clock: Clock, inbox: str = "_INBOX"
) -> tuple[Artifacts, Results]:
    """What a worker needs; closing the artifacts closes both.

    Raises:
        TidemillError: what is configured makes no sense.
    """
    if found.own:
        return FolderArtifacts(project.artifacts), FolderResults(project.results)
    store, caches = open_store(found, project, where, inbox), _caches(project)
    copies = LocalCache(caches / "artifacts", found.cache)
    shown = found.shown()
    return (
        StoredArtifacts(store, copies, clock, shown),
        StoredResults(store, clock, caches / "scratch", shown),
    )
