"""The queue that workers share: Procrastinate's, on the newsletter's own PostgreSQL.

A job says "work on campaign N" and no more. Jobs are hints: the ledger is the truth, and every
worker makes missing jobs anew, so that nothing in the queue is worth a backup.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select, text

from newsletter.delivery.campaigns import get_campaign
from newsletter.delivery.states import CampaignStatus
from newsletter.errors import ConfigurationError, StorageError, TryAgainLater
from newsletter.storage.database import Database
from newsletter.storage.database_errors import explain_driver_error

if TYPE_CHECKING:
    from procrastinate import App

QUEUE_SCHEMA = "newsletter_queue"
"""The queue's tables stand apart from ours, in a schema of their own."""
TASK = "newsletter.work_on_campaign"

_LOCK_KEY = 0x6E6C71
_TELL_VERSION = text(
    "SELECT obj_description(oid, 'pg_namespace') AS version FROM pg_namespace WHERE nspname = :name"
)


def lay_queue(database: Database, *, replace: bool = False) -> bool:
    """Lay out the queue's tables where they are missing; returns whether it did.

    Jobs are hints that every worker makes anew, so that another layout takes the place of the old
    one whole, when `replace` is the operator's word. Raises `StorageError` for another layout
    without it, `ConfigurationError` without Procrastinate.
    """
    newest = _layout()
    with database.write() as connection:
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK_KEY)))
        there = _laid_out(connection)
        if there == newest:
            return False
        if there is not None and not replace:
            raise StorageError(
                f"the queue has layout {there}, this program needs {newest}",
                fix="run 'newsletter db upgrade' while no worker runs",
            )
        _lay(connection, newest)
    return True


def _lay(connection: Connection, layout: str) -> None:
    import psycopg
    from procrastinate.schema import SchemaManager

    # The driver itself takes many statements at once, where none has parameters.
    raw: Any = connection.connection.dbapi_connection
    try:
        raw.execute(
            f"DROP SCHEMA IF EXISTS {QUEUE_SCHEMA} CASCADE;"
            f"CREATE SCHEMA {QUEUE_SCHEMA};"
            f"SET LOCAL search_path TO {QUEUE_SCHEMA};"
            f"COMMENT ON SCHEMA {QUEUE_SCHEMA} IS '{layout}';"
            f"{SchemaManager.get_schema()}"
        )
    except psycopg.Error as error:
        told = explain_driver_error(error)
        if isinstance(told, TryAgainLater):
            raise told from None
        raise StorageError(
            f"the queue cannot be laid out: {told.problem}",
            fix="let the database's owner run 'newsletter db upgrade' once",
        ) from None


def announce(database: Database, campaign: int) -> bool:
    """Tell running workers of a campaign, so that one begins at once; returns whether it was told.

    Where it cannot be told (an embedded database, no queue yet, a server that just went away),
    nothing is lost: workers look for campaigns themselves, every few seconds.
    """
    if database.embedded:
        return False
    try:
        with database.read() as connection:
            if _laid_out(connection) != _layout():
                return False
            current = get_campaign(connection, campaign)
    except (ConfigurationError, TryAgainLater):
        return False
    if current.status is not CampaignStatus.SENDING:
        # A scheduled one is started by whoever sees first that its time has come.
        return current.status is CampaignStatus.SCHEDULED
    import psycopg
    from procrastinate import App, SyncPsycopgConnector
    from procrastinate.exceptions import AlreadyEnqueued, ConnectorException

    app = App(connector=SyncPsycopgConnector(**connecting(database), min_size=1, max_size=1))
    try:
        with app.open(), suppress(AlreadyEnqueued):
            _job(app, current.provider, campaign).defer(campaign=campaign, fresh=True)
    except (ConnectorException, psycopg.Error):
        return False
    return True


def _job(app: App, provider: str, campaign: int, *, seconds: int | None = None) -> Any:
    """Name a job; one for a campaign waits in the queue at most."""
    return app.configure_task(
        TASK,
        queue=queue_of(provider),
        queueing_lock=f"campaign {campaign}",
        schedule_in=None if seconds is None else {"seconds": seconds},
    )


async def offer(
    app: App, provider: str, campaign: int, *, fresh: bool = False, given_back: int = 0
) -> None:
    """Put a job for a campaign into the queue, unless one waits there already.

    `fresh`: somebody knows of work, so that no pause counts. `given_back`: how many workers that
    work on the campaign already passed it on; then it waits for a second.
    """
    from procrastinate.exceptions import AlreadyEnqueued

    job = _job(app, provider, campaign, seconds=1 if given_back else None)
    with suppress(AlreadyEnqueued):
        await job.defer_async(campaign=campaign, fresh=fresh, given_back=given_back)


def queue_of(provider: str) -> str:
    """Name the queue of those who send by a provider."""
    return f"campaigns by {provider}"


def connecting(database: Database) -> dict[str, Any]:
    """Return the arguments of the queue's connectors: the same database, a schema of its own."""
    url = database.engine.url.set(drivername="postgresql")
    options = f"{url.query.get('options', '')} -c search_path={QUEUE_SCHEMA}".strip()
    return {
        "conninfo": url.render_as_string(hide_password=False),
        "kwargs": {"options": options},
    }


def _layout() -> str:
    """Name the layout that the installed Procrastinate needs: its newest migration."""
    try:
        from procrastinate.schema import migrations_path
    except ModuleNotFoundError:
        raise ConfigurationError(
            "workers need the extra 'scale'", fix="pip install 'newsletter[scale]'"
        ) from None
    return max(path.stem for path in migrations_path.glob("[0-9]*.sql"))


def _laid_out(connection: Connection) -> str | None:
    row = connection.execute(_TELL_VERSION, {"name": QUEUE_SCHEMA}).one_or_none()
    return None if row is None else row.version or "unknown"
