"""How the parts of a history reach the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session

from tidemill.store.trouble import said_in_words


class Looking:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def close(self) -> None:
        self._engine.dispose()

    def _all(self, query: Any) -> list[Any]:
        with said_in_words(self._engine.url), Session(self._engine) as session:
            return list(session.exec(query).all())
