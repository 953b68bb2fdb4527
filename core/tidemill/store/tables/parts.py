"""What tables have in common."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, text

WIDE = BigInteger().with_variant(Integer(), "sqlite")
"""A number that outgrows 32 bits. SQLite's INTEGER has 64 already, and counts by itself
only where a column is called just that."""

READY = "state = 'ready' AND pool IS NOT NULL"
ACTIVE = "state IN ('queued', 'reserved', 'running', 'delegated') AND pool IS NOT NULL"
LIMITED = f"{ACTIVE} AND limited"
TIMED = (
    "state IN ('queued', 'reserved', 'running', 'delegated', 'awaiting_approval')"
    " AND run_at IS NOT NULL AND pool IS NOT NULL"
)
OPEN = "ended_at IS NULL"
SET = "pooled"
WAITING = "due_at IS NOT NULL"
NEW = "NOT taken"
DEAD = "due_at IS NULL AND error <> ''"
LOOKED_AT = "look_at IS NOT NULL"
"""Conditions of partial indexes: a statement that is to use one says the same words."""


def partial(name: str, *columns: str, where: str) -> Index:
    condition = text(where)
    return Index(name, *columns, sqlite_where=condition, postgresql_where=condition)
