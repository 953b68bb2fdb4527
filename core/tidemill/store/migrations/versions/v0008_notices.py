"""What people are to be told, and have been."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_WIDE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("run", sa.Column("told", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE run SET told = true WHERE pooled AND ended_at IS NULL")
    op.create_table(
        "notice",
        sa.Column("number", _WIDE, primary_key=True),
        sa.Column(
            "run", sa.Integer(), sa.ForeignKey("run.number", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=True),
        sa.Column("error", sa.String(), nullable=False),
    )
    op.create_index("ix_notice_run", "notice", ["run"])
    _index("notice_due", ["due_at"], "due_at IS NOT NULL")
    _index("notice_dead", ["number"], "due_at IS NULL AND error <> ''")


def _index(name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "notice", columns, sqlite_where=condition, postgresql_where=condition)
