"""Alerts reach the operator by every configured way: at least once, by one teller, until told."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.fakes.provider import ScriptedProvider
from tests.fakes.sendgrid_sending import a_provider as sendgrid_provider
from tests.fakes.sendgrid_server import SendgridServer
from tests.fakes.smtp_scripted import Close, ScriptedSmtpServer
from tests.fakes.smtp_sending import a_provider as smtp_provider
from tests.fakes.smtp_server import SmtpServer
from tests.fakes.webhook_server import WebhookServer
from tests.integration.delivery.alert_stage import OPS, AlertStage, parsed
from tests.waiting import soon

from newsletter.clock import SettableClock
from newsletter.delivery import rounds
from newsletter.delivery.alert_claims import AlertState, claim_alert, list_alerts
from newsletter.delivery.alert_mail import is_alert
from newsletter.delivery.alert_post import AlertCarrier, AlertPost
from newsletter.errors import ConfigurationError
from newsletter.providers.base import AccountProblem, Envelope, OutcomeKind, Provider, Unavailable
from newsletter.storage.database import open_database

SERVER = pytest.param(
    "server", marks=[pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]
)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(params=["embedded", SERVER])
def stage(
    request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock
) -> Iterator[AlertStage]:
    """A stage on each kind of database."""
    url = "sqlite:///ledger.db"
    if request.param == "server":
        url = request.getfixturevalue("server_url")
    made = AlertStage(tmp_path, clock, readers=0, url=url)
    yield made
    made.database.close()


def counting(folder: Path, code: int = 0) -> str:
    """Return a command that writes a line for each alert and ends with a code."""
    program = f"open({str(folder / 'ran')!r}, 'a').write('x\\n'); raise SystemExit({code})"
    return shlex.join([sys.executable, "-c", program])


def runs(folder: Path) -> int:
    file = folder / "ran"
    return len(file.read_text().splitlines()) if file.exists() else 0


def ways(stage: AlertStage) -> list[dict[str, str]]:
    with stage.database.read() as connection:
        return [row.ways for row in list_alerts(connection, limit=100)]


def states(stage: AlertStage) -> list[AlertState]:
    with stage.database.read() as connection:
        return [row.state for row in list_alerts(connection, limit=100)]


# ---------------------------------------------------------------- by every way


def test_an_alert_goes_out_by_every_way_once(stage: AlertStage) -> None:
    stage.trouble()
    with WebhookServer() as hook:
        post = stage.post(
            mail_to=[OPS, "second@operator.example"],
            webhook=hook.url,
            command=counting(stage.folder),
        )
        told = [post.tell(), post.tell()]

    assert told == [1, 0]
    assert sorted(mail["To"] for mail in stage.mails()) == [OPS, "second@operator.example"]
    assert [post["alert"] for post in hook.posts] == [1]
    assert runs(stage.folder) == 1
    assert states(stage) == [AlertState.TOLD]
    assert ways(stage) == [
        {
            "mail to o…@operator.example": "told",
            "mail to s…@operator.example": "told",
            "webhook 127.0.0.1": "told",
            f"command {Path(sys.executable).name}": "told",
        }
    ]


def test_the_same_trouble_is_told_once(stage: AlertStage) -> None:
    raised = [stage.trouble("a"), stage.trouble("a"), stage.trouble("b")]

    assert raised == [True, False, True]
    assert stage.post(mail_to=[OPS]).tell() == 2
    assert len(stage.mails()) == 2


def test_the_mail_is_a_plain_one_of_the_sender_and_no_list_mail(stage: AlertStage) -> None:
    stage.trouble(subject="Domain held: example.org")
    with SmtpServer() as server:
        provider = smtp_provider(server.port, stage.clock)
        stage.post(provider, mail_to=[OPS]).tell()

    [captured] = server.messages
    message = parsed(captured.data)
    names = [name.lower() for name in message]
    once = ("from", "to", "subject", "date", "message-id", "mime-version", "auto-submitted")
    kinds = [part.get_content_type() for part in message.iter_parts()]
    assert captured.recipients == (OPS,)
    assert captured.sender == "daily@news.example.org"
    assert message["From"] == "The Daily <daily@news.example.org>"
    assert message["Subject"] == "[The Daily] Domain held: example.org"
    assert message["Auto-Submitted"] == "auto-generated"
    assert all(names.count(name) == 1 for name in once)
    assert not [name for name in names if name.startswith("list-") or name == "feedback-id"]
    assert kinds == ["text/plain", "text/html"]
    assert all(len(line) <= 78 for line in captured.data.split(b"\r\n"))


def test_sendgrid_takes_alerts_too(stage: AlertStage) -> None:
    stage.trouble()
    with SendgridServer() as server:
        provider = sendgrid_provider(server.url, stage.clock)
        told = stage.post(provider, mail_to=[OPS]).tell()

    [message] = server.messages
    assert told == 1
    assert message.address == OPS
    assert "It happened." in message.text
    assert message.headers == {"Auto-Submitted": "auto-generated"}


def test_with_no_way_the_log_has_it_and_it_is_settled(
    stage: AlertStage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.trouble(subject="Domain held: example.org")

    assert stage.post().tell() == 1
    assert ways(stage) == [{"log": "told"}]
    assert "Domain held: example.org" in capsys.readouterr().out


def test_an_address_that_is_named_twice_gets_one_mail(stage: AlertStage) -> None:
    stage.trouble()

    stage.post(mail_to=[OPS, OPS]).tell()

    assert len(stage.mails()) == 1


# ---------------------------------------------------------------- ways that fail


def test_a_way_that_failed_is_tried_again_and_the_good_ones_are_not_repeated(
    stage: AlertStage,
) -> None:
    stage.trouble()
    with WebhookServer([500, 503]) as hook:
        post = stage.post(mail_to=[OPS], webhook=hook.url, command=counting(stage.folder))
        first = post.tell()
        at_once = post.tell()
        stage.later(minutes=1)
        second = post.tell()
        noted = ways(stage)[0]["webhook 127.0.0.1"]
        stage.later(minutes=4)
        too_soon = post.tell()
        stage.later(minutes=1)
        third = post.tell()

    assert [first, at_once, second, too_soon, third] == [0, 0, 0, 0, 1]
    assert len(hook.posts) == 3
    assert noted == "it answered 503"
    assert runs(stage.folder) == 1
    assert len(stage.mails()) == 1
    assert stage.told() == [True]


def test_the_waits_grow_to_an_hour_and_end_after_a_day(
    stage: AlertStage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.trouble()
    post = stage.post(mail_to=[OPS], command=counting(stage.folder, code=1))
    began, waits = stage.clock.now(), []
    while not stage.told()[0]:
        post.tell()
        if (next_try := stage.alerts()[0].next_try) is not None:
            waits.append((next_try - stage.clock.now()).total_seconds() / 60)
            stage.later(minutes=waits[-1])

    assert waits[:6] == [1, 5, 15, 60, 60, 60]
    assert 24 <= (stage.clock.now() - began).total_seconds() / 3600 <= 25
    assert states(stage) == [AlertState.GIVEN_UP]
    assert "alert_given_up" in capsys.readouterr().out
    assert len(stage.mails()) == 1


def test_an_alert_that_lay_for_days_is_not_given_up_at_its_first_failure(
    stage: AlertStage,
) -> None:
    stage.trouble()
    stage.later(days=3)
    post = stage.post(command=counting(stage.folder, code=1))

    post.tell()

    assert states(stage) == [AlertState.WAITING]


@pytest.mark.parametrize(
    "trouble",
    [
        AccountProblem("the key is wrong for ann@operator.example"),
        Unavailable("the server is away"),
        RuntimeError("a fault of ours"),
    ],
)
def test_while_the_provider_is_the_trouble_the_other_ways_work(
    stage: AlertStage, trouble: Exception
) -> None:
    def refuse(_envelope: Envelope) -> OutcomeKind:
        raise trouble

    stage.trouble()
    post = stage.post(ScriptedProvider(refuse), mail_to=[OPS], command=counting(stage.folder))
    post.tell()
    refused = ways(stage)[0]
    stage.later(minutes=1)
    mended = ScriptedProvider()
    told = stage.post(mended, mail_to=[OPS], command=counting(stage.folder)).tell()

    assert runs(stage.folder) == 1
    assert refused["mail to o…@operator.example"] != "told"
    assert "ann@" not in str(refused)
    assert told == 1
    assert [envelope.address for envelope in mended.handed] == [OPS]


def test_a_provider_that_cannot_be_built_keeps_no_other_way_back(stage: AlertStage) -> None:
    def unbuildable() -> Provider:
        raise ConfigurationError("there is no key for SendGrid's API")

    stage.trouble()
    settings = stage.settings(mail_to=[OPS], command=counting(stage.folder))
    AlertPost(stage.database, settings, stage.clock, unbuildable).tell()

    assert runs(stage.folder) == 1
    assert ways(stage)[0]["mail to o…@operator.example"] == "there is no key for SendGrid's API"


def test_one_address_that_is_refused_does_not_keep_the_other_from_its_mail(
    stage: AlertStage,
) -> None:
    stage.trouble()
    with SmtpServer(refuse={OPS: f"550 5.1.1 <{OPS}>: no such user"}) as server:
        provider = smtp_provider(server.port, stage.clock)
        post = stage.post(provider, mail_to=[OPS, "second@operator.example"])
        post.tell()
        server.refuse.clear()
        stage.later(minutes=1)
        told = post.tell()

    assert told == 1
    assert [m.recipients for m in server.messages] == [("second@operator.example",), (OPS,)]


def test_a_mail_whose_answer_was_lost_goes_out_again_with_the_same_name(
    stage: AlertStage,
) -> None:
    stage.trouble()
    with ScriptedSmtpServer({"dot": [Close()]}) as server:
        for _ in range(2):
            provider = smtp_provider(server.port, stage.clock)
            stage.post(provider, mail_to=[OPS]).tell()
            stage.later(minutes=1)

    ids = {parsed(data)["Message-ID"] for data in server.dots}
    assert len(server.dots) == 2
    assert len(ids) == 1
    assert stage.told() == [True]


def test_in_the_outbox_a_second_try_is_the_first_ones_file(stage: AlertStage) -> None:
    stage.trouble()
    post = stage.post(mail_to=[OPS])
    post.tell()
    with stage.database.write() as connection:
        connection.execute(text("UPDATE alerts SET told_at = NULL, ways = NULL"))

    assert post.tell() == 1
    assert len(stage.mails()) == 1


def test_a_restored_backup_gives_a_number_again_and_the_new_alert_is_written(
    stage: AlertStage,
) -> None:
    stage.trouble()
    stage.post(mail_to=[OPS]).tell()
    with stage.database.write() as connection:
        connection.execute(text("DELETE FROM alerts"))
        if not stage.database.embedded:
            connection.execute(text("ALTER SEQUENCE alerts_id_seq RESTART"))
    stage.later(hours=1)
    stage.trouble()
    stage.post(mail_to=[OPS]).tell()

    assert [row.id for row in stage.alerts()] == [1]
    assert len(stage.mails()) == 2


def test_a_missing_sender_is_told(stage: AlertStage) -> None:
    stage.trouble()
    settings = stage.settings(mail_to=[OPS]).model_copy(
        update={"sender": stage.settings().sender.model_copy(update={"from_email": ""})}
    )
    provider = ScriptedProvider()
    AlertPost(stage.database, settings, stage.clock, lambda: provider).tell()

    assert ways(stage)[0]["mail to o…@operator.example"] == "'sender.from_email' is missing"
    assert provider.handed == []


def test_an_alerts_mail_has_a_name_that_no_letter_has(stage: AlertStage) -> None:
    stage.trouble()
    provider = ScriptedProvider()

    stage.post(provider, mail_to=[OPS]).tell()

    assert all(is_alert(envelope.delivery) for envelope in provider.handed)
    assert [envelope.return_path for envelope in provider.handed] == [""]


# ---------------------------------------------------------------- one teller


def test_two_posts_at_once_tell_each_alert_once(stage: AlertStage) -> None:
    for number in range(20):
        stage.trouble(f"trouble {number}")
    told: list[int] = []
    with WebhookServer() as hook:

        def tell() -> None:
            told.append(stage.post(webhook=hook.url).tell())

        threads = [threading.Thread(target=tell) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sum(told) == 20
    assert sorted(post["alert"] for post in hook.posts) == list(range(1, 21))


def test_what_a_killed_process_claimed_is_taken_up_after_its_lease(stage: AlertStage) -> None:
    stage.trouble()
    with stage.database.write() as connection:
        claim_alert(connection, stage.clock.now())
    post = stage.post(mail_to=[OPS])

    within = post.tell()
    stage.later(minutes=11)

    assert within == 0
    assert post.tell() == 1
    assert len(stage.mails()) == 1


def test_a_late_teller_keeps_what_it_did_and_moves_no_time(stage: AlertStage) -> None:
    """One whose lease ran out, while another has taken the alert up and failed."""
    stage.trouble()
    begun, go_on = threading.Event(), threading.Event()

    def slowly(_envelope: Envelope) -> OutcomeKind:
        begun.set()
        go_on.wait(20)
        return OutcomeKind.ACCEPTED

    slow = stage.post(ScriptedProvider(slowly), mail_to=[OPS])
    thread = threading.Thread(target=slow.tell)
    thread.start()
    assert begun.wait(60)
    stage.later(minutes=11)
    stage.post(ScriptedProvider(lambda _: OutcomeKind.DEFERRED), mail_to=[OPS]).tell()
    go_on.set()
    thread.join(20)

    assert states(stage) == [AlertState.TOLD]
    assert ways(stage) == [{"mail to o…@operator.example": "told"}]


@pytest.mark.slow
def test_a_process_that_is_killed_while_it_tells_repeats_no_way_that_had_it(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = AlertStage(tmp_path, clock, readers=0)
    stage.trouble()
    with WebhookServer() as hook:
        program = tmp_path / "teller.py"
        program.write_text(_TELLER.format(folder=tmp_path, url=hook.url), encoding="utf-8")
        teller = subprocess.Popen(
            [sys.executable, str(program)],
            cwd=Path(__file__).parents[3],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
            start_new_session=True,
        )
        assert soon(lambda: (tmp_path / "began").exists())
        teller.kill()
        teller.wait(10)
        os.kill(int((tmp_path / "began").read_text()), signal.SIGKILL)
        post = stage.post(webhook=hook.url, command=counting(tmp_path))
        within = post.tell()
        stage.later(minutes=11)
        after = post.tell()

    assert (within, after) == (0, 1)
    assert len(hook.posts) == 1
    assert runs(tmp_path) == 1


_TELLER = """
from datetime import UTC, datetime
from pathlib import Path

from newsletter.clock import SettableClock
from newsletter.delivery.alert_post import AlertPost
from newsletter.settings import Settings
from newsletter.storage.database import open_database

folder = Path("{folder}")
settings = Settings(
    alerts={{"webhook": "{url}", "command": "sh -c 'echo $$ > part; mv part began; sleep 60'"}},
    root=folder,
)
clock = SettableClock(datetime(2026, 11, 24, 6, 0, tzinfo=UTC))
AlertPost(open_database("sqlite:///ledger.db", root=folder), settings, clock, None).tell()
"""


# ---------------------------------------------------------------- in the background


def test_a_woken_carrier_tells_at_once_and_stops_quickly(stage: AlertStage) -> None:
    provider = ScriptedProvider()
    carrier = AlertCarrier(stage.post(provider, mail_to=[OPS]), look_seconds=3600)
    carrier.start()
    stage.trouble("a")
    carrier.wake()

    assert soon(lambda: len(provider.handed) == 1)
    stage.trouble("b")
    carrier.wake()
    assert soon(lambda: len(provider.handed) == 2)
    began = time.monotonic()
    carrier.stop()
    assert time.monotonic() - began < 10


def test_a_carrier_that_nobody_wakes_looks_by_itself(stage: AlertStage) -> None:
    provider = ScriptedProvider()
    carrier = AlertCarrier(stage.post(provider, mail_to=[OPS]), look_seconds=0.1)
    carrier.start()
    try:
        stage.trouble()
        assert soon(lambda: len(provider.handed) == 1)
    finally:
        carrier.stop()


def test_a_stop_breaks_off_what_takes_too_long(
    stage: AlertStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "STOP_SECONDS", 0.3)
    begun = threading.Event()

    def hang(_envelope: Envelope) -> OutcomeKind:
        begun.set()
        provider.interrupted.wait(20)
        return OutcomeKind.NOT_SENT

    provider = ScriptedProvider(hang)
    carrier = AlertCarrier(stage.post(provider, mail_to=[OPS]))
    stage.trouble()
    carrier.start()
    assert begun.wait(60)

    carrier.stop()

    assert provider.interrupted.is_set()
    assert soon(lambda: stage.told() == [False])


def test_a_database_that_is_away_does_not_end_the_carrier(
    tmp_path: Path, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "REST_SECONDS", (0.2, 0.4))
    stage = AlertStage(tmp_path, clock, readers=0)
    provider = ScriptedProvider()
    post = stage.post(provider, mail_to=[OPS])
    gone = open_database("sqlite:///empty.db", root=tmp_path)
    whole, post.database = post.database, gone
    carrier = AlertCarrier(post, look_seconds=0.2)
    carrier.start()
    try:
        stage.trouble()
        carrier.wake()
        time.sleep(0.5)
        assert provider.handed == []
        post.database = whole
        assert soon(lambda: len(provider.handed) == 1)
    finally:
        carrier.stop()
        gone.close()


def test_a_post_out_of_patience_leaves_the_rest_to_the_next(stage: AlertStage) -> None:
    for number in range(3):
        stage.trouble(f"trouble {number}")
    provider = ScriptedProvider()
    post = stage.post(provider, mail_to=[OPS])

    first = post.tell(seconds=0)
    rest = post.tell()

    assert (first, rest) == (0, 3)
