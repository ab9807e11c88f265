"""`newsletter suppressions reconcile`, and a lift that reaches SendGrid, as an operator does it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command import Desk, a_desk
from tests.fakes.sendgrid_faults import Answer
from tests.fakes.sendgrid_server import KEY
from tests.fakes.sendgrid_suppressions import LISTS, SuppressionsServer

pytestmark = pytest.mark.slow

ADA = "reader1@example.org"


@pytest.fixture
def sendgrid() -> Iterator[SuppressionsServer]:
    with SuppressionsServer() as running:
        yield running
        assert running.refused == []


@pytest.fixture
def desk(tmp_path: Path, sendgrid: SuppressionsServer) -> Desk:
    return a_desk(
        tmp_path,
        readers=2,
        NEWSLETTER_DELIVERY__PROVIDER="sendgrid",
        NEWSLETTER_DELIVERY__SENDGRID__HOST=sendgrid.url,
        NEWSLETTER_DELIVERY__SENDGRID__API_KEY=KEY,
    )


def test_the_report_tells_each_list_and_what_was_known(
    desk: Desk, sendgrid: SuppressionsServer
) -> None:
    sendgrid.add("bounces", ADA, time.time() - 60)
    sendgrid.add("spam_reports", "stranger@example.net", time.time() - 60)

    first = desk.json("suppressions", "reconcile")
    shown = desk.run("suppressions", "reconcile").stdout

    assert list(first["lists"]) == list(LISTS)
    assert first["lists"]["bounces"] == {"entries": 1, "new": 1, "known": 0, "unread": 0}
    assert (first["new"], first["known"], first["since"]) == (2, 0, None)
    assert first["applied"]["suppressed"] == 2
    assert first["seconds"] >= 0
    assert "0 new, 2 known, since 2" in shown
    assert desk.json("suppressions", "list")["counts"] == {"hard_bounce": 1, "complaint": 1}


def test_another_provider_has_no_suppressions_of_its_own(tmp_path: Path) -> None:
    desk = a_desk(tmp_path)

    said = desk.run("suppressions", "reconcile", code=3).stderr

    assert "the provider is 'outbox'" in said


def test_a_refused_key_is_4_and_never_shown(desk: Desk, sendgrid: SuppressionsServer) -> None:
    desk.environment["NEWSLETTER_DELIVERY__SENDGRID__API_KEY"] = "SG.another-key"

    said = desk.run("suppressions", "reconcile", code=4).stderr

    assert "SendGrid does not know this key (401): authorization required" in said
    assert "'Suppressions' permission" in said
    assert "SG.another-key" not in said


def test_throttled_for_too_long_is_75(desk: Desk, sendgrid: SuppressionsServer) -> None:
    reset = str(int(time.time()) + 3000)
    sendgrid.script(Answer(429, headers={"X-RateLimit-Reset": reset}))

    said = desk.run("suppressions", "reconcile", code=75).stderr

    assert "slow down" in said
    assert "later; nothing is lost" in said


def test_throttled_for_a_moment_is_waited_for(desk: Desk, sendgrid: SuppressionsServer) -> None:
    sendgrid.script(Answer(429, headers={"X-RateLimit-Reset": str(int(time.time()) + 1)}))

    assert desk.json("suppressions", "reconcile")["new"] == 0


def test_a_lift_leaves_sendgrid_alone_and_says_how_it_is_asked(
    desk: Desk, sendgrid: SuppressionsServer
) -> None:
    sendgrid.add("bounces", ADA, time.time() - 60)
    desk.run("suppressions", "reconcile")

    done = desk.run("suppressions", "lift", ADA)

    assert f"{ADA} may be mailed again" in done.stdout
    assert f"newsletter suppressions lift {ADA} --at-provider" in done.stderr
    assert sendgrid.addresses("bounces") == [ADA]
    assert desk.json("suppressions", "reconcile")["applied"]["suppressed"] == 0
    assert desk.json("suppressions", "list")["counts"] == {}


def test_a_lift_at_the_provider_deletes_there_too_even_afterwards(
    desk: Desk, sendgrid: SuppressionsServer
) -> None:
    for name in LISTS:
        sendgrid.add(name, ADA, time.time() - 60)
    desk.run("suppressions", "add", ADA)

    first = desk.json("suppressions", "lift", ADA, "--at-provider")
    again = desk.run("suppressions", "lift", ADA, "--at-provider")

    held = ["bounces", "blocks", "invalid_emails"]
    assert first == {"address": ADA, "suppressed": False, "at_provider": held}
    assert [sendgrid.addresses(name) for name in LISTS] == [[], [], [], [ADA], [ADA]]
    assert f"{ADA} was not suppressed" in again.stdout
    assert "SendGrid did not hold it" in again.stdout


def test_a_complaint_is_lifted_neither_here_nor_there(
    desk: Desk, sendgrid: SuppressionsServer
) -> None:
    sendgrid.add("spam_reports", ADA, time.time() - 60)
    sendgrid.add("bounces", ADA, time.time() - 60)
    desk.run("suppressions", "reconcile")

    said = desk.run("suppressions", "lift", ADA, "--at-provider", code=1).stderr

    assert "the suppression is 'complaint'" in said
    assert sendgrid.addresses("bounces") == [ADA]


def test_a_lift_that_sendgrid_does_not_hear_lifts_nothing(
    desk: Desk, sendgrid: SuppressionsServer
) -> None:
    desk.run("suppressions", "add", ADA)
    sendgrid.script(Answer(403))

    desk.run("suppressions", "lift", ADA, "--at-provider", code=4)

    assert desk.json("suppressions", "list")["counts"] == {"manual": 1}


@pytest.mark.parametrize(
    ("words", "code"),
    [(("--ask", "--list", "daily", "--at-provider"), 2), (("--at-provider",), 3)],
)
def test_what_does_not_go_together_is_refused_and_lifts_nothing(
    tmp_path: Path, words: tuple[str, ...], code: int
) -> None:
    desk = a_desk(tmp_path)
    desk.run("suppressions", "add", ADA)

    desk.run("suppressions", "lift", ADA, *words, code=code)

    assert desk.json("suppressions", "list")["counts"] == {"manual": 1}
