"""The daily summary on each kind of database, as mail that operators get (H10)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update
from tests.fakes.webhook_server import WebhookServer
from tests.integration.delivery.alert_stage import OPS
from tests.integration.schedule.operators_stage import OperatorStage

from newsletter.clock import SettableClock
from newsletter.delivery.faults import Faults
from newsletter.schedule.operator_mail import OperatorRounds
from newsletter.schedule.summary_telling import SummaryTeller
from newsletter.storage.tables import attempts, deliveries

SERVER = pytest.param(
    "server", marks=[pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]
)


@pytest.fixture(params=["embedded", SERVER])
def stage(
    request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock
) -> Iterator[OperatorStage]:
    """A stage on each kind of database; one of its ten readers bounced an hour ago."""
    url = "sqlite:///ledger.db"
    if request.param == "server":
        url = request.getfixturevalue("server_url")
    made = OperatorStage(tmp_path, clock, readers=10, url=url)
    campaign, at = made.freeze(), clock.now() - timedelta(hours=1)
    with made.database.write() as connection:
        connection.execute(
            insert(attempts).values(
                campaign_id=campaign, worker="w", size=10, claimed_at=at, lease_until=at
            )
        )
        connection.execute(update(deliveries).values(state=8))
        connection.execute(
            update(deliveries).where(deliveries.c.subscriber_id == 3).values(state=9, reason="hard")
        )
    yield made
    made.database.close()


def test_it_goes_by_mail_alone_and_names_nobody(
    stage: OperatorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    settings = stage.settings(mail_to=[OPS], summary_at="07:00")
    woken: list[None] = []
    teller = SummaryTeller(stage.database, settings, stage.clock, wake=lambda: woken.append(None))
    rounds = OperatorRounds(
        stage.asker(), teller, Faults(stage.database, stage.clock), look_seconds=60
    )
    edition = stage.hold()
    rounds.start()
    rounds.stop()
    with WebhookServer() as hook:
        told = stage.post(mail_to=[OPS], webhook=hook.url).tell()

    question, summary = stage.mails()
    part = summary.get_body(("plain",))
    assert part is not None
    text = part.get_content()
    rows = {" ".join(line.split()) for line in text.splitlines()}
    assert told == 2
    assert [post["kind"] for post in hook.posts] == ["edition_asked"]
    assert question["Subject"].startswith("[The Example] To approve:")
    assert summary["Subject"] == (
        "[The Example] Tue 24 Nov: 1 thing waits for you, "
        "10 recipients, 1 bounced, 0 left, 10 joined"
    )
    assert {"Recipients 10 0", "delivered 9 0", "hard: no such address 1 0"} <= rows
    assert "Tue 24 Nov 08:00 morning WAITS FOR YOUR YES" in rows
    assert f"newsletter schedule approve morning {edition.day}" in text
    assert "1 of 10 (10 %) bounced hard" in " ".join(text.split())
    assert "@example.org" not in text
