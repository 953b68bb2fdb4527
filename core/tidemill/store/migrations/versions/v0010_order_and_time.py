"""What decides on order and time: where tasks stand in line, how long steps take, what started
a run and until when it has to end, and what becomes of schedules."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_READY = "state = 'ready' AND pool IS NOT NULL"
_DUE = "act_at IS NOT NULL"
_OPEN = "ended_at IS NULL"
_WIDE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ACTIVE = "state IN ('queued', 'reserved', 'running', 'delegated') AND pool IS NOT NULL"
_TIMED = (
    "state IN ('queued', 'reserved', 'running', 'delegated', 'awaiting_approval')"
    " AND run_at IS NOT NULL AND pool IS NOT NULL"
)


def upgrade() -> None:
    _runs()
    _tasks()
    _schedules()
    _reservations()
    _limits()
    _backfills()
    op.add_column("pipeline", sa.Column("commit", sa.String(), nullable=False, server_default=""))
    op.add_column("worker", sa.Column("resources", sa.JSON(), nullable=False, server_default="{}"))
    op.create_table(
        "duration",
        sa.Column("pipeline", sa.String(), primary_key=True),
        sa.Column("step", sa.String(), primary_key=True),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("mean", sa.Float(), nullable=False),
        sa.Column("spread", sa.Float(), nullable=False),
        sqlite_with_rowid=False,
    )
    _alarms()
    _triggers()
    _cordons()


def _alarms() -> None:
    op.create_table(
        "alarm",
        sa.Column(
            "run",
            sa.Integer(),
            sa.ForeignKey("run.number", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("ordinal", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("pooled", sa.Boolean(), nullable=False),
        sqlite_with_rowid=False,
    )
    _index("alarm_at", "alarm", ["at"], "pooled")


def _cordons() -> None:
    op.create_table(
        "cordon",
        sa.Column("worker", sa.String(), primary_key=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sqlite_with_rowid=False,
    )


def _runs() -> None:
    op.add_column("run", sa.Column("cause", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("run", sa.Column("deadline_at", sa.Float()))
    op.add_column("run", sa.Column("raised", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("run", sa.Column("backfill", sa.Integer()))
    _index("run_open", "run", ["pipeline", "state", "number"], _OPEN)
    op.create_index("run_of_backfill", "run", ["backfill", "due_at"], unique=True)


def _tasks() -> None:
    op.add_column("task", sa.Column("ready_at", sa.Float()))
    op.add_column("task", sa.Column("place", sa.Float(), nullable=False, server_default="0"))
    op.add_column("task", sa.Column("lane", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("task", sa.Column("target", sa.String(), nullable=False, server_default=""))
    op.execute("UPDATE task SET place = priority")
    op.drop_index("task_ready", "task")
    _index("task_ready", "task", ["pool", "lane", "place", "run", "ordinal"], _READY)


def _schedules() -> None:
    op.add_column("schedule", sa.Column("act_at", sa.Float()))
    op.add_column(
        "schedule", sa.Column("paused", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("schedule", sa.Column("missed", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("schedule", sa.Column("missed_at", sa.Float()))
    op.add_column("schedule", sa.Column("fired_due", sa.Float()))
    op.add_column("schedule", sa.Column("fired_at", sa.Float()))
    op.add_column("schedule", sa.Column("reason", sa.String(), nullable=False, server_default=""))
    op.execute("UPDATE schedule SET act_at = next_due")
    op.drop_index("schedule_due", "schedule")
    _index("schedule_due", "schedule", ["act_at"], _DUE)


def _triggers() -> None:
    op.create_table(
        "trigger",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column(
            "pipeline",
            sa.String(),
            sa.ForeignKey("pipeline.name", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("heard_at", sa.Float()),
        sa.Column("fired_at", sa.Float()),
        sa.Column("fired_run", sa.Integer()),
        sa.Column("trouble", sa.String(), nullable=False),
        sa.Column("trouble_at", sa.Float()),
        sa.UniqueConstraint("pipeline", "identity", name="trigger_identity"),
        sqlite_autoincrement=True,
    )
    op.create_index("trigger_source", "trigger", ["kind", "source"])
    op.create_table(
        "arrival",
        sa.Column("seq", _WIDE, primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("key", sa.String()),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("taken", sa.Boolean(), nullable=False),
        sa.UniqueConstraint("kind", "source", "key", name="arrival_key"),
    )
    op.create_index("ix_arrival_received_at", "arrival", ["received_at"])
    _index("arrival_new", "arrival", ["seq"], "NOT taken")
    op.create_table(
        "held",
        sa.Column(
            "trigger",
            sa.Integer(),
            sa.ForeignKey("trigger.number", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("until", sa.Float()),
        sa.Column("due_at", sa.Float()),
        sa.Column("first_at", sa.Float()),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("cause", sa.JSON(), nullable=False),
    )
    _index("held_due", "held", ["due_at"], "due_at IS NOT NULL")
    _index("held_until", "held", ["until"], "until IS NOT NULL")


def _reservations() -> None:
    for name, columns, where in (
        ("task_active", ["pool", "lane"], _ACTIVE),
        ("task_timer", ["run_at"], _TIMED),
    ):
        op.drop_index(name, "task")
        _index(name, "task", columns, where)


def _limits() -> None:
    """Whether an older task is limited, its row does not say: it counts as if it were."""
    limited: sa.Column[bool] = sa.Column(
        "limited", sa.Boolean(), nullable=False, server_default=sa.true()
    )
    op.add_column("task", limited)
    _index("task_limited", "task", ["run", "step"], f"{_ACTIVE} AND limited")


def _backfills() -> None:
    op.create_table(
        "backfill",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("pipeline", sa.String(), nullable=False, index=True),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("next_due", sa.Float()),
        sa.Column("last", sa.Float(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("max_parallel", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("look_at", sa.Float()),
        sa.Column("made", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.Float()),
        sa.Column("detail", sa.String(), nullable=False),
        sqlite_autoincrement=True,
    )
    _index("backfill_looked_at", "backfill", ["look_at"], "look_at IS NOT NULL")


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
