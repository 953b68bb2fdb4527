"""Runs that are to be removed, and indexes that find what is old and what refers to it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_ENDED_HEAD = "root IS NULL AND ended_at IS NOT NULL"
_RETRY = "retry_of IS NOT NULL"


def upgrade() -> None:
    op.create_table(
        "condemned",
        sa.Column(
            "run", sa.Integer(), sa.ForeignKey("run.number", ondelete="CASCADE"), primary_key=True
        ),
    )
    _index("run_ended", ["pipeline", "ended_at"], _ENDED_HEAD)
    _index("run_retried", ["retry_of"], _RETRY)
    op.create_index("ix_run_digest", "run", ["digest"])


def _index(name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "run", columns, sqlite_where=condition, postgresql_where=condition)
