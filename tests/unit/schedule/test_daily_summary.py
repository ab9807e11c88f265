"""The daily summary: figures beside those of the week, what waits, one screen (H10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update
from tests.builders import Stage

from newsletter.clock import SettableClock
from newsletter.delivery.alert_claims import list_alerts
from newsletter.delivery.states import DeliveryState
from newsletter.rendering.operator_mails import render_summary
from newsletter.rendering.text.writer import columns
from newsletter.schedule.daily_summary import (
    EditionLine,
    Figures,
    ListFigures,
    Summary,
    summarise,
)
from newsletter.schedule.editions import get_edition, make_edition, move_edition
from newsletter.schedule.model import EditionStatus
from newsletter.schedule.schedules import add_schedule
from newsletter.schedule.skips import skip_day
from newsletter.schedule.summary_telling import SummaryTeller
from newsletter.schedule.summary_text import hints_about, subject_of, text_of
from newsletter.schedule.summary_waits import Wait
from newsletter.settings import BrakesPart, Settings
from newsletter.storage.tables import attempts, campaigns, consents, deliveries

ZONE = "Europe/Paris"
S = DeliveryState


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> Iterator[Stage]:
    made = Stage(tmp_path, clock, readers=10)
    yield made
    made.database.close()


def sent(stage: Stage, ago: timedelta, states: list[tuple[DeliveryState, str | None]]) -> int:
    """Freeze a campaign that began so long ago, with these first deliveries; others accepted."""
    at = stage.clock.now() - ago
    campaign = stage.freeze(slug=f"of-{at.isoformat()}", content_hash=at.isoformat())
    with stage.database.write() as connection:
        connection.execute(
            insert(attempts).values(
                campaign_id=campaign, worker="w", size=10, claimed_at=at, lease_until=at
            )
        )
        mine = deliveries.c.campaign_id == campaign
        connection.execute(update(deliveries).where(mine).values(state=int(S.ACCEPTED)))
        for number, (state, reason) in enumerate(states, start=1):
            this = mine & (deliveries.c.subscriber_id == number)
            connection.execute(
                update(deliveries).where(this).values(state=int(state), reason=reason)
            )
        connection.execute(
            update(campaigns).where(campaigns.c.id == campaign).values(status="sent")
        )
    return campaign


def acted(stage: Stage, act: str, ago: timedelta, times: int = 1) -> None:
    row = {"subscriber_id": 1, "list_id": stage.list_id, "act": act, "how": "page"}
    with stage.database.write() as connection:
        for _ in range(times):
            connection.execute(insert(consents).values(**row, at=stage.clock.now() - ago))


def forget_joins(stage: Stage) -> None:
    with stage.database.write() as connection:
        connection.execute(consents.delete())


def summary_of(stage: Stage) -> Summary:
    with stage.database.read() as connection:
        return summarise(connection, stage.clock.now(), ZONE)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def test_the_last_day_stands_beside_the_mean_of_the_seven_days_before(stage: Stage) -> None:
    forget_joins(stage)
    sent(
        stage,
        hours(2),
        [
            (S.DELIVERED, None),
            (S.BOUNCED, "hard"),
            (S.REJECTED, "soft"),
            (S.BOUNCED, "blocked"),
            (S.REJECTED, "message"),
            (S.COMPLAINED, None),
            (S.SKIPPED, "unsubscribed"),
            (S.UNKNOWN, None),
        ],
    )
    for day in range(1, 8):
        sent(stage, hours(24 * day + 2), [(S.BOUNCED, "hard")] if day <= 2 else [])
    sent(stage, hours(24 * 8 + 1), [])
    acted(stage, "granted", hours(1), 3)
    acted(stage, "withdrawn", hours(23))
    acted(stage, "requested", hours(1))
    acted(stage, "withdrawn", hours(25), 14)
    acted(stage, "withdrawn", hours(24 * 8 + 1))

    [figures] = summary_of(stage).lists

    assert figures.day == Figures(
        campaigns=1,
        recipients=10,
        accepted=2,
        delivered=1,
        hard=1,
        soft=1,
        blocked=1,
        other=1,
        complained=1,
        unsettled=1,
        left_out=1,
        left=1,
        joined=3,
    )
    assert figures.day.bounced == 4
    assert (figures.mean.campaigns, figures.mean.recipients) == (1, 10)
    assert figures.mean.hard == pytest.approx(2 / 7)
    assert figures.mean.left == 2


def morning(stage: Stage, **words: Any) -> int:
    with stage.database.write() as connection:
        return add_schedule(
            connection,
            stage.clock.now() - timedelta(days=3),
            name=words.pop("name", "morning"),
            list_name="daily",
            actor="test",
            time=words.pop("time", "08:00"),
            timezone=ZONE,
            **words,
        ).id


def edition(stage: Stage, schedule: int, status: EditionStatus) -> None:
    due = datetime(2026, 11, 24, 7, tzinfo=UTC)
    with stage.database.write() as connection:
        number = make_edition(
            connection,
            schedule,
            date(2026, 11, 24),
            stage.clock.now(),
            due_at=due,
            deadline_at=due + hours(3),
            status=EditionStatus.WAITING,
        )
        assert number is not None
        seen = get_edition(connection, number)
        move_edition(connection, seen, status, stage.clock.now(), reason="because")


def test_editions_of_today_and_tomorrow_are_told_also_those_not_made_yet(stage: Stage) -> None:
    held, later = morning(stage, approval=True), morning(stage, name="noon", time="12:30")
    edition(stage, held, EditionStatus.HELD)
    with stage.database.write() as connection:
        skip_day(connection, stage.clock.now(), "noon", date(2026, 11, 25), actor="test")

    found = [(one.schedule, one.day.day, one.state) for one in summary_of(stage).editions]

    assert later != held
    assert found == [
        ("morning", 24, "held"),
        ("noon", 24, "planned"),
        ("morning", 25, "planned"),
        ("noon", 25, "skipped"),
    ]


def test_what_waits_for_an_operator_comes_with_what_to_type(stage: Stage) -> None:
    edition(stage, morning(stage, approval=True), EditionStatus.HELD)
    unknown = sent(stage, hours(30), [(S.UNKNOWN, None), (S.UNKNOWN, None)])
    paused = sent(stage, hours(1), [])
    with stage.database.write() as connection:
        connection.execute(
            update(campaigns)
            .where(campaigns.c.id == paused)
            .values(status="paused", status_reason="brake: 12 bounced hard")
        )

    waits = summary_of(stage).waits

    assert [wait.command for wait in waits] == [
        "newsletter schedule approve morning 2026-11-24",
        f"newsletter campaigns report {paused}",
        f"newsletter campaigns resolve {unknown} --help",
    ]
    assert "brake: 12 bounced hard" in waits[1].what
    assert waits[2].what.startswith("2 deliveries are unknown")


def a_summary(**changed: Any) -> Summary:
    day = Figures(1, 12_345, accepted=45, delivered=12_270, hard=12, soft=9, left=3, joined=5)
    mean = Figures(1, 12_301.4, delivered=12_200, hard=11.3, left=2.7, joined=6.1)
    usual: dict[str, Any] = {
        "at": datetime(2026, 11, 24, 6, tzinfo=UTC),
        "zone": ZONE,
        "lists": (
            ListFigures("daily", "The Daily Example", day, mean),
            ListFigures("quiet", "The Quiet One", Figures(), Figures()),
        ),
        "editions": (
            EditionLine(
                "morning",
                "The Daily Example",
                date(2026, 11, 24),
                datetime(2026, 11, 24, 7, tzinfo=UTC),
                "fired",
                campaign=71,
            ),
        ),
        "waits": (),
    }
    return Summary(**{**usual, **changed})


def test_the_text_is_one_screen_and_72_columns_wide() -> None:
    text = text_of(a_summary(), BrakesPart())

    assert (
        text
        == """\
Tuesday, 24 November 2026, 07:00 (Europe/Paris)

Nothing waits for you.

Editions of today and tomorrow
------------------------------
Tue 24 Nov 08:00  morning                     sent: campaign 71

The Daily Example
-----------------
How many                                  24 hours      7-day mean
Campaigns begun                                  1             1.0
Recipients                                  12,345          12,301
  delivered                                 12,270          12,200
  accepted, no more is known                    45               0
  bounced                                       21            11.3
    hard: no such address                       12            11.3
    soft: full, or away                          9               0
  complained                                     0               0
Left the list                                    3             2.7
Joined the list                                  5             6.1

Nothing happened in eight days on: The Quiet One.
"""
    )


def test_long_names_and_many_troubles_stay_within_the_columns() -> None:
    waits = tuple(
        Wait(f"Campaign {n} ({'x' * 40}) is paused: {'words ' * 30}.", "newsletter campaigns list")
        for n in range(3)
    )
    lists = (ListFigures("l", "名" * 60, Figures(1, 100, hard=50, blocked=30), Figures()),)
    line = EditionLine(
        "m" * 64, "l", date(2026, 11, 24), datetime(2026, 11, 24, tzinfo=UTC), "missed"
    )

    text = text_of(a_summary(waits=waits, lists=lists, editions=(line,)), BrakesPart())

    assert max(columns(row) for row in text.split("\n")) <= 72
    assert "MISSED" in text


def test_the_subject_says_first_what_waits() -> None:
    calm, busy = a_summary(), a_summary(waits=(Wait("It waits.", "do this"),))

    assert subject_of(calm) == "Tue 24 Nov: 12,345 recipients, 21 bounced, 3 left, 5 joined"
    assert subject_of(busy).startswith("Tue 24 Nov: 1 thing waits for you, 12,345 recipients")


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (Figures(1, 1000, accepted=950, hard=50), []),
        (Figures(1, 1000, accepted=949, hard=51), ["51 of 1,000 (5.1 %) bounced hard"]),
        (Figures(1, 1000, accepted=998, complained=2), []),
        (Figures(1, 1000, accepted=997, complained=3), ["3 of 1,000 (0.3 %) complained"]),
        (Figures(1, 1000, accepted=700, blocked=300), ["300 of 1,000 (30 %) were refused"]),
        (Figures(), []),
    ],
)
def test_what_harms_the_sender_is_told_by_the_limits_of_the_brakes(
    day: Figures, words: list[str]
) -> None:
    hints = list(hints_about(ListFigures("daily", "Daily", day, Figures()), BrakesPart()))

    assert len(hints) == len(words)
    assert all(word in hint for word, hint in zip(words, hints, strict=True))


def test_the_html_has_headings_and_tables_out_of_the_same_lines() -> None:
    wait = Wait("Campaign 7 <b> is paused.", "newsletter campaigns report 7")
    content = render_summary("x", text_of(a_summary(waits=(wait,)), BrakesPart()), newsletter="E")

    assert content.html.count("<h2") == 3
    assert content.html.count("<table") == 2
    assert "Campaign 7 &lt;b&gt; is paused.<br>\n<code" in content.html
    assert ">12,345</td>" in content.html
    assert "<script" not in content.html


def teller(stage: Stage, woken: list[None], **part: Any) -> SummaryTeller:
    settings = Settings(
        newsletter={"timezone": ZONE},  # type: ignore[arg-type]
        alerts={"mail_to": ["ops@operator.example"], "summary_at": "07:30", **part},  # type: ignore[arg-type]
    )
    return SummaryTeller(stage.database, settings, stage.clock, wake=lambda: woken.append(None))


def told(stage: Stage) -> list[str]:
    with stage.database.read() as connection:
        return [row.kind.value for row in list_alerts(connection, limit=9)]


def test_each_day_is_told_once_from_its_time_on_however_many_processes_ask(stage: Stage) -> None:
    woken: list[None] = []
    one, other = teller(stage, woken), teller(stage, woken)
    early = one.tell()
    stage.clock.advance(timedelta(minutes=30))
    first = [one.tell(), other.tell(), one.tell()]
    stage.clock.advance(hours(23.4))
    before = one.tell()
    stage.clock.advance(hours(5))
    late = [other.tell(), one.tell()]

    assert (early, first, before, late) == (False, [True, False, False], False, [True, False])
    assert told(stage) == ["summary", "summary"]
    assert len(woken) == 2


@pytest.mark.parametrize("part", [{"summary_at": None}, {"mail_to": []}])
def test_nothing_is_told_where_nobody_asked_for_it(stage: Stage, part: dict[str, Any]) -> None:
    stage.clock.advance(hours(5))

    assert teller(stage, [], **part).tell() is False
    assert told(stage) == []


def test_a_day_without_lists_or_campaigns_is_told_too(stage: Stage) -> None:
    ask: Callable[[], bool] = teller(stage, []).tell
    forget_joins(stage)
    stage.clock.advance(hours(2))

    assert ask()
