"""What statements have of the database that they are made for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Select,
    Table,
    func,
)

from tidemill.store.batch import unfold
from tidemill.store.columns import (
    RUN,
    TASK,
)


class Dialected:
    """What is a database's own in the statements of both kinds."""

    _dialect: str

    def _rows(self, **columns: type) -> Any:
        return unfold(self._dialect, "rows", columns)

    def _skipping(self, statement: Select[Any], *more: Table) -> Select[Any]:
        """Of tasks and whole families, those that no other scheduler has in hand; these
        stay locked. SQLite needs none of it: its transactions come one by one."""
        if self._dialect == "sqlite":
            return statement
        family = RUN.alias("family")
        own = RUN.alias("own")
        joined = statement.join(own, own.c.number == TASK.c.run).join(
            family, family.c.number == func.coalesce(own.c.root, own.c.number)
        )
        return joined.with_for_update(of=[TASK, family, *more], skip_locked=True, key_share=True)
