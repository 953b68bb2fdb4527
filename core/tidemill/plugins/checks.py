"""What a plugin offers is what its hooks say that it is, or the plugin has failed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import BaseModel

from tidelang.foreign import OWN, made
from tidemill.plugins.offers import Configured, Offer
from tidemill.spi import (
    ArtifactStoreType,
    ExecutorType,
    FunctionType,
    NotifierType,
    SecretProviderType,
)

# What each hook returns, its word, and the words that are no names for its settings.
SORTS: dict[str, tuple[type[Offer], str, tuple[str, ...]]] = {
    "tidemill_executors": (ExecutorType, "executor", ()),
    "tidemill_notifiers": (NotifierType, "notifier", ("on",)),
    "tidemill_secrets": (SecretProviderType, "secret provider", ("provider",)),
    "tidemill_artifact_stores": (ArtifactStoreType, "artifact store", ("url", "cache")),
    "tidemill_functions": (FunctionType, "function", ()),
}

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
"""RFC 3986, section 3.1, in lower case."""


def checked(answer: object, hook: str) -> Sequence[Offer]:
    wanted, word, _ = SORTS[hook]
    if not isinstance(answer, Sequence):
        raise TypeError(f"{hook} returned {answer!r}, not a list of {word} types")
    for offer in answer:
        if not isinstance(offer, wanted):
            raise TypeError(f"{hook} returned {offer!r}, not {_an(word)} type")
        _check_offer(offer, hook)
    return answer


def _check_offer(offer: Offer, hook: str) -> None:
    _, word, taken = SORTS[hook]
    if not isinstance(offer.kind, str) or not _is_kind(offer):
        raise ValueError(f"{_an(word)}'s kind must be a plain word, not {offer.kind!r}")
    if isinstance(offer, FunctionType):
        _check_function(offer)
    else:
        _check_settings(offer, word, taken)


def _check_function(offer: FunctionType) -> None:
    if offer.kind in OWN:
        raise ValueError(f"`{offer.kind}` is a name of the language's own")
    if not callable(offer.function):
        raise TypeError(f"function {offer.kind} cannot be called")
    made(offer.kind, offer.function, offer.description, "")


def _check_settings(offer: Configured, word: str, taken: tuple[str, ...]) -> None:
    model = offer.settings
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise TypeError(f"the settings of {word} {offer.kind} are no pydantic model")
    for name in taken:
        if name in model.model_fields:
            raise ValueError(
                f"{word} {offer.kind} has a setting `{name}`, which is the language's own"
            )
    if not callable(offer.factory):
        raise TypeError(f"the factory of {word} {offer.kind} cannot be called")


def _is_kind(offer: Offer) -> bool:
    if isinstance(offer, ArtifactStoreType):
        return _SCHEME.fullmatch(offer.kind) is not None
    return offer.kind.isidentifier()


def _an(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
