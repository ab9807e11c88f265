"""What came back, as an operator sees it: the report of a campaign, the story of one address."""

from __future__ import annotations

import csv
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, update
from tests.command import Desk, a_desk

from newsletter.audience.address import parse_address
from newsletter.audience.bounce_pauses import pause_for_bounces
from newsletter.audience.keys import load_keys
from newsletter.audience.suppressions import SuppressionReason, add_suppression
from newsletter.clock import SystemClock
from newsletter.delivery.states import DeliveryState
from newsletter.storage.database import open_database
from newsletter.storage.tables import deliveries, events, subscribers

pytestmark = pytest.mark.slow

READERS = 30
# After the send, however long before it the tests are collected.
NOW = SystemClock().now() + timedelta(hours=2)
KEPT_KEYS = {
    *("campaign", "digest", "list", "segment", "status", "recipients", "accepted", "rejected"),
    *("deferred", "unknown", "skipped", "expired", "pending", "delivered", "bounced"),
    *("complained", "seconds", "reasons", "deliveries"),
}
"""What the document had before anything came back; nobody's script breaks."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A campaign to 30 readers: 20 delivered, 2 bounced, 1 complained, of 7 nothing is known."""
    folder = tmp_path_factory.mktemp("desk")
    desk = a_desk(folder, readers=READERS)
    desk.json("send", "latest", "--list", "daily", "--yes")
    database = open_database("sqlite:///newsletter.db", root=folder)
    keys = load_keys(folder / "newsletter.key")
    with database.write() as connection:
        people = connection.execute(select(subscribers.c.id).order_by(subscribers.c.id)).scalars()
        numbers = list(people)
        for number in numbers[:20]:
            came_back(connection, number, DeliveryState.DELIVERED, "delivered")
        came_back(
            *(connection, numbers[20], DeliveryState.BOUNCED, "bounced", "hard"),
            detail={
                "status": "5.1.1",
                "diagnostic": "=550 no such \x1b[2Juser",
                "proof": "proven",
                "why": "the return path",
            },
        )
        came_back(connection, numbers[21], DeliveryState.BOUNCED, "bounced", "soft")
        came_back(connection, numbers[22], DeliveryState.COMPLAINED, "complained")
        came_back(connection, numbers[23], None, "bounced", "hard", believed=False)
        address = parse_address("reader21@example.org")
        add_suppression(
            *(connection, keys, address, SuppressionReason.HARD_BOUNCE, NOW),
            actor="feedback",
            note="delivery 1-21: bounced 5.1.1",
        )
        add_suppression(
            *(connection, keys, parse_address("reader23@example.org")),
            *(SuppressionReason.COMPLAINT, NOW),
            actor="feedback",
            note="delivery 1-23: complained",
        )
        pause_for_bounces(connection, numbers[21], 1, NOW, evidence="5 campaigns in a row")
        connection.execute(
            insert(events).values(
                at=NOW,
                kind="bounced",
                bounce="hard",
                provider="mail",
                provider_event_id="stranger",
                address_hash=keys.hash_address("stranger@example.org"),
                detail={"status": "5.1.1"},
                received_at=NOW,
                applied_at=NOW,
            )
        )
    database.close()
    return desk


def came_back(
    connection: Connection,
    number: int,
    state: DeliveryState | None,
    kind: str,
    bounce: str | None = None,
    *,
    believed: bool = True,
    detail: dict[str, str] | None = None,
) -> None:
    if state is not None:
        connection.execute(
            update(deliveries)
            .where(deliveries.c.subscriber_id == number)
            .values(state=int(state), reason=bounce)
        )
    connection.execute(
        insert(events).values(
            at=NOW + timedelta(minutes=2),
            kind=kind,
            bounce=bounce,
            campaign_id=1,
            subscriber_id=number,
            delivery=f"1-{number}",
            provider="mail",
            provider_event_id=f"{kind}-{number}",
            believed=believed,
            detail=detail or {},
            received_at=NOW,
            applied_at=NOW,
        )
    )


def test_the_report_says_what_became_of_everybody_in_lines_of_the_terminal(desk: Desk) -> None:
    told = desk.run("campaigns", "report", "1").stdout

    lines = told.splitlines()
    assert told.isascii()
    assert "    delivered              20   66.7 %  " in told
    assert "  = recipients             30" in lines
    assert "  complaints: 1, 3.33 % of handed over" in lines
    assert any(line.startswith("  example.org") for line in lines)
    assert "1 reports name this campaign and prove nothing" in told
    assert "\x1b" not in told
    assert "=550 no such ?[2Juser" in told


def test_the_report_as_a_document_keeps_its_keys_and_gets_new_ones(desk: Desk) -> None:
    document = desk.json("campaigns", "report", "1")

    assert set(document) > KEPT_KEYS
    assert document["handed_over"] == document["recipients"] == READERS
    assert document["bounces"]["afterwards"]["hard"] == 1
    assert document["complaint_rate"] == pytest.approx(1 / READERS, abs=1e-6)
    assert [row["state"] for row in document["deliveries"]] == ["bounced", "bounced", "complained"]
    assert document["deliveries"][0]["diagnostic"] == "=550 no such \x1b[2Juser"


def test_one_state_is_named_person_by_person(desk: Desk) -> None:
    document = desk.json("campaigns", "report", "1", "--state", "complained")
    told = desk.run("campaigns", "report", "1", "--state", "complained").stdout
    desk.run("campaigns", "report", "1", "--state", "vanished", code=2)

    assert [row["address"] for row in document["deliveries"]] == ["reader23@example.org"]
    assert told.splitlines()[-1].startswith("1-23      reader23@example.org  complained")
    assert desk.json("campaigns", "report", "1", "--state", "unknown")["deliveries"] == []


def test_the_csv_has_a_row_for_each_recipient_with_what_came_back(desk: Desk) -> None:
    answered = desk.json("campaigns", "report", "1", "--csv", "all.csv")

    file = desk.folder / "all.csv"
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert answered == {"csv": "all.csv", "recipients": READERS}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(rows) == READERS
    assert (rows[20]["state"], rows[20]["bounce"], rows[20]["status"]) == (
        "bounced",
        "hard",
        "5.1.1",
    )
    assert rows[20]["diagnostic"].startswith("'=550")
    assert rows[0]["event"] == "delivered"
    assert rows[0]["event_at"] > rows[0]["claimed_at"]


def test_the_csv_of_one_state_may_be_printed(desk: Desk) -> None:
    printed = desk.run("campaigns", "report", "1", "--csv", "-", "--state", "bounced")

    assert [line.split(",")[0] for line in printed.stdout.splitlines()[1:]] == ["1-21", "1-22"]
    assert "2 recipients" in printed.stderr
    desk.run("campaigns", "report", "1", "--csv", "-", "--json", code=2)


def test_a_wrong_number_empties_no_file(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "kept.csv"
    file.write_text("kept")

    refused = desk.run("campaigns", "report", "99", "--csv", str(file), code=1)
    unwritable = desk.run("campaigns", "report", "1", "--csv", "no/such/folder.csv", code=1)

    assert "there is no campaign 99" in refused.stderr
    assert file.read_text() == "kept"
    assert "cannot be written" in unwritable.stderr


def test_the_story_says_why_an_address_is_suppressed_and_what_lifts_it(desk: Desk) -> None:
    story = desk.json("subscribers", "show", "reader21@example.org")
    told = desk.run("subscribers", "show", "reader21@example.org").stdout

    assert (story["suppressed"], story["suppression"]["reason"]) == ("hard_bounce", "hard_bounce")
    assert story["suppression"]["note"] == "delivery 1-21: bounced 5.1.1"
    (event,) = story["events"]
    assert (event["kind"], event["bounce"], event["status"]) == ("bounced", "hard", "5.1.1")
    assert (event["proof"], event["why"], event["believed"]) == ("proven", "the return path", True)
    assert "evidence: delivery 1-21: bounced 5.1.1" in told
    assert "to lift it: newsletter suppressions lift reader21@example.org\n" in told
    assert "told by mail (proven: the return path)" in told
    assert "\x1b" not in told


def test_after_a_complaint_only_the_person_lifts_it(desk: Desk) -> None:
    story = desk.json("subscribers", "show", "reader23@example.org")

    command = "newsletter suppressions lift reader23@example.org --ask --list NAME"
    assert story["suppression"]["lifted_by"] == command
    assert command in desk.run("subscribers", "show", "reader23@example.org").stdout


def test_a_pause_by_soft_bounces_is_told_with_its_evidence_and_its_end(desk: Desk) -> None:
    (membership,) = desk.json("subscribers", "show", "reader22@example.org")["memberships"]
    told = desk.run("subscribers", "show", "reader22@example.org").stdout

    assert (membership["status"], membership["paused_because"]) == ("paused", "soft_bounces")
    assert "soft bounces: 5 campaigns in a row" in told
    assert "newsletter subscribers resume reader22@example.org --list daily" in told


def test_what_was_not_proven_is_told_as_such(desk: Desk) -> None:
    story = desk.json("subscribers", "show", "reader24@example.org")
    told = desk.run("subscribers", "show", "reader24@example.org").stdout

    assert story["suppressed"] is None
    assert story["events"][0]["believed"] is False
    assert "not proven: nothing followed" in told


def test_an_address_that_only_a_bounce_names_has_a_story(desk: Desk) -> None:
    story = desk.json("subscribers", "show", "Stranger@example.org")
    unknown = desk.run("subscribers", "show", "nobody@example.org", code=1)

    assert (story["subscriber"], len(story["events"])) == (None, 1)
    assert (
        "no subscriber has this address"
        in desk.run("subscribers", "show", "stranger@example.org").stdout
    )
    assert "nothing is known" in unknown.stderr
