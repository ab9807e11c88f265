"""What all tests share: databases from a template, a clock, and no silent skips in CI."""

from __future__ import annotations

import os
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from newsletter.clock import SettableClock, use_packaged_zones
from newsletter.storage import schema
from tests.databases import migrate_by_copy

# As the program does: tests judge the same zones.
use_packaged_zones()

SHARED = Path(__file__).resolve().parents[2] / "shared"
CORPORA = f"needs the foreign corpora in {SHARED.name}/ beside the checkout"

# Bounded, and without a deadline, for a busy machine is not a failure. `make test-all` takes the
# second one for all property tests.
for _profile, _examples in (("newsletter", 30), ("thorough", 300)):
    settings.register_profile(
        _profile,
        max_examples=_examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("newsletter")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make test-all` runs besides `make test`.

    A twin runs the same test once more, on a real PostgreSQL server. What is about PostgreSQL alone
    stands in files that end in `_postgresql.py`, and stays in `make test`.
    """
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        given = item.callspec.params.values() if hasattr(item, "callspec") else ()
        own_file = item.path.stem.endswith("_postgresql")
        if any(isinstance(value, str) and value in ("postgresql", "server") for value in given) or (
            "server_url" in item.fixturenames and not own_file
        ):
            item.add_marker(pytest.mark.heavy)
        if getattr(item.obj, "is_hypothesis_test", False):
            item.add_marker(pytest.mark.properties)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a skip fail in CI: there everything a test needs must be installed.

    But for foreign corpora, which are not ours to install: tests on them are extra.
    """
    report = yield
    extra = CORPORA in str(report.longrepr)
    if (
        report.skipped
        and os.environ.get("CI") == "true"
        and not extra
        and not hasattr(report, "wasxfail")
    ):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped in CI: {report.longrepr}"
    return report


@pytest.fixture
def shared() -> Path:
    """The folder of foreign corpora beside a contributor's checkout; tests on them are extra."""
    if not SHARED.is_dir():
        pytest.skip(CORPORA)
    return SHARED


@pytest.fixture(autouse=True)
def _databases_from_a_template(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Migrate once in a process and copy, but where the migrations are the matter."""
    if request.node.get_closest_marker("real_migrations") is None:
        monkeypatch.setattr(schema, "migrate", migrate_by_copy)


@pytest.fixture
def clock() -> SettableClock:
    """A clock that stands at a Tuesday morning."""
    return SettableClock(datetime(2026, 11, 24, 6, 0, tzinfo=UTC))


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the environment of whoever runs the tests out of them."""
    for name in [name for name in os.environ if name.startswith("NEWSLETTER_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _logs_as_before() -> Generator[None]:
    """Let no test leave its logs pointing at a stream that is closed by then."""
    yield
    structlog.reset_defaults()
