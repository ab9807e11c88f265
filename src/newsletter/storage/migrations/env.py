"""Alembic's entry: runs the migrations on the connection that `schema.upgrade` hands over."""

from alembic import context

import newsletter.storage.pacing_tables
import newsletter.storage.schedule_tables
import newsletter.storage.tables  # noqa: F401 - these make the tables of the metadata
from newsletter.storage.columns import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
