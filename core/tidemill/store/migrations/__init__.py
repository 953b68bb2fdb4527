"""The schema's history (Alembic). Alembic itself is imported only when there is something
to do: importing it costs as much as a small run."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect

from tidemill.errors import TidemillError

HEAD = "0010"
"""The revision that this version of Tidemill works with; a test compares it."""


def stored_revision(connection: Connection) -> str | None:
    """The revision a database is at; None if it has no schema yet."""
    with connection.begin():
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def upgrade(connection: Connection, revision: str | None) -> None:
    """Brings a database to `HEAD`, in one transaction.

    Raises:
        TidemillError: it was made by a newer version.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise TidemillError(
            f"the database's schema ({revision}) is newer than this version of Tidemill",
            "use the version that made it, or a newer one",
        )
    command.upgrade(config, HEAD)
