"""Lists of fan-outs that become known while a run goes on, and how many tasks it has."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "expansion",
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("items", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["run.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "step"),
        sqlite_with_rowid=False,
    )
    op.add_column("run", sa.Column("size", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("run", sa.Column("picked", sa.JSON(), nullable=False, server_default="[]"))
    op.execute("UPDATE run SET size = (SELECT count(*) FROM task WHERE task.run = run.number)")
