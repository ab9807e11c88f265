"""Joining by the form and the letter; nobody finds out who reads what (C11, C12, C16, C17)."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from tests.builders import KEYS, Stage
from tests.integration.web.running import RunningApp, running_app, some_settings

from newsletter.audience.address import parse_address
from newsletter.audience.consent import Origin
from newsletter.audience.subscribers import unsubscribe
from newsletter.audience.suppressions import SuppressionReason, add_suppression
from newsletter.web.catalogue import Catalogue
from newsletter.web.embedding import embed_form

FORM = "/subscribe/daily"


def shape(answer: httpx.Response) -> tuple[int, str, dict[str, str]]:
    """Return what a stranger can compare."""
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    return answer.status_code, answer.text, headers


def test_the_whole_way_from_the_form_to_the_list(app: RunningApp) -> None:
    asked = app.post(FORM, {"email": "Ada@Example.org", "name": "Ada Example"})
    assert asked.status_code == 303
    assert asked.headers["location"] == "/subscribe/daily/sent"
    assert "Check your inbox" in app.get(asked.headers["location"]).text
    assert app.woken == [None]
    assert app.status(6) == "pending"

    page = app.get(app.letter())
    assert page.text.count("<button") == 1
    assert app.status(6) == "pending"

    done = app.post(app.letter(), {"act": "confirm"})
    assert "You are subscribed" in done.text
    assert app.status(6) == "active"
    consents = app.rows(
        "SELECT act, how, source, wording, version, network FROM consents"
        " WHERE subscriber_id = 6 ORDER BY id"
    )
    assert [row[:3] for row in consents] == [
        ("requested", "form", "/subscribe/daily"),
        ("granted", "page", "/c"),
    ]
    assert consents[0][3] in app.get(FORM).text
    assert all(row[4].startswith("en-") and row[5] == "127.0.0.0/24" for row in consents)
    assert app.rows("SELECT address, name FROM subscribers WHERE id = 6") == [
        ("Ada@Example.org", "Ada Example")
    ]


def test_confirming_twice_changes_nothing_and_an_old_letter_does_nothing(app: RunningApp) -> None:
    app.post(FORM, {"email": "new@example.org"})
    link = app.letter()
    first, second = (app.post(link, {"act": "confirm"}) for _ in range(2))
    assert (first.status_code, second.status_code, app.status(6)) == (200, 410, "active")
    assert "If you pressed its button before, you have nothing left to do" in second.text

    app.post(FORM, {"email": "late@example.org"})
    app.stage.clock.advance(timedelta(days=8))
    late = app.post(app.letter(), {"act": "confirm"})

    assert late.status_code == 410
    assert app.status(7) == "pending"


def test_only_the_button_confirms(app: RunningApp) -> None:
    app.post(FORM, {"email": "new@example.org"})

    assert app.post(app.letter(), {}).status_code == 400
    assert app.status(6) == "pending"


def test_new_pending_active_left_and_suppressed_addresses_are_answered_alike(
    app: RunningApp,
) -> None:
    app.post(FORM, {"email": "pending@example.org"})
    with app.stage.database.write() as connection:
        now = app.stage.clock.now()
        unsubscribe(connection, 2, app.stage.list_id, now, Origin("operator"))
        for reason, address in (
            (SuppressionReason.COMPLAINT, "reader3@example.org"),
            (SuppressionReason.MANUAL, "unknown@example.org"),
        ):
            add_suppression(connection, KEYS, parse_address(address), reason, now, actor="test")
    kinds = ("new", "pending", "reader1", "reader2", "reader3", "unknown")

    answers = [app.post(FORM, {"email": f"{kind}@example.org"}) for kind in kinds]
    trapped = app.post(FORM, {"email": "bot@example.org", "website": "http://spam.example"})

    assert len({str(shape(answer)) for answer in [*answers, trapped]}) == 1


def test_a_filled_trap_writes_nothing(app: RunningApp) -> None:
    before = app.everything()

    app.post(FORM, {"email": "bot@example.org", "website": "x"})

    assert app.everything() == before
    assert app.woken == []


def test_an_address_gets_at_most_one_letter_an_hour(app: RunningApp) -> None:
    for _ in range(6):
        app.post(FORM, {"email": "new@example.org"})
        app.stage.clock.advance(timedelta(minutes=1))
    assert len(app.rows("SELECT id FROM letters")) == 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"email": ""}, "Type your email address"),
        ({"email": "ada.example.org"}, "has an @ in it"),
        ({"email": "a@b"}, "no email address we can write to"),
        ({"email": "a" * 300 + "@example.org"}, "too long"),
        ({"email": "ada@example.org\r\nBcc: eve@example.org"}, "no email address"),
        ({"email": "ada@example.org", "name": "x\r\nBcc: eve@example.org"}, "200 plain characters"),
        ({"email": "ada@example.org", "name": "x" * 201}, "200 plain characters"),
        ({"email": ["a@example.org", "b@example.org"]}, "Type your email address"),
    ],
)
def test_what_is_wrong_stands_beside_the_field_and_what_was_typed_stays(
    app: RunningApp, typed: dict[str, str], said: str
) -> None:
    before = app.everything()

    page = app.post(FORM, typed)

    assert page.status_code == 400
    assert said in page.text
    assert 'role="alert"' in page.text
    assert 'aria-invalid="true"' in page.text
    if typed.get("name") == "x" * 201:
        assert 'value="ada@example.org"' in page.text
    assert app.everything() == before


@pytest.mark.parametrize("name", ["\0", "a\0b", "<b>{{ 7*7 }}</b>", "\u202eevil", "𝕏" * 50])
def test_odd_names_never_break_a_page(app: RunningApp, name: str) -> None:
    answer = app.post(FORM, {"email": "odd@example.org", "name": name})

    assert answer.status_code in (303, 400)
    page = app.get(app.preferences(6)) if answer.status_code == 303 else answer
    assert "<b>" not in page.text
    assert "49" not in page.text.partition("</main>")[0].partition('id="name"')[2][:200]


def test_halves_of_surrogate_pairs_never_break_a_page(app: RunningApp) -> None:
    body = (
        b"--x\r\nContent-Disposition: form-data; name=email\r\n\r\na@example.org\r\n"
        b"--x\r\nContent-Disposition: form-data; name=name\r\n\r\n\\ud800\r\n--x--\r\n"
    )
    for charset in ("unicode_escape", "utf-7", "rot13", "idna", "undefined", "none-such"):
        kind = f"multipart/form-data; boundary=x; charset={charset}"
        answer = app.client.post(FORM, content=body, headers={"Content-Type": kind})
        assert answer.status_code in (303, 400), charset


def test_a_list_that_is_not_public_has_no_page(app: RunningApp) -> None:
    with app.stage.database.write() as connection:
        connection.exec_driver_sql("UPDATE lists SET public = 0")

    assert app.get(FORM).status_code == 404
    assert app.post(FORM, {"email": "a@example.org"}).status_code == 404
    assert "Daily" not in app.get("/").text


def test_too_many_forms_of_a_network_wait_while_others_go_on(stage: Stage) -> None:
    settings = some_settings(limits={"per_network": 2}, trusted_proxies=["127.0.0.1"])
    with running_app(stage, settings) as app:

        def send(number: int, ip: str) -> httpx.Response:
            form = {"email": f"n{number}@example.org"}
            return app.post(FORM, form, headers={"X-Forwarded-For": ip})

        codes = [send(n, f"203.0.113.{n}").status_code for n in (1, 2)]
        refused = send(3, "203.0.113.200")
        other = send(4, "198.51.100.1")
        stage.clock.advance(timedelta(minutes=31))
        later = send(5, "203.0.113.3")

    assert codes == [303, 303]
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 1800
    assert "minutes" in refused.text
    assert (other.status_code, later.status_code) == (303, 303)


def test_too_many_forms_in_all_wait(stage: Stage) -> None:
    settings = some_settings(limits={"overall": 2}, trusted_proxies=["127.0.0.1"])
    with running_app(stage, settings) as app:
        codes = [
            app.post(
                FORM,
                {"email": f"n{n}@example.org"},
                headers={"X-Forwarded-For": f"203.0.{n}.1"},
            ).status_code
            for n in range(3)
        ]

    assert codes == [303, 303, 429]


def test_the_embedded_form_joins_as_the_page_does(app: RunningApp) -> None:
    from newsletter.audience.lists import get_list

    with app.stage.database.read() as connection:
        daily = get_list(connection, "daily")
    html = embed_form(daily, app.url, "The Example", "en")

    assert f'action="{app.url}/subscribe/daily"' in html
    assert "<script" not in html
    wording = Catalogue().words(["en"])("subscribe.consent", list="Daily", newsletter="The Example")
    assert wording in html
    headers = {"Origin": "https://elsewhere.example", "Referer": "https://elsewhere.example/"}
    answer = app.post(
        FORM, {"email": "far@example.org", "name": "", "website": ""}, headers=headers
    )
    assert answer.status_code == 303
    assert app.rows("SELECT wording FROM consents ORDER BY id DESC LIMIT 1") == [(wording,)]


def test_a_name_that_turns_the_reading_direction_is_kept_without_that(app: RunningApp) -> None:
    form = {"email": "eve@example.org", "name": "\u202eadA\u2066 \u200fלוי"}

    answer = app.post(FORM, form)

    assert answer.status_code == 303
    assert app.rows("SELECT name FROM subscribers WHERE address = 'eve@example.org'") == [
        ("adA \u200fלוי",)
    ]
