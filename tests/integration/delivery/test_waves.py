"""One campaign at each reader's own 08:00: who gets it when, as a real SMTP server sees it (H6)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from tests.builders import KEYS
from tests.command import a_desk
from tests.fakes.provider import ScriptedProvider, in_smtp
from tests.fakes.smtp_sending import a_provider
from tests.fakes.smtp_server import SmtpServer
from tests.integration.delivery.wave_stage import DAY, WAVES, ZONES, WaveStage, a_request, watch

from newsletter.audience.segment_model import Segment
from newsletter.audience.segment_parser import parse_condition
from newsletter.clock import SettableClock
from newsletter.delivery.campaigns import change_status, freeze
from newsletter.delivery.freeze_request import Waves
from newsletter.delivery.rehearsal import rehearse
from newsletter.delivery.reports import build_report, summary
from newsletter.delivery.resolving import decide_unknown
from newsletter.delivery.waves import Wave, earliest_wave
from newsletter.providers.base import Envelope, OutcomeKind
from newsletter.storage.database import open_database


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param(
            "postgresql",
            marks=[pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")],
        ),
    ]
)
def stage(
    request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock
) -> Iterator[WaveStage]:
    """A stage without readers on the evening before, 16:00 UTC, on either database."""
    clock.advance(datetime(2026, 11, 23, 16, 0, tzinfo=UTC) - clock.now())
    url = "sqlite:///ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("server_url")
    made = WaveStage(tmp_path, clock, readers=0, url=url)
    yield made
    made.database.close()


def test_each_of_many_zones_gets_it_at_its_own_eight_o_clock(stage: WaveStage) -> None:
    stage.settle(*ZONES)

    with SmtpServer() as server:
        campaign = stage.freeze_waves()
        seen = watch(stage, campaign, server, hours=30)

    assert seen == {
        f"reader{number}@example.org": [
            datetime.combine(DAY, WAVES.time, ZoneInfo(zone)).astimezone(UTC)
        ]
        for number, zone in enumerate(ZONES, start=1)
    }
    assert stage.campaign(campaign).status == "sent"
    assert stage.totals(campaign) == {"accepted": len(ZONES)}
    assert stage.verdicts() == []


@pytest.mark.parametrize(
    ("day", "at", "zone", "instant"),
    [
        (date(2026, 3, 29), time(2, 30), "Europe/Paris", "2026-03-29T01:00"),
        (date(2026, 10, 25), time(2, 30), "Europe/Paris", "2026-10-25T00:30"),
        (date(2026, 10, 4), time(2, 15), "Australia/Lord_Howe", "2026-10-03T15:30"),
        (date(2026, 4, 5), time(1, 45), "Australia/Lord_Howe", "2026-04-04T14:45"),
        (date(2011, 12, 30), time(8, 0), "Pacific/Apia", "2011-12-30T10:00"),
        (date(2011, 12, 31), time(8, 0), "Pacific/Apia", "2011-12-30T18:00"),
    ],
)
def test_a_day_on_which_the_clocks_change_brings_it_once_and_by_the_rule(
    stage: WaveStage, day: date, at: time, zone: str, instant: str
) -> None:
    stage.clock.advance(
        datetime.combine(day, time(), UTC) - timedelta(hours=11) - stage.clock.now()
    )
    stage.settle(zone, "Etc/UTC")

    with SmtpServer() as server:
        campaign = stage.freeze_waves(Waves(day, at, "Etc/UTC"))
        seen = watch(stage, campaign, server, hours=30)

    assert seen == {
        "reader1@example.org": [datetime.fromisoformat(f"{instant}+00:00")],
        "reader2@example.org": [datetime.combine(day, at, UTC)],
    }


def test_readers_without_a_zone_and_with_one_that_is_none_take_that_of_the_waves(
    stage: WaveStage,
) -> None:
    stage.settle(None, "", "Mars/Olympus_Mons", "Europe/Paris", "Asia/Tokyo")

    with SmtpServer() as server:
        seen = watch(stage, stage.freeze_waves(), server, hours=20)

    paris, tokyo = (datetime(2026, 11, 24, 7, tzinfo=UTC), datetime(2026, 11, 23, 23, tzinfo=UTC))
    assert seen == {
        **{f"reader{number}@example.org": [paris] for number in (1, 2, 3, 4)},
        "reader5@example.org": [tokyo],
    }


def test_who_moves_to_another_zone_gets_one_and_who_joins_after_the_freeze_none(
    stage: WaveStage,
) -> None:
    stage.settle("Asia/Tokyo", "America/Los_Angeles")

    with SmtpServer() as server:
        campaign = stage.freeze_waves()
        stage.move_to("America/Los_Angeles", reader=1)
        stage.move_to("Asia/Tokyo", reader=2)
        stage.settle("Europe/Paris")
        morning = watch(stage, campaign, server, hours=12)
        stage.move_to("Pacific/Pago_Pago", reader=1)
        evening = watch(stage, campaign, server, hours=24)

    assert morning == {"reader1@example.org": [datetime(2026, 11, 23, 23, tzinfo=UTC)]}
    assert evening == {"reader2@example.org": [datetime(2026, 11, 24, 16, tzinfo=UTC)]}


def test_a_wave_that_is_past_at_the_freeze_goes_out_at_once(stage: WaveStage) -> None:
    stage.settle("Asia/Tokyo", "Europe/Paris", "America/Los_Angeles")
    stage.clock.advance(timedelta(hours=17))

    with SmtpServer() as server:
        campaign = stage.freeze_waves()
        seen = watch(stage, campaign, server, hours=12)

    nine = datetime(2026, 11, 24, 9, tzinfo=UTC)
    assert seen == {
        "reader1@example.org": [nine],
        "reader2@example.org": [nine],
        "reader3@example.org": [datetime(2026, 11, 24, 16, tzinfo=UTC)],
    }


def test_the_campaign_lives_as_long_as_its_last_wave(stage: WaveStage) -> None:
    stage.settle("Asia/Tokyo", "America/Los_Angeles")

    campaign = stage.freeze_waves()

    assert stage.campaign(campaign).expires_at == datetime(2026, 11, 25, 4, tzinfo=UTC)


def test_a_run_sends_what_is_due_in_the_order_of_the_ledger_and_tells_of_the_rest(
    stage: WaveStage,
) -> None:
    stage.settle("Asia/Seoul", "America/Los_Angeles", "Asia/Tokyo", None, "America/Denver")
    campaign = stage.freeze_waves()
    stage.clock.advance(timedelta(hours=7))

    with SmtpServer() as server:
        provider = a_provider(server.port, stage.clock)
        stage.sender(provider).run(campaign)
        provider.close()
        reached = [message.recipients[0] for message in server.messages]

    assert reached == ["reader1@example.org", "reader3@example.org"]
    assert stage.campaign(campaign).status == "sending"
    assert not stage.wants_hands(campaign)
    assert stage.told(campaign) == [
        "3 wait for 08:00 of their own zone: 3 waves still to come, the next at 2026-11-24 07:00 "
        "UTC, the last at 2026-11-24 16:00 UTC; what is due then is sent by 'newsletter serve', "
        f"or 'newsletter campaigns resume {campaign}'"
    ]
    with stage.database.read() as connection:
        report = build_report(connection, campaign)
    assert summary(report.campaign, report.states)["wave_time"] == "08:00"


def test_a_refusal_for_now_is_tried_again_until_the_own_wave_is_over_not_the_last(
    stage: WaveStage,
) -> None:
    stage.settle("Asia/Tokyo", "America/Los_Angeles")
    greylisted = {
        "reader1@example.org": "451 4.7.1 later",
        "reader2@example.org": "451 4.7.1 later",
    }

    with SmtpServer(refuse=greylisted) as server:
        campaign = stage.freeze_waves()
        watch(stage, campaign, server, hours=18)
        before = stage.totals(campaign)
        watch(stage, campaign, server, hours=8)
        meanwhile = stage.totals(campaign)
        watch(stage, campaign, server, hours=14)

    assert before == {"pending": 1, "deferred": 1}
    assert meanwhile == {"deferred": 1, "expired": 1}
    assert stage.totals(campaign) == {"expired": 2}
    assert stage.campaign(campaign).status == "sent"
    assert stage.verdicts() == []


def test_a_wave_that_nobody_sent_in_time_is_not_sent_late(stage: WaveStage) -> None:
    stage.settle("Asia/Tokyo", "Europe/Paris", None, "America/Los_Angeles")
    campaign = stage.freeze_waves()
    stage.clock.advance(datetime(2026, 11, 24, 12, tzinfo=UTC) - stage.clock.now())

    with SmtpServer() as server:
        seen = watch(stage, campaign, server, hours=6)

    assert sorted(seen) == [f"reader{number}@example.org" for number in (2, 3, 4)]
    assert stage.totals(campaign) == {"accepted": 3, "expired": 1}


def test_who_moved_away_from_a_wave_that_is_over_is_not_expired_with_it(stage: WaveStage) -> None:
    stage.settle("America/Los_Angeles", "America/Denver")
    server_says = {"reader1@example.org": "451 4.7.1 later"}

    with SmtpServer(refuse=server_says) as server:
        campaign = stage.freeze_waves()
        stage.clock.advance(timedelta(hours=1))
        stage.move_to("Pacific/Kiritimati", reader=1)
        watch(stage, campaign, server, hours=24)
        server_says.clear()
        watch(stage, campaign, server, hours=3)

    assert stage.totals(campaign) == {"accepted": 2}


def test_what_the_operator_sends_again_goes_out_though_its_wave_is_over(stage: WaveStage) -> None:
    stage.settle("Asia/Tokyo", "America/Los_Angeles")
    campaign = stage.freeze_waves(provider="outbox")
    kinds = iter([OutcomeKind.UNKNOWN, OutcomeKind.ACCEPTED])
    sender = stage.sender(ScriptedProvider(lambda _envelope: next(kinds)))
    stage.clock.advance(timedelta(hours=7))
    sender.run(campaign)

    stage.clock.advance(timedelta(hours=15))
    decide_unknown(stage.database, campaign, "retry", stage.clock.now(), actor="test")
    sender.run(campaign)

    assert stage.totals(campaign) == {"accepted": 1, "pending": 1}


def test_a_canary_is_the_first_so_many_that_are_due_over_several_waves(stage: WaveStage) -> None:
    stage.settle(*["America/Denver"] * 4, *["Asia/Tokyo"] * 2, *["Europe/Paris"] * 4)
    campaign = stage.freeze_waves(canary=4, provider="outbox")
    provider = ScriptedProvider()
    sender = stage.sender(provider)
    sender.wait = lambda seconds: stage.clock.advance(timedelta(seconds=seconds))
    handed: list[tuple[int, str]] = []

    for hour in (22, 23, 7, 15):
        day = DAY if hour < 20 else DAY - timedelta(days=1)
        stage.clock.advance(datetime.combine(day, time(hour), UTC) - stage.clock.now())
        sender.run(campaign)
        judged = stage.campaign(campaign).judged_at
        handed.append((len(provider.handed), f"{judged:%H:%M}" if judged else "not judged"))

    assert handed == [(0, "not judged"), (2, "not judged"), (6, "07:10"), (10, "07:10")]
    assert stage.campaign(campaign).status == "sent"
    first = [envelope.address for envelope in provider.handed]
    assert first[:4] == [f"reader{number}@example.org" for number in (5, 6, 7, 8)]


def test_a_canary_that_bounces_keeps_the_later_waves(stage: WaveStage) -> None:
    stage.settle(*["Asia/Tokyo"] * 2, *["Europe/Paris"] * 2)
    campaign = stage.freeze_waves(canary=2, provider="outbox")

    def refuse(_envelope: Envelope) -> OutcomeKind:
        return OutcomeKind.REJECTED_RECIPIENT

    provider = ScriptedProvider(refuse, answer=in_smtp("550 5.1.1 no such user"))
    sender = stage.sender(provider)
    sender.wait = lambda seconds: stage.clock.advance(timedelta(seconds=seconds))
    stage.clock.advance(timedelta(hours=7))
    sender.run(campaign)

    assert stage.campaign(campaign).status == "paused"
    assert stage.totals(campaign) == {"pending": 2, "rejected": 2}


def test_a_paused_campaign_sends_what_came_due_meanwhile_and_keeps_the_rest(
    stage: WaveStage,
) -> None:
    stage.settle("Asia/Tokyo", "Europe/Paris", "America/Los_Angeles")
    campaign = stage.freeze_waves()
    now = stage.clock.now

    with SmtpServer() as server:
        change_status(stage.database, campaign, "pause", now(), actor="test")
        paused = watch(stage, campaign, server, hours=16)
        change_status(stage.database, campaign, "resume", now(), actor="test")
        resumed = watch(stage, campaign, server, hours=3)
        change_status(stage.database, campaign, "cancel", now(), actor="test")
        cancelled = watch(stage, campaign, server, hours=10)

    assert (paused, cancelled) == ({}, {})
    assert sorted(resumed) == ["reader1@example.org", "reader2@example.org"]
    assert stage.totals(campaign) == {"accepted": 2, "skipped": 1}
    assert stage.verdicts() == []


def test_the_earliest_wave_is_that_of_the_first_zone_among_the_active_readers(
    stage: WaveStage,
) -> None:
    stage.settle("Pacific/Honolulu", "Europe/Paris", "nowhere", "Asia/Tokyo")
    words, now = 'timezone = "Pacific/Honolulu"', stage.clock.now()
    hawaii = Segment("hawaii", words, parse_condition(words), now, now)

    def earliest(segment: Segment | None) -> datetime:
        with stage.database.read() as connection:
            return earliest_wave(connection, stage.list_id, WAVES, segment, now)

    assert earliest(None) == datetime(2026, 11, 23, 23, tzinfo=UTC)
    assert earliest(hawaii) == datetime(2026, 11, 24, 18, tzinfo=UTC)
    with stage.database.write() as connection:
        connection.execute(text("UPDATE memberships SET status = 'unsubscribed'"))
    assert earliest(None) == datetime(2026, 11, 24, 7, tzinfo=UTC)


def test_a_rehearsal_tells_the_waves_that_a_freeze_would_make(stage: WaveStage) -> None:
    stage.settle("Asia/Tokyo", "Asia/Seoul", None, "Europe/Paris", "America/Los_Angeles")
    stage.clock.advance(timedelta(hours=8))

    rehearsal = rehearse(stage.database, a_request(stage.list_id), KEYS, stage.clock.now())

    assert rehearsal.waves == (
        Wave(None, 2),
        Wave(datetime(2026, 11, 24, 7, tzinfo=UTC), 2),
        Wave(datetime(2026, 11, 24, 16, tzinfo=UTC), 1),
    )


def test_a_freeze_that_fails_leaves_nothing_behind_and_the_next_one_works(
    stage: WaveStage,
) -> None:
    stage.settle("Asia/Tokyo", "Europe/Paris")

    def fail(_connection: object, _campaign: int) -> None:
        raise RuntimeError("the caller changed its mind")

    with pytest.raises(RuntimeError):
        freeze(stage.database, a_request(stage.list_id), stage.clock.now(), actor="test", also=fail)
    campaign = stage.freeze_waves()

    assert stage.totals(campaign) == {"pending": 2}


@pytest.mark.slow
def test_resuming_in_a_terminal_does_not_wait_for_waves_but_tells_when_they_are_due(
    tmp_path: Path,
) -> None:
    desk = a_desk(tmp_path, readers=3)
    day = datetime.now(UTC).date() + timedelta(days=3)
    request = a_request(1, Waves(day, time(8, 0), "Etc/UTC"), provider="outbox")
    database = open_database("sqlite:///newsletter.db", root=tmp_path)
    campaign = freeze(database, request, datetime.now(UTC), actor="test")
    database.close()

    done = desk.run("campaigns", "resume", str(campaign), code=1)
    report = desk.json("campaigns", "report", str(campaign))

    assert (
        f"3 wait for 08:00 of their own zone: 1 wave still to come, at {day} 08:00" in done.stderr
    )
    assert report["waves"] == {
        "to_come": 1,
        "readers": 3,
        "next": f"{day}T08:00:00Z",
        "last": f"{day}T08:00:00Z",
    }
    assert (report["status"], report["pending"]) == ("sending", 3)
