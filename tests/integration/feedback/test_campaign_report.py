"""The report of a campaign: every breakdown adds up, and nothing says more than is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders import KEYS, Stage
from tests.integration.feedback.report_stage import START, Row, Told, fill, leave

from newsletter.audience.privacy import erase
from newsletter.clock import SettableClock
from newsletter.delivery.states import DeliveryState
from newsletter.errors import DeliveryError
from newsletter.feedback.campaign_report import gather_report
from newsletter.feedback.report_figures import CampaignReport, DomainFigures
from newsletter.feedback.report_rows import RecipientRow, recipient_rows
from newsletter.feedback.report_text import report_lines

S = DeliveryState

READERS = 40
MANY = [f"reader{n}@d{n % 13}.example" for n in range(1, READERS + 1)]
CLASSES = ("hard", "soft", "blocked", "dropped")


def build(folder: Path, url: str = "sqlite:///ledger.db") -> Stage:
    stage = Stage(folder, SettableClock(START), readers=0, url=url)
    for address in MANY:
        stage.join(address)
    return stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    built = build(tmp_path)
    yield built
    built.database.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, int]]:
    """One database and campaign for many examples: each is rolled back."""
    built = build(tmp_path_factory.mktemp("shared"))
    yield built, built.freeze()
    built.database.close()


def report(stage: Stage, campaign: int) -> CampaignReport:
    with stage.database.read() as connection:
        return gather_report(connection, campaign)


def arrange(
    stage: Stage, rows: list[Row], told: list[Told], *, slug: str = "a", begun: int = 1
) -> int:
    campaign = stage.freeze(slug=slug, content_hash=slug)
    with stage.database.write() as connection:
        fill(connection, campaign, rows, told, begun=begun)
    return campaign


def recipient(stage: Stage, campaign: int, subscriber: int) -> RecipientRow:
    with stage.database.read() as connection:
        rows = {row.delivery: row for row in recipient_rows(connection, campaign)}
    return rows[f"{campaign}-{subscriber}"]


ROWS = st.tuples(
    st.sampled_from(list(S)),
    st.sampled_from([*CLASSES, "message", "recipient", "no answer", "evidence", None]),
    st.sampled_from([1, 2, 3, 99, None]),
)
KINDS = ("delivered", "bounced", "blocked", "dropped", "complained", "opened", "clicked", "odd")
EVENTS = st.builds(
    Told,
    st.one_of(st.none(), st.integers(1, READERS + 5)),
    st.sampled_from(KINDS),
    st.floats(-100, 30_000),
    st.sampled_from([*CLASSES[:3], None]),
    st.sampled_from(["machine", "other", None]),
    st.booleans(),
    st.sampled_from([None, {}, {"status": 7}, {"status": "5.1.1", "diagnostic": "no\x1b[2J"}]),
)


def columns(row: DomainFigures) -> tuple[int, ...]:
    return astuple(row)[1:]


def assert_adds_up(found: CampaignReport) -> None:
    states, recipients = found.ledger.states, found.recipients
    assert states.all == recipients
    assert found.at_sending.all == states.of(S.REJECTED)
    assert found.afterwards.all == states.of(S.BOUNCED)
    rows = [*found.domains.largest, found.domains.others]
    for row in rows:
        assert row.recipients == sum(columns(row)) - row.recipients - row.handed_over
        assert min(columns(row)) >= 0
    sums = DomainFigures("", *(sum(column) for column in zip(*map(columns, rows), strict=True)))
    assert sums.recipients == recipients
    assert sums.handed_over == found.handed_over == found.sending.all
    assert sums.accepted == states.of(S.ACCEPTED)
    assert sums.delivered == states.of(S.DELIVERED)
    assert sums.complained == states.of(S.COMPLAINED)
    for name in CLASSES:
        both = getattr(found.at_sending, name) + getattr(found.afterwards, name)
        assert getattr(sums, name) == both
    for state in (S.DELIVERED, S.BOUNCED, S.COMPLAINED):
        assert sum(getattr(one, state.label) for one in found.answers.bins) == states.of(state)
    assert min(one.all for one in found.answers.bins) >= 0


@pytest.mark.slow
@settings(deadline=None)
@given(
    rows=st.lists(ROWS, max_size=READERS),
    told=st.lists(EVENTS, max_size=60),
    begun=st.integers(0, 3),
    page=st.tuples(st.integers(20, 200), st.booleans()),
)
def test_every_breakdown_adds_up_whatever_is_in_the_ledger(
    shared: tuple[Stage, int],
    rows: list[tuple[DeliveryState, str | None, int | None]],
    told: list[Told],
    begun: int,
    page: tuple[int, bool],
) -> None:
    stage, campaign = shared
    width, plain = page
    # Some have no row among the subscribers: they were forgotten.
    ledger = [Row(number, *row) for number, row in enumerate(rows, start=6)]
    with stage.database.engine.connect() as connection:
        fill(connection, campaign, ledger, told, begun=begun)
        found = gather_report(connection, campaign)
        people = list(recipient_rows(connection, campaign))
        connection.rollback()

    assert_adds_up(found)
    assert len(people) == found.recipients
    head, *lines = report_lines(found, width=width, plain=plain)
    assert head.startswith("campaign 1:")
    assert [line for line in lines if len(line) > max(width, 80)] == []
    assert "\n".join(lines).isascii() or not plain


def test_accepted_is_never_told_as_delivered(stage: Stage) -> None:
    rows = [Row(n, S.ACCEPTED) for n in range(1, 11)]
    campaign = arrange(stage, rows, [])

    found = report(stage, campaign)
    text = "\n".join(report_lines(found, width=100, plain=True))

    assert found.document()["delivered"] == 0
    assert found.document()["reports_delivery"] is False
    assert "no delivery reports from this provider (outbox)" in text
    assert "are known to be delivered" not in text


def test_what_is_known_of_arrival_is_told_with_what_is_not(stage: Stage) -> None:
    rows = [Row(1, S.DELIVERED), Row(2, S.ACCEPTED), Row(3, S.BOUNCED, "soft")]
    campaign = arrange(stage, rows, [Told(1, "delivered", 3)])

    text = "\n".join(report_lines(report(stage, campaign), width=100, plain=True))

    assert "1 of 3 handed over are known to be delivered; of 1 accepted nothing more" in text


def test_bounces_are_told_by_class_at_sending_and_afterwards(stage: Stage) -> None:
    rows = [
        *(Row(n, S.REJECTED, "hard") for n in (1, 2)),
        Row(3, S.REJECTED, "message"),
        Row(4, S.BOUNCED, "hard"),
        Row(5, S.BOUNCED, "blocked"),
        Row(6, S.BOUNCED, "dropped"),
    ]
    campaign = arrange(stage, rows, [])

    bounces = report(stage, campaign).document()["bounces"]

    assert bounces == {
        "at_sending": {"hard": 2, "soft": 0, "blocked": 0, "dropped": 0, "other": 1},
        "afterwards": {"hard": 1, "soft": 0, "blocked": 1, "dropped": 1, "other": 0},
    }


def test_the_ten_largest_domains_are_named_and_the_forgotten_are_one_of_them(stage: Stage) -> None:
    campaign = arrange(stage, [Row(n, S.ACCEPTED) for n in range(1, READERS + 1)], [])
    with stage.database.write() as connection:
        for subscriber in (1, 2, 3, 4, READERS):
            erase(connection, subscriber, KEYS, stage.clock.now(), actor="test")

    domains = report(stage, campaign).domains

    assert (domains.largest[0].domain, domains.largest[0].recipients) == ("(erased)", 5)
    assert len(domains.largest) == 10
    assert domains.number_of_others == 4
    assert domains.others.recipients == READERS - sum(one.recipients for one in domains.largest)


def test_complaints_are_a_share_of_what_was_handed_over(stage: Stage) -> None:
    rows = [Row(1, S.COMPLAINED), *(Row(n, S.ACCEPTED) for n in (2, 3, 4)), Row(5, S.SKIPPED)]
    campaign = arrange(stage, rows, [Told(1, "complained", 90)])

    found = report(stage, campaign)

    assert found.complaint_rate == 0.25
    (dated,) = [one for one in found.answers.bins if one.complained]
    assert dated.within is not None
    assert dated.within.total_seconds() == 6 * 3600


def test_who_left_by_a_campaign_left_after_it_and_before_the_next(stage: Stage) -> None:
    rows = [*(Row(n, S.ACCEPTED) for n in range(1, 7)), Row(7, S.SKIPPED, "unsubscribed")]
    first = arrange(stage, rows, [], slug="a")
    second = stage.freeze(slug="b", content_hash="b")
    with stage.database.write() as connection:
        fill(connection, second, [Row(8, S.ACCEPTED)], [], begun=2)
        # The second began an hour later than the first.
        connection.exec_driver_sql(
            "UPDATE attempts SET claimed_at = ? WHERE campaign_id = ?",
            ("2026-11-24 07:00:00.000000", second),
        )
        leave(connection, stage, 1, -5, "one-click")
        leave(connection, stage, 2, 5, "one-click")
        leave(connection, stage, 3, 6, "page")
        leave(connection, stage, 3, 7, "one-click")
        leave(connection, stage, 4, 61, "one-click")
        leave(connection, stage, 5, 30, "mail")
        leave(connection, stage, 7, 30, "page")
        leave(connection, stage, 8, 30, "page")

    found = report(stage, first).departures

    assert found.ways == (("one-click", 2), ("mail", 1))
    assert found.until is not None
    assert report(stage, second).departures.ways == ()


def test_openings_by_machines_are_counted_apart_and_only_where_somebody_counts(
    stage: Stage,
) -> None:
    rows = [Row(n, S.DELIVERED) for n in (1, 2, 3)]
    told = [
        *(Told(1, "opened", reason="machine"), Told(1, "opened")),
        *(Told(2, "opened", reason="machine"), Told(2, "opened", reason="machine")),
        Told(3, "opened", believed=False),
    ]
    campaign = arrange(stage, rows, told)

    document = report(stage, campaign).document()

    assert document["opened"] == {"events": 4, "people": 1, "machines_only": 1, "deliveries": 2}
    assert document["clicked"] is None


def test_what_proves_nothing_is_told_and_not_counted(stage: Stage) -> None:
    told = [Told(1, "bounced", bounce="hard", believed=False)]
    campaign = arrange(stage, [Row(1, S.ACCEPTED)], told)

    found = report(stage, campaign)
    row = recipient(stage, campaign, 1)

    assert found.unproven == 1
    assert found.afterwards.all == 0
    assert (row.state, row.bounce, row.event) == ("accepted", None, None)
    assert "prove nothing: nothing followed" in "\n".join(
        report_lines(found, width=100, plain=True)
    )


def test_the_event_that_tells_most_stands_with_its_recipient(stage: Stage) -> None:
    told = [
        Told(1, "bounced", 9, bounce="soft", detail={"status": "4.2.2"}),
        Told(1, "bounced", 4, bounce="hard", detail={"status": "5.1.1", "diagnostic": "unknown"}),
        Told(1, "delivered", 30),
        Told(2, "delivered", 2),
        Told(2, "delivered", 5),
    ]
    campaign = arrange(stage, [Row(1, S.BOUNCED, "hard"), Row(2, S.DELIVERED)], told)

    bounced, delivered = recipient(stage, campaign, 1), recipient(stage, campaign, 2)

    assert (bounced.bounce, bounced.event, bounced.status) == ("hard", "bounced", "5.1.1")
    assert bounced.diagnostic == "unknown"
    assert bounced.event_at == START + timedelta(minutes=4)
    assert delivered.event_at == START + timedelta(minutes=5)


def test_words_from_outside_steer_no_terminal(stage: Stage) -> None:
    campaign = arrange(stage, [Row(1, S.SKIPPED, "\x1b[2Jgone")], [])

    text = "\n".join(report_lines(report(stage, campaign), width=80, plain=False))

    assert "\x1b" not in text
    assert "?[2Jgone" in text


def test_a_campaign_that_did_not_begin_is_reported(stage: Stage) -> None:
    campaign = stage.freeze()

    found = report(stage, campaign)

    assert_adds_up(found)
    assert found.departures.since is None
    assert "not begun" in "\n".join(report_lines(found, width=80, plain=True))


def test_a_wrong_number_is_told(stage: Stage) -> None:
    with pytest.raises(DeliveryError, match="there is no campaign 9"):
        report(stage, 9)


@pytest.mark.slow
def test_a_server_counts_the_same(tmp_path: Path, server_url: str) -> None:
    stage = build(tmp_path, server_url)
    rows = [
        *(Row(n, S.DELIVERED) for n in range(1, 20)),
        *(Row(n, S.BOUNCED, "hard") for n in range(20, 24)),
        Row(24, S.REJECTED, "soft"),
        Row(25, S.COMPLAINED),
        Row(90, S.ACCEPTED),
    ]
    told = [
        *(Told(n, "delivered", n * 3) for n in range(1, 20)),
        *(Told(n, "bounced", 400, bounce="hard", detail={"status": "5.1.1"}) for n in (20, 21)),
        Told(25, "complained", 90_000),
        Told(1, "opened", 40, reason="machine"),
    ]
    campaign = arrange(stage, rows, told, begun=2)
    with stage.database.write() as connection:
        leave(connection, stage, 3, 10, "one-click")

    found = report(stage, campaign)

    assert_adds_up(found)
    assert found.departures.ways == (("one-click", 1),)
    assert found.opened is not None
    assert (found.opened.people, found.opened.machines_only) == (0, 1)
    assert recipient(stage, campaign, 20).status == "5.1.1"
    assert {one.domain for one in found.domains.largest} >= {"d1.example"}
    stage.database.close()
