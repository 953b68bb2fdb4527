"""What plugins are installed, what they offer, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidelang.foreign import made
from tidelang.functions import Function
from tidelang.models import from_pydantic
from tidelang.types import show
from tidemill.plugins import Listener, Offer, PluginInfo, load
from tidemill.spi import FunctionType


@dataclass(frozen=True, slots=True)
class Setting:
    """As a file writes it: `type` and `default` are the language's. Of a function, its
    parameters."""

    name: str
    type: str
    default: str
    required: bool
    doc: str


@dataclass(frozen=True, slots=True)
class Installed:
    """What a plugin offers; by its own name one that observes events or is a policy, and one
    that offers nothing because it has failed: then there is no `sort`. `problem` is empty
    where all is well."""

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
            _description(offered.offer),
            offered.problem,
            _settings(offered.offer),
        )
        for offered in plugins.offers()
    ]
    found += [_listening(info, "observer", each) for info, each in plugins.observers()]
    found += [_listening(info, "policy", each) for info, each in plugins.policies()]
    failed = [info for info in plugins.installed() if info.failure is not None]
    return found + [
        Installed(info.name, "", info.distribution, info.version, "", info.failure.error)
        for info in failed
        if info.failure is not None
    ]


def _listening(info: PluginInfo, sort: str, listener: Listener) -> Installed:
    return Installed(
        info.name, sort, info.distribution, info.version, f"It implements {listener.hook}.", ""
    )


def _settings(offer: Offer) -> list[Setting]:
    if isinstance(offer, FunctionType):
        return _parameters(offer)
    fields = from_pydantic("", offer.settings, templates=True).fields.values()
    return [
        Setting(each.name, show(each.type), each.default, each.required, each.doc)
        for each in fields
    ]


def _function(offer: FunctionType) -> Function:
    return made(offer.kind, offer.function, offer.description, "")


def _description(offer: Offer) -> str:
    return _function(offer).doc if isinstance(offer, FunctionType) else offer.description


def _parameters(offer: FunctionType) -> list[Setting]:
    function = _function(offer)
    return [
        Setting(name, show(type), "may be left out", at < function.least, "")
        for at, (name, type) in enumerate(function.takes)  # noqa: A001
    ]
