"""What Alembic runs: migrations on the connection that `tidemill.store` hands in."""

from alembic import context
from sqlmodel import SQLModel

from tidemill.store import tables  # noqa: F401 - fills the metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
