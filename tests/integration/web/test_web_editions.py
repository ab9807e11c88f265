"""An operator decides about an edition by the link in a mail: GET shows, POST acts (H7, C3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.integration.delivery.alert_stage import OPS
from tests.integration.schedule.operators_stage import DIGEST, SIGNER, OperatorStage
from tests.integration.web.running import RunningApp, running_app

from newsletter.audience.tokens import Purpose
from newsletter.clock import SettableClock
from newsletter.schedule.keeping import EditionKeeper
from newsletter.schedule.model import Edition, EditionStatus
from newsletter.schedule.proof_mail import edition_path, revision_number

APPROVE, CANCEL = {"decision": "approve"}, {"decision": "cancel"}


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> Iterator[OperatorStage]:
    """A stage whose schedule asks for approval; its clock stands an hour before the edition."""
    made = OperatorStage(tmp_path, clock, readers=3)
    yield made
    made.database.close()


@pytest.fixture
def app(stage: OperatorStage) -> Iterator[RunningApp]:
    """The pages over that stage."""
    with running_app(stage, stage.settings(mail_to=[OPS])) as running:
        yield running


@pytest.fixture
def edition(stage: OperatorStage) -> Edition:
    """An edition that waits for a yes."""
    return stage.hold()


def everything(app: RunningApp) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that a decision could change."""
    tables = ("editions", "campaigns", "alerts", "audit_log")
    return {table: app.rows(f"SELECT * FROM {table} ORDER BY id") for table in tables}


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_the_page_shows_what_to_whom_and_when_with_two_buttons(
    app: RunningApp, stage: OperatorStage, edition: Edition
) -> None:
    page = app.get(stage.path(edition))

    shown = words(page.text)
    assert page.status_code == 200
    assert "“Night Ferries Are Shared” waits for your yes until Tuesday, 24 November 2026" in shown
    assert "11:00 (Europe/Paris)" in shown
    assert "Daily" in shown
    assert "3 readers, as of now" in shown
    assert "Tuesday, 24 November 2026, 08:00 (Europe/Paris)" in shown
    assert "Ferries for everybody" in shown
    assert "Line 9:" in shown
    assert "Good morning, reader. Four towns share their late boats" in shown
    assert re.findall(r'name="decision" value="(\w+)"', page.text) == ["approve", "cancel"]
    # The digest's own HTML is words here, and links of the proof lead nobody away.
    assert "<b>now</b>" not in page.text
    assert "&lt;b&gt;now" in page.text
    assert "/u/test" not in page.text
    assert "<script" not in page.text
    assert " style=" not in page.text
    assert page.text.count("<h1") == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_scanner_that_opens_every_link_decides_nothing(
    app: RunningApp, stage: OperatorStage, edition: Edition, method: str
) -> None:
    before = everything(app)

    for mark in ("", "?decision=approve", "#approve"):
        answer = app.client.request(method, stage.path(edition) + mark)
        assert answer.status_code == (405 if method == "OPTIONS" else 200)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-robots-tag"] == "noindex"
        assert "form-action 'self'" in answer.headers["content-security-policy"]

    assert everything(app) == before


def test_approving_says_when_it_is_sent_and_who_acted_is_kept(
    app: RunningApp, stage: OperatorStage, edition: Edition
) -> None:
    page = app.post(stage.path(edition), APPROVE)

    decided = stage.edition(edition)
    assert page.status_code == 200
    assert "Thank you, this is decided." in page.text
    assert "is sent on Tuesday, 24 November 2026, 08:00 (Europe/Paris)" in page.text
    assert "newsletter schedule cancel morning 2026-11-24" in page.text
    assert (decided.status, decided.decided_by) == (EditionStatus.APPROVED, "operator:mail")
    assert ("operator:mail",) in app.rows("SELECT actor FROM audit_log")


def test_saying_no_sends_nothing(app: RunningApp, stage: OperatorStage, edition: Edition) -> None:
    page = app.post(stage.path(edition), CANCEL)

    assert page.status_code == 200
    assert "is not sent" in page.text
    assert "newsletter schedule run-now morning 2026-11-24" in page.text
    assert stage.edition(edition).status is EditionStatus.CANCELLED
    assert app.rows("SELECT id FROM campaigns") == []


@pytest.mark.parametrize("second", [APPROVE, CANCEL])
def test_pressing_again_says_what_was_decided_and_changes_nothing(
    app: RunningApp, stage: OperatorStage, edition: Edition, second: dict[str, str]
) -> None:
    app.post(stage.path(edition), APPROVE)
    before = everything(app)

    again = app.post(stage.path(edition), second)

    assert again.status_code == 200
    assert "Decided by the link in a mail on Tuesday, 24 November 2026, 07:00" in again.text
    assert "Thank you" not in again.text
    assert everything(app) == before


def test_a_decision_on_the_command_line_is_shown_with_who_made_it(
    app: RunningApp, stage: OperatorStage, edition: Edition
) -> None:
    stage.put(edition, status="cancelled", decided_by="cli:maria", decided_at=stage.clock.now())

    page = app.post(stage.path(edition), APPROVE)

    assert "Decided by maria on Tuesday" in page.text
    assert stage.edition(edition).status is EditionStatus.CANCELLED


@pytest.mark.parametrize("body", [{}, {"decision": "yes"}, {"decision": ["approve", "approve"]}])
def test_a_form_that_is_not_ours_decides_nothing(
    app: RunningApp, stage: OperatorStage, edition: Edition, body: dict[str, Any]
) -> None:
    before = everything(app)

    assert app.post(stage.path(edition), body).status_code == 400
    assert everything(app) == before


def test_a_link_for_an_earlier_revision_says_that_the_digest_has_changed(
    app: RunningApp, stage: OperatorStage, edition: Edition
) -> None:
    old = stage.path(edition)
    stage.write_digest(DIGEST.replace("Good morning", "Good evening"))
    stage.hold_again(edition)

    pages = [app.get(old), app.post(old, APPROVE)]

    for page in pages:
        assert page.status_code == 410
        assert "The digest has changed" in page.text
        assert "Good evening" not in page.text
        assert "<button" not in page.text
    assert stage.edition(edition).status is EditionStatus.HELD


def test_a_file_that_changed_a_moment_ago_is_not_approved_unseen(
    app: RunningApp, stage: OperatorStage, edition: Edition
) -> None:
    stage.write_digest(DIGEST + "\nOne more line.\n")

    assert app.post(stage.path(edition), APPROVE).status_code == 410
    assert stage.edition(edition).status is EditionStatus.HELD


def test_after_the_deadline_the_link_decides_nothing(
    app: RunningApp, stage: OperatorStage, edition: Edition
) -> None:
    stage.later(hours=4)
    pages = [app.get(stage.path(edition)), app.post(stage.path(edition), APPROVE)]

    assert [page.status_code for page in pages] == [410, 410]
    assert "its time is over" in pages[1].text
    assert stage.edition(edition).status is EditionStatus.HELD


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"status": "fired"}, (200, "cannot be called back")),
        ({"status": "missed", "reason": "no operator said yes"}, (410, "no operator said yes")),
        ({"status": "skipped", "reason": "the day is skipped"}, (410, "the day is skipped")),
        ({"status": "waiting"}, (410, "The digest has changed")),
        ({"status": "approved", "decided_by": None}, (200, "Approved")),
    ],
)
def test_every_state_has_its_page(
    app: RunningApp,
    stage: OperatorStage,
    edition: Edition,
    values: dict[str, Any],
    told: tuple[int, str],
) -> None:
    stage.put(edition, **values)

    page = app.get(stage.path(edition))

    assert page.status_code == told[0]
    assert told[1] in words(page.text)
    assert "<button" not in page.text


def test_forged_cut_and_wrong_links_are_answered_alike(
    app: RunningApp, stage: OperatorStage, edition: Edition
) -> None:
    number = revision_number(edition)
    good = stage.path(edition)
    bad = [
        "/e/forged",
        good[:-1],
        "/e/" + SIGNER.sign(Purpose.UNSUBSCRIBE, edition.id, edition.schedule_id, number),
        "/e/" + SIGNER.sign(Purpose.EDITION, edition.id, edition.schedule_id + 1, number),
        "/e/" + SIGNER.sign(Purpose.EDITION, edition.id + 1, edition.schedule_id, number),
    ]

    answers = [
        app.client.request(method, path, data=APPROVE) for path in bad for method in ("GET", "POST")
    ]

    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}
    assert stage.edition(edition).status is EditionStatus.HELD
    # And the other way round: it opens no reader's page.
    token = good.removeprefix("/e/")
    assert {app.get(f"/{page}/{token}").status_code for page in ("u", "p", "c", "r", "n")} == {404}


def test_from_the_keeper_by_mail_and_page_to_the_campaign(
    app: RunningApp, stage: OperatorStage
) -> None:
    settings = stage.settings(mail_to=[OPS])
    asker = stage.asker()
    keeper = EditionKeeper(
        stage.database, settings, stage.clock, on_asked=asker.send_proof, settle=timedelta(0)
    )
    stage.later(minutes=45)
    held = keeper.look().moved
    asked_again = asker.look()
    stage.post(mail_to=[OPS]).tell()
    [mail] = stage.mails()
    part = mail.get_body(("plain",))
    assert part is not None
    link = re.search(r"https://news\.example\.org(/e/\S+)", part.get_content())
    assert link is not None

    page = app.post(link[1], APPROVE)
    early = keeper.look().fired
    stage.later(minutes=15)
    fired = keeper.look().fired
    after = app.get(link[1])

    assert [move.status for move in held] == [EditionStatus.HELD]
    assert asked_again == 0
    assert "Approved" in page.text
    assert (early, len(fired)) == ((), 1)
    assert f"is campaign {fired[0]}" in after.text


def test_an_address_of_a_reader_is_nowhere_on_the_page(
    app: RunningApp, stage: OperatorStage, edition: Edition
) -> None:
    assert "reader1@" not in app.get(stage.path(edition)).text


def test_a_link_works_until_its_own_deadline_and_for_its_own_edition_alone(
    stage: OperatorStage, edition: Edition
) -> None:
    other = stage.put(edition, content_hash="x" * 64)

    assert edition_path(SIGNER, edition) != edition_path(SIGNER, other)
    assert edition.deadline_at - edition.due_at == timedelta(hours=3)
