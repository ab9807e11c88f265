"""Operators are asked about an edition by mail, with the digest as readers get it (H7)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.fakes.provider import ScriptedProvider
from tests.fakes.smtp_sending import a_provider as smtp_provider
from tests.fakes.smtp_server import SmtpServer
from tests.fakes.webhook_server import WebhookServer
from tests.integration.delivery.alert_stage import OPS, parsed
from tests.integration.schedule.operators_stage import DIGEST, OperatorStage

from newsletter.clock import SettableClock
from newsletter.delivery.alert_claims import list_alerts
from newsletter.providers.base import Envelope, OutcomeKind, Unavailable
from newsletter.schedule.model import EditionStatus
from newsletter.schedule.operator_mail import OperatorMails
from newsletter.schedule.proof_mail import revision_number
from newsletter.storage.tables import alerts

SERVER = pytest.param(
    "server", marks=[pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]
)


@pytest.fixture(params=["embedded", SERVER])
def stage(
    request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock
) -> Iterator[OperatorStage]:
    """A stage on each kind of database."""
    url = "sqlite:///ledger.db"
    if request.param == "server":
        url = request.getfixturevalue("server_url")
    made = OperatorStage(tmp_path, clock, readers=3, url=url)
    yield made
    made.database.close()


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    text: str = body.get_content()
    return text


def test_the_mail_says_to_whom_when_and_how_to_decide_above_the_real_digest(
    stage: OperatorStage,
) -> None:
    edition = stage.hold()

    asked = stage.asker().send_proof(edition)
    told = stage.post(mail_to=[OPS, "second@operator.example"]).tell()

    assert (asked, told, len(stage.woken)) == (True, 1, 1)
    first, second = stage.mails()
    assert {first["To"], second["To"]} == {OPS, "second@operator.example"}
    assert first["Subject"] == (
        "[The Example] To approve: Night Ferries Are Shared to Daily, 24 Nov 08:00"
    )
    text, html = part(first, "plain"), part(first, "html")
    link = f"https://news.example.org{stage.path(edition)}"
    words = " ".join(text.split())
    assert "To: 3 readers of Daily." in words
    assert "When: Tuesday, 24 November 2026, 08:00 (Europe/Paris), which is 24 Nov 07:00" in words
    assert "after Tuesday, 24 November 2026, 11:00 (Europe/Paris) the edition counts as" in words
    assert "HTML in a digest is shown as it is typed" in words or "line 9:" in words
    assert link in text.split()
    assert "newsletter schedule approve morning 2026-11-24" in text
    assert "newsletter schedule cancel morning 2026-11-24" in text
    assert "Subject: Ferries for everybody" in text
    assert "Good morning, reader. Four towns share" in text
    assert f'href="{link}#approve"' in html
    assert f'href="{link}#cancel"' in html
    assert html.count("<body") == 1
    assert "Good morning, reader." in html
    assert html.index("waits for your yes") < html.index("Good morning")


def test_links_to_leave_in_the_proof_belong_to_nobody(stage: OperatorStage) -> None:
    stage.asker().send_proof(stage.hold())
    stage.post(mail_to=[OPS]).tell()

    [mail] = stage.mails()
    assert re.findall(r"/[up]/[^\s\"<#]+", part(mail, "html")) == ["/p/test", "/u/test"]
    assert not [name for name in mail if name.lower().startswith("list-")]
    assert mail["Auto-Submitted"] == "auto-generated"


def test_the_mail_is_made_of_the_edition_whatever_became_of_the_alerts_words(
    stage: OperatorStage,
) -> None:
    stage.asker().send_proof(stage.hold())
    with stage.database.write() as connection:
        connection.execute(update(alerts).values(body="cut off"))

    stage.post(mail_to=[OPS]).tell()

    (mail,) = stage.mails()
    text = part(mail, "plain")
    assert "Subject: Ferries for everybody" in text
    assert "https://news.example.org/e/" in text
    assert "cut off" not in text


def test_each_revision_is_asked_about_once(stage: OperatorStage) -> None:
    asker, edition = stage.asker(), stage.hold()

    first = [asker.send_proof(edition), asker.send_proof(edition), stage.asker().look()]
    stage.write_digest(DIGEST.replace("Good morning", "Good evening"))
    changed = stage.hold_again(edition)
    second = [asker.look(), asker.look()]
    stage.post(mail_to=[OPS]).tell()

    assert first == [True, False, 0]
    assert second == [1, 0]
    assert revision_number(edition) != revision_number(changed)
    old, new = (part(mail, "plain") for mail in stage.mails())
    assert "Good evening" in new
    # The first was not told before the digest changed: it must not show what it does not ask about.
    assert "Good" not in old
    assert stage.path(edition) in old


def test_a_digest_that_is_changed_back_is_put_before_them_once_more(stage: OperatorStage) -> None:
    asker, edition = stage.asker(), stage.hold()
    asked = [asker.look()]
    for text in (DIGEST.replace("Good morning", "Good evening"), DIGEST):
        stage.later(minutes=1)
        stage.write_digest(text)
        stage.hold_again(edition)
        asked.append(asker.look())

    assert asked == [1, 1, 1]


def test_an_edition_that_a_killed_process_held_and_did_not_ask_about_is_asked_about(
    stage: OperatorStage,
) -> None:
    stage.hold()

    assert stage.asker().look() == 1


@pytest.mark.parametrize(
    "status",
    [status for status in EditionStatus if status is not EditionStatus.HELD],
)
def test_nobody_is_asked_about_what_does_not_wait(
    stage: OperatorStage, status: EditionStatus
) -> None:
    stage.put(stage.hold(), status=status.value)

    assert stage.asker().look() == 0


def test_a_mail_that_failed_is_tried_again(stage: OperatorStage) -> None:
    stage.asker().send_proof(stage.hold())

    def refuse(_envelope: Envelope) -> OutcomeKind:
        raise Unavailable("the server is away")

    away = ScriptedProvider(refuse)

    first = stage.post(away, mail_to=[OPS]).tell()
    stage.later(minutes=1)
    second = stage.post(mail_to=[OPS]).tell()

    assert (first, second, len(stage.mails())) == (0, 1, 1)


def test_the_question_goes_through_a_real_smtp_server(stage: OperatorStage) -> None:
    stage.asker().send_proof(stage.hold())
    with SmtpServer() as server:
        stage.post(smtp_provider(server.port, stage.clock), mail_to=[OPS]).tell()

    [captured] = server.messages
    message = parsed(captured.data)
    kinds = [one.get_content_type() for one in message.iter_parts()]
    assert (captured.recipients, kinds) == ((OPS,), ["text/plain", "text/html"])
    assert all(len(line) <= 998 for line in captured.data.split(b"\r\n"))


def test_the_question_goes_by_the_other_ways_with_its_link(
    stage: OperatorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    edition = stage.hold()
    stage.asker(webhook="http://127.0.0.1").send_proof(edition)
    with WebhookServer() as hook:
        stage.post(webhook=hook.url).tell()

    [document] = hook.posts
    assert document["kind"] == "edition_asked"
    assert f"https://news.example.org{stage.path(edition)}" in document["body"]


def test_where_nobody_is_named_the_log_says_what_to_type_and_no_link(
    stage: OperatorStage, capsys: pytest.CaptureFixture[str]
) -> None:
    edition = stage.hold()
    stage.asker(mail_to=[]).send_proof(edition)
    stage.post().tell()

    out = capsys.readouterr().out
    with stage.database.read() as connection:
        [row] = list_alerts(connection, limit=9)
    assert "To approve: Night Ferries Are Shared" in out
    assert "newsletter schedule approve morning" in out
    assert "/e/" not in out
    assert row.body.index("schedule approve morning") < row.body.index("/e/")


def test_a_digest_that_cannot_be_shown_leaves_the_words_and_the_link(
    stage: OperatorStage,
) -> None:
    edition = stage.hold()
    (stage.folder / "digests" / "2026-11-24.md").unlink()

    stage.asker().send_proof(edition)
    stage.post(mail_to=[OPS]).tell()

    [mail] = stage.mails()
    text = part(mail, "plain")
    assert "has changed since, so it is not shown" in text
    assert stage.path(edition) in text


def test_a_fault_in_the_looks_of_a_mail_does_not_keep_its_words_from_anybody(
    stage: OperatorStage,
) -> None:
    def broken() -> object:
        raise RuntimeError("no keys")

    stage.asker().send_proof(stage.hold())
    post = stage.post(mail_to=[OPS])
    mails = OperatorMails(stage.database, post.settings, broken, stage.clock)  # type: ignore[arg-type]
    post.content_of = mails.content_of

    assert post.tell() == 1
    assert "waits for your yes" in part(stage.mails()[0], "plain")


def test_neither_the_database_nor_the_mail_names_a_reader(stage: OperatorStage) -> None:
    stage.asker().send_proof(stage.hold())
    stage.post(mail_to=[OPS]).tell()

    with stage.database.read() as connection:
        [row] = list_alerts(connection, limit=9)
    assert "@example.org" not in row.body + part(stage.mails()[0], "html")
