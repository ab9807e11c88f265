"""Leaving by one click and by the page, and coming back (C1-C8)."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx
import pytest
from tests.builders import KEYS, Stage
from tests.integration.web.running import SIGNER, RunningApp, running_app, some_settings

from newsletter.audience.tokens import Purpose

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def undo_path(page: httpx.Response) -> str:
    found = re.search(r'action="(/r/[^"]+)"', page.text)
    assert found, page.text
    return found[1]


@pytest.mark.parametrize("encoding", ["urlencoded", "multipart"])
def test_one_click_unsubscribes_at_once_in_both_encodings_and_again(
    app: RunningApp, encoding: str
) -> None:
    body = (
        {"data": ONE_CLICK}
        if encoding == "urlencoded"
        else {"files": {"List-Unsubscribe": (None, "One-Click")}}
    )

    first, second = (app.client.post(app.one_click(), **body) for _ in range(2))

    for answer in (first, second):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert len(answer.text) < 100
        assert "set-cookie" not in answer.headers
        assert "location" not in answer.headers
    assert app.status() == "unsubscribed"
    acts = app.rows("SELECT act, how FROM consents WHERE subscriber_id = 1 ORDER BY id")
    assert acts[1:] == [("withdrawn", "one-click")]


def test_one_click_works_as_the_bytes_of_a_mail_program(app: RunningApp) -> None:
    answer = app.client.post(
        app.one_click(),
        content=b"List-Unsubscribe=One-Click",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )

    assert answer.status_code == 200
    assert app.status() == "unsubscribed"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_looking_at_any_page_changes_nothing(app: RunningApp, method: str) -> None:
    app.post("/subscribe/daily", {"email": "new@example.org"})
    manage = app.manage(2)
    app.post(manage, {"act": "address", "email": "other@example.org"})
    before = app.everything()
    paths = [
        app.one_click(),
        app.one_click() + "/options",
        app.preferences(),
        manage,
        manage + "/data",
        manage + "/delete",
        app.letter(),
        app.letter("new_address"),
        "/subscribe/daily",
    ]

    answers = [app.client.request(method, path) for path in paths]

    assert {answer.status_code for answer in answers} == {405 if method == "OPTIONS" else 200}
    assert app.everything() == before


def test_head_is_a_get_without_its_body(app: RunningApp) -> None:
    look, head = app.get(app.one_click()), app.client.head(app.one_click())

    assert head.text == ""
    assert head.headers["content-length"] == str(len(look.content))


def test_forged_cut_and_wrong_tokens_are_answered_alike_for_whoever_they_name(
    app: RunningApp,
) -> None:
    whole = SIGNER.sign(Purpose.UNSUBSCRIBE, 1, app.stage.list_id)
    payload, _, mac = whole.partition(".")
    nobody = SIGNER.sign(Purpose.UNSUBSCRIBE, 999_999, 1).partition(".")[0]
    tokens = [
        whole[:-1],
        payload,
        f"{payload}.{mac[::-1]}",
        f"{nobody}.{mac}",
        SIGNER.sign(Purpose.PREFERENCES, 1, app.stage.list_id),
        SIGNER.sign(Purpose.RETURN, 1, app.stage.list_id, 1),
        "%00",
        "%ff%fe",
        "%ED%A0%80",
        "a" * 5000,
        "..%2F..",
    ]

    looks = [app.get(f"/u/{token}") for token in tokens if token != "..%2F.."]
    clicks = [app.post(f"/u/{token}", ONE_CLICK) for token in tokens if token != "..%2F.."]

    assert {answer.status_code for answer in looks + clicks} == {404}
    assert len({answer.text for answer in looks + clicks}) == 1
    assert "reply to any of our emails" in looks[0].text
    assert app.status() == "active"


@pytest.mark.parametrize(
    "form",
    [{}, {"act": "undo"}, {"act": ["pause", "link"]}, {"act": "pause", "until": "yesterday"}],
)
def test_what_the_page_beside_leaving_does_not_offer_changes_nothing(
    app: RunningApp, form: dict[str, str]
) -> None:
    before = app.everything()

    answer = app.post(app.one_click() + "/options", form)

    assert answer.status_code == 400
    assert app.everything() == before


def test_pausing_by_the_link_to_leave_is_of_its_one_list(app: RunningApp) -> None:
    other = a_second_list(app.stage)
    app.post(app.preferences(), {"act": "save", "list": [str(app.stage.list_id), str(other)]})

    answer = app.post(app.one_click() + "/options", {"act": "pause", "until": "2026-12-24"})

    assert "Paused" in app.get(answer.headers["location"]).text
    assert (app.status(), app.status(list_id=other)) == ("paused", "active")


def test_the_page_says_what_will_happen_without_showing_the_address(app: RunningApp) -> None:
    page = app.get(app.one_click()).text

    assert "Unsubscribe from Daily" in page
    assert "r…\u2060@example.org" in page
    assert "reader1@example.org" not in page
    assert page.count("<button") == 1
    assert "Pause for a while" in page
    assert "<script" not in page


def test_the_page_leaves_one_list_and_offers_to_undo_it(app: RunningApp) -> None:
    left = app.post(app.one_click(), {"leave": "list"})
    assert left.status_code == 200
    assert app.status() == "unsubscribed"

    undone = app.post(undo_path(left), {"act": "undo"})

    assert "Welcome back" in undone.text
    assert app.status() == "active"
    newest = app.rows("SELECT act, how, wording, version, network FROM consents ORDER BY id DESC")[
        0
    ]
    assert newest[:2] == ("granted", "page")
    assert "I left by mistake" in newest[2]
    assert newest[3].startswith("en-")
    assert newest[4] == "127.0.0.0/24"


def test_undoing_works_once(app: RunningApp) -> None:
    path = undo_path(app.post(app.one_click(), {"leave": "list"}))
    app.post(path, {"act": "undo"})
    app.post(app.one_click(), ONE_CLICK)
    app.stage.clock.advance(timedelta(seconds=2))
    app.post(app.preferences(), {"act": "save", "list": str(app.stage.list_id)})
    app.stage.clock.advance(timedelta(seconds=2))
    app.post(app.one_click(), ONE_CLICK)

    assert app.post(path, {"act": "undo"}).status_code == 410
    assert app.status() == "unsubscribed"


def test_undoing_works_for_an_hour(app: RunningApp) -> None:
    path = undo_path(app.post(app.one_click(), {"leave": "list"}))
    app.stage.clock.advance(timedelta(minutes=61))

    assert app.post(path, {"act": "undo"}).status_code == 410
    assert app.status() == "unsubscribed"


def test_leaving_is_by_list_unless_everything_is_asked_for(app: RunningApp) -> None:
    other = a_second_list(app.stage)
    app.post(app.preferences(), {"act": "save", "list": [str(app.stage.list_id), str(other)]})
    for reader in (1, 2):
        # Also to who is on this list alone: the link does not tell who else writes to them.
        assert "Unsubscribe from everything" in app.get(app.one_click(reader)).text

    app.post(app.one_click(), {"leave": "list"})
    assert (app.status(), app.status(list_id=other)) == ("unsubscribed", "active")

    left = app.post(app.one_click(), {"leave": "all"})
    assert (app.status(), app.status(list_id=other)) == ("unsubscribed", "unsubscribed")
    assert app.post(undo_path(left), {"act": "undo"}).status_code == 200
    assert (app.status(), app.status(list_id=other)) == ("active", "active")


def a_second_list(stage: Stage) -> int:
    from newsletter.audience.lists import create_list

    with stage.database.write() as connection:
        return create_list(
            connection,
            stage.clock.now(),
            name="weekly",
            title="Weekly",
            base_url="https://news.example.org",
            actor="test",
        ).id


def test_a_link_of_somebody_erased_says_so_and_one_click_stays_well(app: RunningApp) -> None:
    app.post(app.manage() + "/delete", {"act": "delete", "sure": "yes"})

    page, click = app.get(app.one_click()), app.post(app.one_click(), ONE_CLICK)

    assert page.status_code == 410
    assert "not on the list any more" in page.text
    assert click.status_code == 200


def test_a_link_signed_with_an_older_key_still_leaves(app: RunningApp, stage: Stage) -> None:
    from newsletter.audience.keys import Keys
    from newsletter.audience.tokens import TokenSigner

    newer = TokenSigner(Keys((*KEYS.signing, "cd" * 32), KEYS.suppression))
    with running_app(stage, some_settings(), signer=newer) as rotated:
        assert rotated.post(app.one_click(), ONE_CLICK).status_code == 200

    assert app.status() == "unsubscribed"


def test_one_click_is_never_limited(stage: Stage) -> None:
    with running_app(stage, some_settings(limits={"per_network": 1, "overall": 1})) as app:
        answers = [app.post(app.one_click(number), ONE_CLICK) for number in (1, 2, 3, 4, 5)]

    assert {answer.status_code for answer in answers} == {200}
