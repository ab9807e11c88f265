"""Opening the database and its transactions; the only place that knows SQLite's pragmas.

Two promises differ: a claim must be on disk before the first byte leaves (`durable=True`, G3), a
result may be lost by a power cut but not by a killed process (`durable=False`, G4).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from newsletter.errors import ConfigurationError, NewsletterError, StorageError
from newsletter.private_files import make_private_file
from newsletter.storage.database_errors import explain_database_error, explain_driver_error

BUSY_TIMEOUT_MS = 10_000
CACHE_KB = 8_000
"""Of each connection."""
CHECKPOINT_PAGES = 4_000
"""16 MB of the write-ahead log."""


# On a server each statement sees a state of its own by default. SQLite's transactions, which begin
# with the first statement here, see one state anyway.
_ONE_STATE = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


class Database:
    """One database with its connections; closed by `close`."""

    def __init__(self, engine: Engine, path: Path | None) -> None:
        self.engine = engine
        self.path = path
        """The file of an embedded database; None for a server."""
        self._reading = engine if self.embedded else engine.execution_options(**_ONE_STATE)

    @property
    def embedded(self) -> bool:
        """Whether this is a SQLite file of our own."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection whose reads all see one state, that of the first of them.

        Whatever is committed meanwhile does not show. Nothing can be written or locked with it.
        """
        with told_plainly(), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def own_connection(self) -> Iterator[Connection]:
        """Give a connection outside of any transaction, with tables and settings of its own.

        They end with it: it is closed and not used again.
        """
        with told_plainly(), self.engine.connect() as connection:
            connection.detach()
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """Give a connection inside a transaction; commit at the end, roll back on an error.

        The write lock is taken at once (SQLite `BEGIN IMMEDIATE`), so that what is read inside is
        still true when it is written.
        """
        with told_plainly(), self.engine.connect() as connection:
            if self.embedded:
                level = "FULL" if durable else "NORMAL"
                # Outside of any transaction: SQLite ignores a change of `synchronous` inside one.
                raw: Any = connection.connection.dbapi_connection
                raw.execute(f"PRAGMA synchronous={level}")
                connection = connection.execution_options(newsletter_write=True)
            with connection.begin():
                if not self.embedded:
                    value = "on" if durable else "off"
                    connection.execute(text(f"SET LOCAL synchronous_commit = {value}"))
                yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def open_database(url: str, *, root: Path) -> Database:
    """Open the database of a workspace; a relative SQLite path counts from `root`.

    Raises `ConfigurationError` for a URL that is none, `StorageError` when it cannot be opened.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError(
            "'database.url' is not a database URL",
            fix="use sqlite:///newsletter.db or postgresql://user@host/name",
        ) from None
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise ConfigurationError(
                "'database.url' names no file", fix="use sqlite:///newsletter.db"
            )
        path = (root / parsed.database).resolve()
        if not path.parent.is_dir():
            raise StorageError(
                f"the folder of the database does not exist: {path.parent}",
                fix="create it, or correct 'database.url'",
            )
        return Database(_sqlite_engine(path), path)
    if parsed.get_backend_name() == "postgresql":
        try:
            engine = create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                # The claims rely on it: a server may have another default.
                isolation_level="READ COMMITTED",
                hide_parameters=True,
            )
        except ModuleNotFoundError:
            raise ConfigurationError(
                "PostgreSQL needs the extra 'scale'", fix="pip install 'newsletter[scale]'"
            ) from None
        return Database(engine, None)
    raise ConfigurationError(
        f"'database.url' names {parsed.get_backend_name()}, which is not supported",
        fix="use sqlite:/// or postgresql://",
    )


def _sqlite_engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite+pysqlite:///{path}",
        poolclass=QueuePool,
        # An error that is shown somewhere shows no address.
        hide_parameters=True,
        # isolation_level None: we begin transactions ourselves, with the lock we want.
        connect_args={
            "isolation_level": None,
            "timeout": BUSY_TIMEOUT_MS / 1000,
            "check_same_thread": False,
        },
    )

    @event.listens_for(engine, "do_connect")
    def _make_private(*_of_the_dialect: Any) -> None:
        # SQLite gives its log and its index the mode of the database. Whatever is wrong with the
        # folder, it says when it opens the file.
        with suppress(OSError):
            make_private_file(path)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        # A send touches the same pages again and again: keep them, and copy them back less often.
        connection.execute(f"PRAGMA cache_size=-{CACHE_KB}")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("newsletter_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def insert_for(connection: Connection) -> Callable[[Table], Any]:
    """Return the INSERT of the connection's database, which can say `ON CONFLICT`."""
    return sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn the driver's errors into ours; what the caller raised itself passes."""
    try:
        yield
    except NewsletterError:
        raise
    except DBAPIError as error:
        raise explain_database_error(error) from error
    except sqlite3.Error as error:
        # Of what goes straight to the driver.
        raise explain_driver_error(error) from error
    except SQLAlchemyError as error:
        raise StorageError(f"the database refused: {type(error).__name__}") from error
