"""How far each plugin has come that is told of events."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_WIDE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "observer",
        sa.Column("plugin", sa.String(), primary_key=True),
        sa.Column("seq", _WIDE, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=False),
        sa.Column("passed_over", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("held_until", sa.Float(), nullable=False),
    )
