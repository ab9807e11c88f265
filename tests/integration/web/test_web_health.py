"""What monitors ask for: /healthz, /readyz and /metrics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from tests.builders import Stage
from tests.fakes.provider import ScriptedProvider
from tests.integration.web.running import RunningApp, running_app, some_settings

from newsletter.clock import SettableClock
from newsletter.providers.base import Envelope, OutcomeKind
from newsletter.web.office import Vitals

DUE = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)


def test_all_is_well(stage: Stage) -> None:
    vitals = Vitals(problems={"letters": None, "campaigns": None})
    with running_app(stage, vitals=lambda: vitals) as app:
        ready = app.get("/readyz")

    assert ready.status_code == 200
    assert ready.json() == {"ready": True, "problems": {}}
    assert ready.headers["cache-control"] == "no-store"
    assert ready.headers["x-robots-tag"] == "noindex"


def test_a_part_that_has_died_is_named(stage: Stage) -> None:
    vitals = Vitals(problems={"letters": None, "campaigns": "not running"})
    with running_app(stage, vitals=lambda: vitals) as app:
        ready = app.get("/readyz")
        alive = app.get("/healthz")

    assert ready.status_code == 503
    assert ready.json() == {"ready": False, "problems": {"campaigns": "not running"}}
    assert ready.headers["retry-after"] == "5"
    assert alive.status_code == 200


def test_a_database_file_that_is_gone_or_another_one_is_told(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = Stage(tmp_path, clock)
    path = stage.database.path
    assert path is not None
    with running_app(stage) as app:
        assert app.get("/readyz").status_code == 200
        path.rename(tmp_path / "away.db")
        gone = app.get("/readyz")
        path.write_bytes(b"")
        other = app.get("/readyz")
        (tmp_path / "away.db").rename(path)
        back = app.get("/readyz")
    stage.database.close()

    assert (gone.status_code, gone.json()["problems"]) == (503, {"database": "its file is gone"})
    assert other.json()["problems"] == {"database": "its file was replaced: restart"}
    assert back.status_code == 200


def test_a_schema_of_another_program_and_one_that_cannot_be_read_are_told(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = Stage(tmp_path, clock)
    with running_app(stage) as app:
        with stage.database.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        newer = app.get("/readyz")
        with stage.database.write() as connection:
            connection.execute(text("DROP TABLE alembic_version"))
        broken = app.get("/readyz")
    stage.database.close()

    assert newer.status_code == broken.status_code == 503
    assert newer.json()["problems"]["database"].startswith("at schema 9999, this program needs")
    assert broken.json()["problems"] == {"database": "StorageError"}


def test_metrics_are_shown_only_where_they_are_wanted(app: RunningApp) -> None:
    assert app.get("/metrics").status_code == 404


def metrics_of(app: RunningApp) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return the value of each sample, by its name and labels."""
    answer = app.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answer.headers["cache-control"] == "no-store"
    assert "content-security-policy" in answer.headers
    assert "@" not in answer.text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_metrics_tell_of_campaigns_waiting_work_and_the_process(stage: Stage) -> None:
    def some_bounce(envelope: Envelope) -> OutcomeKind:
        hard = envelope.delivery.subscriber == 2
        return OutcomeKind.REJECTED_RECIPIENT if hard else OutcomeKind.ACCEPTED

    sent = stage.freeze()
    stage.sender(ScriptedProvider(some_bounce)).run(sent)
    waits = stage.freeze(
        slug="2026-11-25",
        content_hash="other",
        not_before=stage.clock.now() + timedelta(hours=1),
    )
    vitals = Vitals(
        problems={"letters": None, "campaigns": "not running"},
        sending=1,
        seconds_since_look=2.5,
        next_due=DUE,
    )
    with running_app(stage, some_settings(metrics=True), vitals=lambda: vitals) as app:
        found = metrics_of(app)

    def of(name: str, **labels: str) -> float:
        return found[f"newsletter_{name}", frozenset(labels.items())]

    def deliveries(campaign: int, state: str) -> float:
        return of("deliveries", campaign=str(campaign), list="daily", state=state)

    assert (deliveries(sent, "accepted"), deliveries(sent, "rejected")) == (4, 1)
    # The address that was refused is suppressed since, but the audience was frozen before.
    assert deliveries(waits, "pending") == stage.campaign(waits).recipients
    assert of("campaigns", status="sent") == of("campaigns", status="scheduled") == 1
    assert of("editions", status="missed") == 0
    assert of("events_waiting") == of("letters_waiting") == 0
    assert of("last_campaign_finished_timestamp_seconds") == stage.clock.now().timestamp()
    assert of("part_up", part="letters") == 1
    assert of("part_up", part="campaigns") == 0
    assert of("sending_campaigns") == of("database_up") == 1
    assert of("schedule_last_look_age_seconds") == 2.5
    assert of("schedule_next_due_timestamp_seconds") == DUE.timestamp()
    assert found["process_resident_memory_bytes", frozenset()] > 1_000_000


def test_what_was_counted_is_shown_for_a_while(stage: Stage) -> None:
    with running_app(stage, some_settings(metrics=True)) as app:
        first = metrics_of(app)
        stage.freeze()
        second = metrics_of(app)

    counted = "newsletter_campaigns", frozenset({("status", "sending")})
    assert first[counted] == second[counted] == 0


def test_metrics_say_when_the_database_cannot_be_read(tmp_path: Path, clock: SettableClock) -> None:
    stage = Stage(tmp_path, clock)
    with running_app(stage, some_settings(metrics=True)) as app:
        with stage.database.write() as connection:
            connection.execute(text("ALTER TABLE alerts RENAME TO away"))
        found = metrics_of(app)
    stage.database.close()

    assert found["newsletter_database_up", frozenset()] == 0
    assert not [name for name, _ in found if name == "newsletter_campaigns"]


def test_a_monitor_that_speaks_openmetrics_is_answered_in_it(stage: Stage) -> None:
    with running_app(stage, some_settings(metrics=True)) as app:
        answer = app.get("/metrics", headers={"Accept": "application/openmetrics-text"})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
