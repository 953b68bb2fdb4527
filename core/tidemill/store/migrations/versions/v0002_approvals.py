"""What people said to tasks that asked."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "approval",
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("prompt", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["run.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "ordinal"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "task_awaiting",
        "task",
        ["run"],
        sqlite_where=sa.text("state = 'awaiting_approval'"),
        postgresql_where=sa.text("state = 'awaiting_approval'"),
    )
