"""What each kind of link may do, tried by somebody who should not have it."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders import KEYS, Stage
from tests.integration.web.running import SIGNER, RunningApp, running_app, some_settings
from tests.integration.web.test_web_leaving import a_second_list

from newsletter.audience.address import parse_address
from newsletter.audience.suppressions import SuppressionReason, add_suppression
from newsletter.audience.tokens import Purpose

FORM = "/subscribe/daily"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
SENT = 3
"""The state of a letter that the provider took."""


def letters_go_out(app: RunningApp) -> None:
    """Let all letters that wait be sent."""
    with app.stage.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE letters SET state = {SENT} WHERE state = 0")


def count_letters(app: RunningApp) -> int:
    return int(app.rows("SELECT count(*) FROM letters")[0][0])


def personal_links(page: httpx.Response) -> set[str]:
    """Return the kinds of personal pages that a page leads to."""
    return set(re.findall(r'(?:href|action)="/([a-z])/[^"]', page.text))


# --- sign-ups by a stranger -------------------------------------------------------------------


def test_three_sign_ups_by_a_stranger_do_not_stop_an_address_for_ever(app: RunningApp) -> None:
    for _ in range(3):
        app.post(FORM, {"email": "victim@example.org"})
        letters_go_out(app)
        app.stage.clock.advance(timedelta(hours=2))
    app.post(FORM, {"email": "victim@example.org"})
    within = count_letters(app)
    app.stage.clock.advance(timedelta(days=4))

    app.post(FORM, {"email": "victim@example.org"})

    assert (within, count_letters(app)) == (3, 4)


def test_plus_tags_dots_and_case_do_not_multiply_letters_to_one_mailbox(app: RunningApp) -> None:
    for address in (
        *("ada.b@gmail.com", "a.d.a.b@gmail.com", "adab+1@gmail.com", "AdaB+2@GoogleMail.com"),
        *("a.dab+x+y@googlemail.com", "adab@gmail.com", "Adab+@gmail.com"),
    ):
        for _ in range(2):
            app.post(FORM, {"email": address})
            letters_go_out(app)
        app.stage.clock.advance(timedelta(minutes=61))

    assert count_letters(app) == 3


# --- old mailboxes ----------------------------------------------------------------------------


def moved(app: RunningApp, new: str = "new@example.net") -> None:
    """Let reader 1 move to another address."""
    manage = app.manage()
    app.post(manage, {"act": "address", "email": new})
    done = app.post(app.letter("new_address"), {"act": "confirm"})
    assert done.status_code == 200


def test_after_a_change_of_address_the_old_links_show_nothing_and_can_only_leave(
    app: RunningApp,
) -> None:
    preferences, leave, manage = app.preferences(), app.one_click(), app.manage()
    moved(app)
    before = app.everything()

    looks = [
        app.get(path)
        for path in (
            *(preferences, preferences + "/data", preferences + "/delete"),
            *(manage, manage + "/data", manage + "/delete", leave + "/options", leave),
        )
    ]
    posts = [
        app.post(preferences, {"act": "save"}),
        app.post(preferences, {"act": "pause", "until": "2026-12-24"}),
        app.post(preferences, {"act": "link"}),
        app.post(preferences + "/delete", {"act": "delete", "sure": "yes"}),
        app.post(manage, {"act": "save", "name": "Eve"}),
        app.post(manage, {"act": "address", "email": "eve@example.org"}),
        app.post(manage + "/delete", {"act": "delete", "sure": "yes"}),
        app.post(leave + "/options", {"act": "pause", "until": "2026-12-24"}),
        app.post(leave + "/options", {"act": "link"}),
    ]

    assert [look.status_code for look in looks[:-1] if look.status_code not in (404, 410)] == []
    assert {post.status_code for post in posts} <= {404, 410}
    assert [look.text for look in looks if "example.net" in look.text] == []
    assert app.everything() == before
    assert "earlier address" in looks[0].text
    assert looks[-1].status_code == 200
    assert personal_links(looks[-1]) == set()


def test_an_old_unsubscribe_link_leaves_for_ever_and_gives_no_undo(app: RunningApp) -> None:
    leave = app.one_click()
    moved(app)
    app.stage.clock.advance(timedelta(days=3000))

    left = app.post(leave, {"leave": "list"})

    assert (left.status_code, app.status()) == (200, "unsubscribed")
    assert "example.net" not in left.text
    assert personal_links(left) == set()


@pytest.mark.parametrize("body", [ONE_CLICK, {}, {"leave": "all"}])
def test_every_way_to_leave_works_by_an_old_link(app: RunningApp, body: dict[str, str]) -> None:
    leave = app.one_click()
    moved(app)

    assert app.post(leave, body).status_code == 200
    assert app.status() == "unsubscribed"


def test_an_undo_link_from_before_a_change_of_address_is_over(app: RunningApp) -> None:
    manage = app.manage()
    app.post(manage, {"act": "address", "email": "new@example.net"})
    left = app.post(app.one_click(), {"leave": "list"})
    undo = re.search(r'action="(/r/[^"]+)"', left.text)
    assert undo
    app.post(app.letter("new_address"), {"act": "confirm"})

    assert app.get(undo[1]).status_code == 410
    assert app.post(undo[1], {"act": "undo"}).status_code == 410
    assert app.status() == "unsubscribed"


def test_letters_written_before_a_change_of_address_are_over(app: RunningApp) -> None:
    other = a_second_list(app.stage)
    app.post("/subscribe/weekly", {"email": "reader1@example.org"})
    confirm = app.letter("confirm")
    letters_go_out(app)
    app.stage.clock.advance(timedelta(hours=2))
    manage = app.manage()
    for address in ("first@example.net", "second@example.net"):
        app.post(manage, {"act": "address", "email": address})
        letters_go_out(app)
    first, second = app.letters("new_address")
    app.post(second, {"act": "confirm"})

    assert [app.get(path).status_code for path in (confirm, first)] == [410, 410]
    assert [app.post(path, {"act": "confirm"}).status_code for path in (confirm, first)] == [
        410,
        410,
    ]
    assert app.rows("SELECT address FROM subscribers WHERE id = 1") == [("second@example.net",)]
    assert app.status(list_id=other) == "pending"


def test_links_to_the_new_address_work(app: RunningApp) -> None:
    moved(app)

    assert app.get(app.preferences()).status_code == 200
    assert "n…\u2060@example.net" in app.get(app.one_click()).text
    assert app.get(app.manage()).status_code == 200


# --- what a link in a forwarded mail opens ----------------------------------------------------


def test_an_unsubscribe_link_opens_nothing_but_leaving_undoing_and_pausing(
    app: RunningApp,
) -> None:
    other = a_second_list(app.stage)
    with app.stage.database.write() as connection:
        connection.exec_driver_sql("UPDATE subscribers SET name = 'Ada Secret' WHERE id = 1")
    page = app.get(app.one_click())
    options = app.get(app.one_click() + "/options")
    paused = app.post(app.one_click() + "/options", {"act": "pause", "until": "2026-12-24"})
    state = app.status()
    left = app.post(app.one_click(), {"leave": "list"})
    undo = re.search(r'action="(/r/[^"]+)"', left.text)
    assert undo
    back = app.post(undo[1], {"act": "undo"})

    assert (options.status_code, paused.status_code, state) == (200, 303, "paused")
    assert back.status_code == 200
    for shown in (page, options, left, back):
        assert personal_links(shown) <= {"u", "r"}
        assert "Ada Secret" not in shown.text
        assert "reader1@" not in shown.text
        assert "Weekly" not in shown.text
    assert app.status(list_id=other) is None


def test_a_preferences_link_of_a_mail_shows_lists_and_pauses_and_no_person(
    app: RunningApp,
) -> None:
    with app.stage.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE subscribers SET name = 'Ada Secret', timezone = 'Asia/Tokyo' WHERE id = 1"
        )
    link = app.preferences()
    page = app.get(link)
    data, delete = app.get(link + "/data"), app.get(link + "/delete")
    gone = app.post(link + "/delete", {"act": "delete", "sure": "yes"})
    address = app.post(link, {"act": "address", "email": "eve@example.org"})
    saved = app.post(link, {"act": "save", "list": str(app.stage.list_id), "name": "Eve"})

    assert [a.status_code for a in (data, delete, gone, address)] == [404, 404, 404, 400]
    assert (page.status_code, saved.status_code) == (200, 303)
    for secret in ("Ada Secret", "Tokyo", "reader1@"):
        assert secret not in page.text
    assert app.rows("SELECT address, name FROM subscribers WHERE id = 1") == [
        ("reader1@example.org", "Ada Secret")
    ]
    assert count_letters(app) == 0


@pytest.mark.parametrize("kind", ["unsubscribe", "preferences"])
def test_a_fresh_link_goes_to_the_address_on_file_and_the_answer_is_always_the_same(
    app: RunningApp, kind: str
) -> None:
    path = app.preferences() if kind == "preferences" else app.one_click() + "/options"

    answers = [app.post(path, {"act": "link"}) for _ in range(3)]
    seen = app.get(answers[0].headers["location"])

    assert len({(a.status_code, a.text, a.headers["location"]) for a in answers}) == 1
    assert answers[0].status_code == 303
    assert 'role="status"' in seen.text
    assert app.rows("SELECT kind, subscriber_id, address FROM letters") == [("manage", 1, None)]
    assert len(app.woken) == 3


def test_a_suppressed_reader_is_answered_the_same_and_gets_no_letter(app: RunningApp) -> None:
    with app.stage.database.write() as connection:
        add_suppression(
            connection,
            KEYS,
            parse_address("reader1@example.org"),
            SuppressionReason.COMPLAINT,
            app.stage.clock.now(),
            actor="test",
        )

    silent, other = (app.post(app.preferences(n), {"act": "link"}) for n in (1, 2))

    seen = [app.get(answer.headers["location"]) for answer in (silent, other)]
    notices = [re.findall(r'<p class="notice[^>]*>[^<]*</p>', page.text) for page in seen]
    assert (silent.status_code, silent.text) == (other.status_code, other.text)
    assert notices[0] == notices[1]
    assert len(notices[0]) == 1
    assert app.rows("SELECT subscriber_id FROM letters") == [(2,)]


def test_asking_for_fresh_links_is_limited_by_network(stage: Stage) -> None:
    with running_app(stage, some_settings(limits={"per_network": 2})) as app:
        answers = [app.post(app.preferences(n), {"act": "link"}) for n in (1, 2, 3)]
        other_ways = app.post(app.one_click(3) + "/options", {"act": "link"})

    assert [answer.status_code for answer in answers] == [303, 303, 429]
    assert other_ways.status_code == 429


def test_fresh_links_are_limited_and_strangers_sign_ups_do_not_use_them_up(
    app: RunningApp,
) -> None:
    for _ in range(3):
        app.post(FORM, {"email": "reader1@example.org"})
        letters_go_out(app)
        app.stage.clock.advance(timedelta(minutes=61))
    for _ in range(6):
        app.post(app.preferences(), {"act": "link"})
        letters_go_out(app)
        app.stage.clock.advance(timedelta(minutes=61))
    of_today = len(app.letters("manage"))
    app.stage.clock.advance(timedelta(days=1))
    app.post(app.preferences(), {"act": "link"})

    assert (of_today, len(app.letters("manage"))) == (3, 4)


def test_a_fresh_link_ends_after_a_day(app: RunningApp) -> None:
    link = app.manage()
    assert app.get(link).status_code == 200
    app.stage.clock.advance(timedelta(hours=24))
    before = app.everything()

    answers = [
        app.get(link),
        app.get(link + "/data"),
        app.post(link, {"act": "save", "name": "Eve"}),
        app.post(link + "/delete", {"act": "delete", "sure": "yes"}),
    ]

    assert [answer.status_code for answer in answers] == [410] * 4
    assert len({answer.text for answer in answers}) == 1
    assert "reader1" not in answers[0].text
    assert app.everything() == before


def test_a_token_of_one_kind_opens_no_other_page(app: RunningApp) -> None:
    paths = {
        "u": app.one_click(),
        "p": app.preferences(),
        "m": app.manage(),
    }
    for own, path in paths.items():
        for page in ("u", "p", "m", "c", "n", "r"):
            if page != own:
                assert app.get(f"/{page}/{path[3:]}").status_code == 404, (own, page)


# --- confirmation links -----------------------------------------------------------------------


def test_a_used_confirmation_link_gives_no_rights_and_tells_nothing(app: RunningApp) -> None:
    app.post(FORM, {"email": "new@example.org"})
    link = app.letter()
    first = app.post(link, {"act": "confirm"})
    assert first.status_code == 200
    used = [app.get(link), app.post(link, {"act": "confirm"})]
    app.stage.clock.advance(timedelta(minutes=5))
    app.post(app.one_click(6), ONE_CLICK)
    left = [app.get(link), app.post(link, {"act": "confirm"})]
    state = app.status(6)
    app.post(app.manage(6) + "/delete", {"act": "delete", "sure": "yes"})
    erased = [app.get(link), app.post(link, {"act": "confirm"})]

    answers = [*used, *left, *erased]
    assert {answer.status_code for answer in answers} == {410}
    assert len({answer.text for answer in answers}) == 1
    assert personal_links(answers[0]) == set()
    assert "example.org" not in answers[0].text.partition("</main>")[0]
    assert state == "unsubscribed"


def test_an_expired_confirmation_link_is_answered_as_a_used_one(app: RunningApp) -> None:
    app.post(FORM, {"email": "new@example.org"})
    link = app.letter()
    app.stage.clock.advance(timedelta(days=8))

    late = [app.get(link), app.post(link, {"act": "confirm"})]

    assert [answer.status_code for answer in late] == [410, 410]
    assert late[0].text == late[1].text
    assert app.status(6) == "pending"


def test_who_left_after_asking_is_not_brought_back_by_the_letter(app: RunningApp) -> None:
    app.post(FORM, {"email": "new@example.org"})
    link = app.letter()
    app.stage.clock.advance(timedelta(minutes=1))
    app.post(app.one_click(6), ONE_CLICK)

    assert app.get(link).status_code == 410
    assert app.post(link, {"act": "confirm"}).status_code == 410
    assert app.status(6) == "unsubscribed"


# --- one-click with odd bodies ----------------------------------------------------------------

ODD_BODIES = [
    pytest.param(b"", None, id="empty-without-a-type"),
    pytest.param(b"", "application/x-www-form-urlencoded", id="empty-form"),
    pytest.param(b"List-Unsubscribe=One-Click", "text/plain", id="plain-text"),
    pytest.param(b"List-Unsubscribe=One-Click", None, id="without-a-type"),
    pytest.param(b'{"List-Unsubscribe": "One-Click"}', "application/json", id="json"),
    pytest.param(b"{", "application/json", id="broken-json"),
    pytest.param(b"list-unsubscribe=one-click", "application/x-www-form-urlencoded", id="case"),
    pytest.param(b"leave=everything", "application/x-www-form-urlencoded", id="unknown-decision"),
    pytest.param(b"leave=list&leave=all", "application/x-www-form-urlencoded", id="two-decisions"),
    pytest.param(b"act=undo", "application/x-www-form-urlencoded", id="another-page"),
    pytest.param(b"\xff\xfe\x00\x01" * 50, "application/octet-stream", id="bytes"),
    pytest.param(b"--x\r\n", "multipart/form-data; boundary=x", id="cut-multipart"),
    pytest.param(b"a=b", "multipart/form-data", id="multipart-without-a-boundary"),
    pytest.param(b"a=b", "application/x-www-form-urlencoded; charset=none-such", id="charset"),
    pytest.param(b"&".join(b"f%d=x" % n for n in range(400)), "text/plain", id="many-words"),
    pytest.param(
        b"&".join(b"f%d=x" % n for n in range(400)),
        "application/x-www-form-urlencoded",
        id="many-fields",
    ),
    pytest.param(b"a=" + b"x" * 10_000, "application/x-www-form-urlencoded", id="a-long-field"),
    pytest.param(
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\nhi\r\n--x--\r\n',
        "multipart/form-data; boundary=x",
        id="a-file",
    ),
    pytest.param(b"x" * 100_000, "text/plain", id="larger-than-a-form"),
    pytest.param(b"a=b", "\xff/;;", id="a-broken-type"),
]


@pytest.mark.parametrize(("body", "kind"), ODD_BODIES)
def test_a_post_to_a_signed_address_leaves_whatever_its_body(
    app: RunningApp, body: bytes, kind: str | None
) -> None:
    headers = {} if kind is None else {b"Content-Type": kind.encode("latin-1")}

    first, second = (
        app.client.post(app.one_click(), content=body, headers=headers) for _ in range(2)
    )

    assert (first.status_code, second.status_code) == (200, 200)
    assert len(first.text) < 100
    assert (app.status(), app.status(2)) == ("unsubscribed", "active")
    acts = app.rows("SELECT act, how FROM consents WHERE subscriber_id = 1 ORDER BY id")
    assert acts[1:] == [("withdrawn", "one-click")]


TYPES = st.one_of(
    st.sampled_from(
        [
            *("application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
            *("text/plain", "multipart/form-data", "application/json; charset=utf-16", ""),
        ]
    ),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30),
)
PIECES = st.sampled_from(
    [b"leave=list", b"leave=all", b"&", b"=", b"List-Unsubscribe=One-Click", b"%zz", b"--x\r\n"]
)
BODIES = st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=5).map(b"".join))


def test_no_body_at_all_keeps_anybody_on_the_list(app: RunningApp) -> None:
    @settings(deadline=None)
    @given(body=BODIES, kind=TYPES)
    def post(body: bytes, kind: str) -> None:
        with app.stage.database.write() as connection:
            connection.exec_driver_sql("UPDATE memberships SET status = 'active'")
        answer = app.client.post(app.one_click(), content=body, headers={"Content-Type": kind})
        assert answer.status_code == 200
        assert (app.status(), app.status(2)) == ("unsubscribed", "active")

    post()


@pytest.mark.parametrize(("body", "kind"), ODD_BODIES)
def test_a_post_to_a_forged_address_is_no_page_whatever_its_body(
    app: RunningApp, body: bytes, kind: str | None
) -> None:
    headers = {} if kind is None else {b"Content-Type": kind.encode("latin-1")}
    before = app.everything()

    answer = app.client.post(app.one_click()[:-1], content=body, headers=headers)

    assert answer.status_code == 404
    assert app.everything() == before


def test_the_buttons_of_our_own_page_keep_their_meaning(app: RunningApp) -> None:
    other = a_second_list(app.stage)
    app.post(app.preferences(), {"act": "save", "list": [str(app.stage.list_id), str(other)]})

    one_click_with_a_field = app.post(app.one_click(), {**ONE_CLICK, "leave": "all"})
    after_one_click = app.status(), app.status(list_id=other)
    everything = app.post(app.one_click(), {"leave": "all"})

    assert one_click_with_a_field.text == "You are unsubscribed.\n"
    assert after_one_click == ("unsubscribed", "active")
    assert "Undo" in everything.text
    assert app.status(list_id=other) == "unsubscribed"


def test_a_signed_link_of_an_older_program_still_works(app: RunningApp) -> None:
    """Tokens in mail that was sent before name no epoch: they are those of the first address."""
    payload_of_two = SIGNER.sign(Purpose.PREFERENCES, 1, app.stage.list_id)

    assert SIGNER.read(Purpose.PREFERENCES, payload_of_two) is not None
    assert app.get(f"/p/{payload_of_two}").status_code == 200
