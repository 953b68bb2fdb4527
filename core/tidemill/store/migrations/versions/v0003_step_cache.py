"""What attempts found in the cache, and which tasks and runs did without or with it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("attempt", sa.Column("cache", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("task", sa.Column("cached_from", sa.Integer(), nullable=True))
    op.add_column(
        "run", sa.Column("fresh", sa.Boolean(), nullable=False, server_default=sa.false())
    )
