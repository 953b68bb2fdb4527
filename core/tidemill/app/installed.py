"""What plugins are installed, what they offer, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidelang.models import from_pydantic
from tidelang.types import show
from tidemill.plugins import Offer, load


@dataclass(frozen=True, slots=True)
class Setting:
    """As a file writes it: `type` and `default` are the language's."""

    name: str
    type: str
    default: str
    required: bool
    doc: str


@dataclass(frozen=True, slots=True)
class Installed:
    """What a plugin offers, or a plugin that offers nothing because it has failed: then
    there is no `sort`. `problem` is empty where all is well."""

    kind: str
    sort: str
    distribution: str
    version: str
    description: str
    problem: str
    settings: Sequence[Setting] = ()


def installed() -> list[Installed]:
    """By sort and kind; those that failed come last."""
    from tidemill.app.artifacts import offer_ours  # NATS' library: only when asked

    plugins = load()
    offer_ours(plugins.artifact_stores)
    found = [
        Installed(
            offered.offer.kind,
            offered.sort,
            offered.info.distribution,
            offered.info.version,
            offered.offer.description,
            offered.problem,
            _settings(offered.offer),
        )
        for offered in plugins.offers()
    ]
    failed = [info for info in plugins.installed() if info.failure is not None]
    return found + [
        Installed(info.name, "", info.distribution, info.version, "", info.failure.error)
        for info in failed
        if info.failure is not None
    ]


def _settings(offer: Offer) -> list[Setting]:
    fields = from_pydantic("", offer.settings, templates=True).fields.values()
    return [
        Setting(each.name, show(each.type), each.default, each.required, each.doc)
        for each in fields
    ]
