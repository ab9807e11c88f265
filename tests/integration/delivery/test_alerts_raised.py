"""What raises an alert: pauses and holds that nobody asked for, in the transaction of each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text
from tests.fakes.provider import ScriptedProvider, in_smtp
from tests.fakes.smtp_sending import a_provider as smtp_provider
from tests.fakes.smtp_server import SmtpServer
from tests.integration.delivery.alert_stage import OPS, AlertStage, parsed

from newsletter.clock import SettableClock
from newsletter.delivery.campaigns import change_status, pause_unless_ended
from newsletter.delivery.domains import hold_domain, release_domain
from newsletter.delivery.limits import Limits
from newsletter.errors import ProviderError
from newsletter.providers.base import AccountProblem, Envelope, OutcomeKind
from newsletter.settings import BrakesPart
from newsletter.storage.pacing_tables import domain_holds
from newsletter.storage.tables import suppressions

K = OutcomeKind
HARD = in_smtp("550 5.1.1 <reader@example.org> no such user here")
BRAKES = Limits(brakes=BrakesPart(hard_bounce_after=20))

SERVER = pytest.param(
    "server", marks=[pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]
)


@pytest.fixture(params=["embedded", SERVER])
def stage(
    request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock
) -> Iterator[AlertStage]:
    """A stage on each kind of database."""
    url = "sqlite:///ledger.db"
    if request.param == "server":
        url = request.getfixturevalue("server_url")
    made = AlertStage(tmp_path, clock, readers=40, url=url)
    yield made
    made.database.close()


def every_fourth(kind: OutcomeKind) -> Callable[[Envelope], OutcomeKind]:
    return lambda envelope: kind if envelope.delivery.subscriber % 4 == 0 else K.ACCEPTED


def kinds(stage: AlertStage) -> list[str]:
    return [row.kind for row in stage.alerts()]


def hold(stage: AlertStage, domain: str = "example.org", reason: str = "554 5.7.1 no") -> None:
    with stage.database.write() as connection:
        hold_domain(
            connection,
            domain,
            duration=timedelta(hours=1),
            reason=reason,
            campaign=1,
            at=stage.clock.now(),
        )


# ---------------------------------------------------------------- pauses


def test_a_brake_raises_one_alert_with_the_numbers(stage: AlertStage) -> None:
    campaign = stage.freeze()
    provider = ScriptedProvider(every_fourth(K.REJECTED_RECIPIENT), batch_limit=10, answer=HARD)

    stage.sender(provider, BRAKES).run(campaign)
    stage.sender(provider, BRAKES).run(campaign)

    [alert] = stage.alerts()
    assert alert.kind == "campaign_paused"
    assert alert.campaign_id == campaign
    assert alert.subject == f"Campaign {campaign} paused: 2026-11-24 to daily"
    assert "5 of the first 20 recipients bounced hard (25 %, limit 5 %)" in alert.body
    assert "20 of its 40 recipients have not got it" in alert.body


def test_a_campaign_that_goes_on_and_pauses_again_alerts_again(stage: AlertStage) -> None:
    campaign = stage.freeze()

    def closed(_envelope: Envelope) -> OutcomeKind:
        raise AccountProblem("the account is closed")

    for _ in range(2):
        with pytest.raises(ProviderError):
            stage.sender(ScriptedProvider(closed)).run(campaign)
        stage.later(minutes=1)
        change_status(stage.database, campaign, "resume", stage.clock.now(), actor="cli:ann")

    assert kinds(stage) == ["campaign_paused", "campaign_paused"]
    assert all("Why: the account is closed" in row.body for row in stage.alerts())


def test_a_message_that_is_refused_again_and_again_alerts_without_an_address(
    stage: AlertStage,
) -> None:
    campaign = stage.freeze()
    answer = in_smtp("550 5.6.0 cannot take this for reader1@example.org")
    provider = ScriptedProvider(lambda _: K.REJECTED_MESSAGE, answer=answer)

    with pytest.raises(ProviderError):
        stage.sender(provider).run(campaign)

    [alert] = stage.alerts()
    assert "refused the message 5 times in a row" in alert.body
    assert "reader1@" not in alert.body
    assert "r…@example.org" in alert.body


def test_a_bad_canary_alerts(tmp_path: Path, clock: SettableClock) -> None:
    stage = AlertStage(tmp_path, clock, readers=40)
    campaign = stage.freeze(canary=10)
    provider = ScriptedProvider(every_fourth(K.REJECTED_RECIPIENT), answer=HARD)
    sender = stage.sender(provider, BRAKES)
    sender.wait = lambda seconds: stage.later(seconds=seconds)

    sender.run(campaign)

    [alert] = stage.alerts()
    assert "of the canary's 10 recipients bounced hard" in alert.body
    assert "30 of its 40 recipients have not got it" in alert.body


def test_what_an_operator_does_raises_none(stage: AlertStage) -> None:
    campaign = stage.freeze()

    for word in ("pause", "resume", "cancel"):
        change_status(stage.database, campaign, word, stage.clock.now(), actor="cli:ann")
    with stage.database.write() as connection:
        pause_unless_ended(
            connection, campaign, stage.clock.now(), actor="brake", reason="too late"
        )

    assert stage.alerts() == []


def test_a_pause_that_is_rolled_back_leaves_no_alert(stage: AlertStage) -> None:
    campaign = stage.freeze()

    def pause_and_fail() -> None:
        with stage.database.write() as connection:
            pause_unless_ended(connection, campaign, stage.clock.now(), actor="brake", reason="x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        pause_and_fail()

    assert stage.alerts() == []
    assert stage.campaign(campaign).status == "sending"


def test_several_who_pause_at_once_raise_one_alert(stage: AlertStage) -> None:
    campaign = stage.freeze()

    def pause(connection: Connection, number: int) -> None:
        at = stage.clock.now() + timedelta(microseconds=number)
        pause_unless_ended(connection, campaign, at, actor="brake", reason=f"{number}")

    at_once(stage, pause)

    assert kinds(stage) == ["campaign_paused"]


# ---------------------------------------------------------------- holds


def test_a_domain_that_is_held_again_alerts_again_and_one_that_stays_held_does_not(
    stage: AlertStage,
) -> None:
    stage.freeze()
    hold(stage)
    hold(stage)
    stage.later(minutes=10)
    hold(stage)
    once = len(stage.alerts())
    stage.later(hours=1)
    hold(stage)
    with stage.database.write() as connection:
        release_domain(connection, "example.org", at=stage.clock.now(), actor="cli:ann")
    stage.later(minutes=1)
    hold(stage)

    assert once == 1
    assert kinds(stage) == ["domain_held"] * 3


def test_a_hold_alerts_with_the_masked_answer(stage: AlertStage) -> None:
    stage.freeze()
    hold(stage, reason="554 5.7.1 mail to reader7@example.org from us is blocked")

    [alert] = stage.alerts()
    assert alert.subject == "Domain held: example.org"
    assert "reader7@" not in alert.body
    assert "r…@example.org" in alert.body


def test_several_who_hold_a_domain_at_once_raise_one_alert(stage: AlertStage) -> None:
    campaign = stage.freeze()
    ends = []

    def held(connection: Connection, number: int) -> None:
        until = hold_domain(
            connection,
            "example.org",
            duration=timedelta(hours=1),
            reason="no",
            campaign=campaign,
            at=stage.clock.now() + timedelta(microseconds=number),
        )
        ends.append(until)

    at_once(stage, held)

    with stage.database.read() as connection:
        until = connection.execute(select(domain_holds.c.until)).scalar_one()
    assert kinds(stage) == ["domain_held"]
    assert set(ends) == {until}


def at_once(stage: AlertStage, work: Callable[[Connection, int], None]) -> None:
    """Do a work in several transactions that begin together."""
    start, faults = threading.Barrier(4), []

    def run(number: int) -> None:
        start.wait(10)
        try:
            with stage.database.write() as connection:
                work(connection, number)
        except Exception as error:  # noqa: BLE001 - told below
            faults.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


# ---------------------------------------------------------------- over SMTP, to the end


def test_a_domain_that_refuses_our_machine_is_held_and_told_and_nobody_is_suppressed(
    stage: AlertStage,
) -> None:
    """One large domain says 5.7.1 to everybody; another one takes its mail (D6)."""
    for number in range(10):
        stage.join(f"other{number}@example.net")
    campaign = stage.freeze()
    with stage.database.write() as connection:
        connection.execute(text("UPDATE campaigns SET provider = 'smtp'"))
    refusal = "550 5.7.1 Service unavailable; client host [192.0.2.1] blocked using a list"
    refuse = {f"reader{number}@example.org": refusal for number in range(1, 41)}
    with SmtpServer(refuse=refuse) as server:
        provider = smtp_provider(server.port, stage.clock)
        stage.sender(provider).run(campaign)
        told = stage.post(provider, mail_to=[OPS]).tell()

    mails = [m for m in server.messages if m.recipients == (OPS,)]
    others = [m for m in server.messages if m.recipients[0].endswith("@example.net")]
    [mail] = [parsed(m.data) for m in mails]
    body = mail.get_body(("plain",))
    assert told == 1
    assert len(others) == 10
    assert mail["Subject"] == "[The Daily] Domain held: example.org"
    assert body is not None
    assert "blocked using a list" in " ".join(body.get_content().split())
    assert "reader" not in body.get_content().replace("the readers", "")
    assert "    newsletter domains release example.org" in body.get_content()
    with stage.database.read() as connection:
        assert connection.execute(select(suppressions)).all() == []
        [held] = connection.execute(select(domain_holds.c.domain)).scalars()
    assert held == "example.org"
    assert stage.campaign(campaign).status == "sending"
    assert kinds(stage) == ["domain_held"]
