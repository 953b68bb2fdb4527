"""Runs that schedulers drive for everybody: pools, schedules, signals, workers; numbers
that outgrow 32 bits on PostgreSQL."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_WIDE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_READY = "state = 'ready' AND pool IS NOT NULL"
_ACTIVE = "state IN ('queued', 'running', 'delegated') AND pool IS NOT NULL"
_TIMED = (
    "state IN ('queued', 'running', 'delegated', 'awaiting_approval')"
    " AND run_at IS NOT NULL AND pool IS NOT NULL"
)


def upgrade() -> None:
    _runs()
    _tasks()
    _tables()
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("attempt", "peak_memory", type_=sa.BigInteger())
        op.alter_column("outbox", "seq", type_=sa.BigInteger())
        op.execute("ALTER SEQUENCE outbox_seq_seq AS bigint")


def _runs() -> None:
    op.add_column("run", sa.Column("schedule", sa.Integer(), nullable=True))
    op.add_column("run", sa.Column("due_at", sa.Float(), nullable=True))
    for name in ("queued", "pooled"):
        op.add_column(
            "run", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())
        )
    op.create_index("run_of_schedule", "run", ["schedule", "due_at"], unique=True)


def _tasks() -> None:
    op.add_column("task", sa.Column("pool", sa.String(), nullable=True))
    for name in ("worker", "epoch"):
        op.add_column("task", sa.Column(name, sa.String(), nullable=False, server_default=""))
    for name in ("task_ready", "task_active", "task_timer"):
        op.drop_index(name, "task")
    _index("task_ready", "task", ["pool", "priority", "run", "ordinal"], _READY)
    _index("task_later", "task", ["run_at"], _READY)
    _index("task_active", "task", ["run", "step"], _ACTIVE)
    _index("task_timer", "task", ["run_at"], _TIMED)


def _tables() -> None:
    op.create_table(
        "pipeline",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("digest", sa.String(), sa.ForeignKey("version.digest"), nullable=False),
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("applied_at", sa.Float(), nullable=False),
        sa.Column("applied_by", sa.String(), nullable=False),
    )
    op.create_table(
        "schedule",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column(
            "pipeline",
            sa.String(),
            sa.ForeignKey("pipeline.name", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("next_due", sa.Float(), nullable=True),
        sa.UniqueConstraint("pipeline", "identity", name="schedule_identity"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_schedule_pipeline", "schedule", ["pipeline"])
    _index("schedule_due", "schedule", ["next_due"], "next_due IS NOT NULL")
    op.create_table(
        "signal",
        sa.Column("number", _WIDE, primary_key=True),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("cancel", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "worker",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("pool", sa.String(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("draining", sa.Boolean(), nullable=False),
        sa.Column("heard_at", sa.Float(), nullable=False),
    )


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
