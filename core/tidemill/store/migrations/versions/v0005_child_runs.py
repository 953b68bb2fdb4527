"""Runs that a task of another run was handed over to."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_ROOTED = "root IS NOT NULL"
_ACTIVE = "state IN ('queued', 'running', 'delegated')"


def upgrade() -> None:
    for name in ("parent", "parent_task", "root"):
        op.add_column("run", sa.Column(name, sa.Integer(), nullable=True))
    op.create_index(
        "run_family",
        "run",
        ["root"],
        sqlite_where=sa.text(_ROOTED),
        postgresql_where=sa.text(_ROOTED),
    )
    op.add_column("task", sa.Column("child", sa.Integer(), nullable=True))
    op.drop_index("task_active", "task")
    op.create_index(
        "task_active",
        "task",
        ["run", "step"],
        sqlite_where=sa.text(_ACTIVE),
        postgresql_where=sa.text(_ACTIVE),
    )
