"""Choosing, another address, one's data, and being forgotten (C14, C15)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.builders import KEYS
from tests.integration.web.running import RunningApp
from tests.integration.web.test_web_leaving import a_second_list

from newsletter.audience.address import parse_address
from newsletter.audience.suppressions import SuppressionReason, add_suppression


def test_name_zone_language_and_lists_are_saved(app: RunningApp) -> None:
    other = a_second_list(app.stage)
    form = {
        "act": "save",
        "name": "Ada Example",
        "timezone": "America/Argentina/Ushuaia",
        "language": "en",
        "list": str(other),
    }

    manage = app.manage()
    answer = app.post(manage, form)

    assert answer.status_code == 303
    assert answer.headers["location"] == manage + "?done=saved"
    page = app.get(answer.headers["location"])
    assert 'role="status"' in page.text
    assert 'value="Ada Example"' in page.text
    assert '<option value="America/Argentina/Ushuaia" selected>' in page.text
    assert (app.status(), app.status(list_id=other)) == ("unsubscribed", "active")
    consents = app.rows(
        "SELECT list_id, act, how FROM consents WHERE subscriber_id = 1 ORDER BY id DESC LIMIT 2"
    )
    assert sorted(consents) == [
        (app.stage.list_id, "withdrawn", "preferences"),
        (other, "granted", "preferences"),
    ]


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"timezone": "\0"}, "timezone"),
        ({"language": "not a language"}, "language"),
        ({"name": "a\r\nBcc: eve@example.org"}, "name"),
    ],
)
def test_what_cannot_be_saved_is_told_beside_the_field(
    app: RunningApp, form: dict[str, str], field: str
) -> None:
    manage = app.manage()
    before = app.everything()

    page = app.post(manage, {"act": "save", "list": "1", **form})

    assert page.status_code == 400
    assert f'id="{field}-error"' in page.text
    assert app.everything() == before


def test_a_pause_begins_and_ends(app: RunningApp) -> None:
    app.post(app.manage(), {"act": "save", "timezone": "Asia/Tokyo", "list": "1"})

    app.post(app.preferences(), {"act": "pause", "until": "2026-12-24"})
    assert app.status() == "paused"
    assert "paused until Thursday, 24 December 2026" in app.get(app.preferences()).text
    stored = app.rows("SELECT paused_until FROM memberships WHERE subscriber_id = 1")[0][0]
    assert datetime.fromisoformat(stored).replace(tzinfo=UTC) == datetime(
        2026, 12, 23, 15, tzinfo=UTC
    )

    app.post(app.preferences(), {"act": "resume"})
    assert app.status() == "active"


@pytest.mark.parametrize(
    "until", ["", "2026-11-24", "1999-01-01", "9999-12-31", "24.12.2026", "\0"]
)
def test_a_pause_needs_a_day_to_come(app: RunningApp, until: str) -> None:
    page = app.post(app.preferences(), {"act": "pause", "until": until})

    assert page.status_code == 400
    assert 'id="until-error"' in page.text
    assert app.status() == "active"


def test_an_address_changes_once_the_new_one_confirms(app: RunningApp) -> None:
    answer = app.post(app.manage(), {"act": "address", "email": "new@example.net"})
    assert answer.headers["location"].endswith("?done=address")
    assert app.rows("SELECT address FROM subscribers WHERE id = 1") == [("reader1@example.org",)]
    link = app.letter("new_address")
    assert "n…\u2060@example.net" in app.get(link).text

    done = app.post(link, {"act": "confirm"})

    assert "Your address is changed" in done.text
    assert app.rows("SELECT address FROM subscribers WHERE id = 1") == [("new@example.net",)]
    assert app.rows("SELECT kind, address FROM letters ORDER BY id DESC LIMIT 1") == [
        ("moved", "reader1@example.org")
    ]
    assert app.post(link, {"act": "confirm"}).status_code == 410
    assert app.get(link).status_code == 410
    assert len(app.woken) == 3


def test_asking_for_a_taken_or_suppressed_address_is_answered_as_for_a_free_one(
    app: RunningApp,
) -> None:
    with app.stage.database.write() as connection:
        add_suppression(
            connection,
            KEYS,
            parse_address("gone@example.org"),
            SuppressionReason.MANUAL,
            app.stage.clock.now(),
            actor="test",
        )

    manage = app.manage()
    answers = [
        app.post(manage, {"act": "address", "email": email})
        for email in ("free@example.org", "reader2@example.org", "gone@example.org")
    ]

    assert len({(a.status_code, a.headers["location"], a.text) for a in answers}) == 1
    assert len(app.letters("new_address")) == 1


def test_a_sign_up_that_was_never_confirmed_does_not_keep_an_address_from_its_owner(
    app: RunningApp,
) -> None:
    app.post("/subscribe/daily", {"email": "mine@example.net"})
    manage = app.manage()
    app.stage.clock.advance(timedelta(hours=2))
    app.post(manage, {"act": "address", "email": "mine@example.net"})

    done = app.post(app.letter("new_address"), {"act": "confirm"})

    assert done.status_code == 200
    assert app.rows("SELECT id FROM subscribers WHERE address = 'mine@example.net'") == [(1,)]
    assert app.status() == "active"


def test_a_suppressed_reader_sees_why_no_mail_comes_and_cannot_tick_themselves_back(
    app: RunningApp,
) -> None:
    app.post(app.one_click(), {"leave": "list"})
    manage = app.manage()
    with app.stage.database.write() as connection:
        add_suppression(
            connection,
            KEYS,
            parse_address("reader1@example.org"),
            SuppressionReason.COMPLAINT,
            app.stage.clock.now(),
            actor="test",
        )

    assert "reported as spam" in app.get(manage).text
    page = app.get(app.preferences()).text
    assert "You get no mail at the moment" in page
    assert "spam" not in page
    app.post(app.preferences(), {"act": "save", "list": str(app.stage.list_id)})
    assert app.status() == "unsubscribed"


def test_my_data_is_everything_and_a_file(app: RunningApp) -> None:
    app.stage.freeze()

    answer = app.get(app.manage() + "/data")

    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"] == 'attachment; filename="my-data.json"'
    assert answer.headers["cache-control"] == "no-store"
    data = json.loads(answer.text)
    assert data["address"] == "reader1@example.org"
    assert data["lists"][0]["status"] == "active"
    assert data["consents"][0]["act"] == "granted"
    assert data["deliveries"][0]["state"] == "pending"


def test_being_forgotten_takes_a_tick_and_leaves_nothing(app: RunningApp) -> None:
    path = app.manage() + "/delete"
    unsure = app.post(path, {"act": "delete"})
    assert unsure.status_code == 400
    assert "Tick the box first" in unsure.text
    assert app.status() == "active"

    done = app.post(path, {"act": "delete", "sure": "yes"})

    assert "You are forgotten" in done.text
    assert app.rows("SELECT address FROM subscribers WHERE id = 1") == []
    assert app.rows("SELECT reason FROM suppressions") == [("erased",)]
    assert app.get(app.preferences()).status_code == 410
    assert app.post(path, {"act": "delete", "sure": "yes"}).status_code == 410


def test_a_post_without_a_known_act_changes_nothing(app: RunningApp) -> None:
    manage = app.manage()
    before = app.everything()

    for form in ({}, {"act": "erase"}, {"act": ["save", "save"]}, {"name": "x"}):
        for page in (manage, app.preferences()):
            assert app.post(page, form).status_code == 400

    assert app.everything() == before


def test_a_name_that_turns_the_reading_direction_is_saved_without_that(app: RunningApp) -> None:
    app.post(app.manage(), {"act": "save", "name": "Ada\u202e gro\u2069", "language": "en"})

    assert app.rows("SELECT name FROM subscribers WHERE id = 1") == [("Ada gro",)]
