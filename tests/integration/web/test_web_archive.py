"""Past issues: of public lists, only what began to be sent, and nothing personal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser
from tests.builders import KEYS, Stage
from tests.integration.web.archive_stage import BASE_URL, Press, a_digest
from tests.integration.web.running import RunningApp, running_app, some_settings

from newsletter.audience.keys import Keys
from newsletter.audience.lists import create_list
from newsletter.clock import SettableClock
from newsletter.delivery import ledger
from newsletter.delivery.archive_addresses import hidden_path
from newsletter.web.archive import groups

FEEDS = ("feed.xml", "atom.xml", "feed.json")


@pytest.fixture
def press(app: RunningApp) -> Press:
    return Press(app.stage)


def text(page: str) -> str:
    """Return what a page says, on one line."""
    body = LexborHTMLParser(page).body
    assert body is not None
    return " ".join(body.text(separator=" ").split())


# ---------------------------------------------------------------- the page of an issue


def test_an_issue_is_a_page_of_headings_citations_and_sources(
    app: RunningApp, press: Press
) -> None:
    press.send()

    answer = app.get("/archive/daily/2026-11-24")
    page = LexborHTMLParser(answer.text)

    def every(selector: str) -> list[str]:
        return [" ".join(node.text().split()) for node in page.css(selector)]

    assert answer.status_code == 200
    assert every("article h1") == ["Night ferries"]
    assert every("article section h2")[0].endswith("On the water")
    assert every("article section section h3")[0].endswith("Four councils agree")
    assert every("article time") == ["Tuesday, 24 November 2026"]
    assert every(".digest-why") == ["Why it matters Fewer empty boats."]
    assert every(".digest-citation a") == ["1", "2", "1"]
    assert [a.attributes["href"] for a in page.css(".digest-citation a")] == [
        "#source-1",
        "#source-2",
        "#source-1",
    ]
    assert [a.attributes["href"] for a in page.css("#source-1 .digest-back a")] == [
        "#cited-1-1",
        "#cited-1-2",
    ]
    source = page.css_first("#source-1 a")
    assert source is not None
    assert source.attributes["href"] == "https://ferries.example.org/statement"
    for link in page.css('a[href^="#"]'):
        place = str(link.attributes["href"])
        assert len(page.css(f'[id="{place[1:]}"]')) == 1, place
    identifiers = [node.attributes["id"] for node in page.css("[id]")]
    assert len(identifiers) == len(set(identifiers))


def test_a_page_says_nothing_about_anybody_and_loads_nothing_from_others(
    app: RunningApp, press: Press
) -> None:
    picture = "![The tower](https://pictures.example.net/t.png)\n\n"
    own = f"![Our boat]({BASE_URL}/static/boat.png)\n\n"
    press.send(markdown=a_digest() + "\n## Pictures\n\n" + picture + own)

    page = app.get("/archive/daily/2026-11-24").text

    assert "Good morning, reader." in text(page)
    for trace in ("slot", "{{", "/u/", "/p/", "reader1", "unsubscribe", "style=", "<script"):
        assert trace not in page, trace
    assert re.findall(r'src="([^"]+)"', page) == [f"{BASE_URL}/static/boat.png"]
    assert 'href="https://pictures.example.net/t.png"' in page


def test_a_page_tells_search_engines_and_previews_what_it_is(app: RunningApp, press: Press) -> None:
    press.send()

    head = LexborHTMLParser(app.get("/archive/daily/2026-11-24").text)

    def content(name: str) -> str | None:
        node = head.css_first(f'meta[property="{name}"], meta[name="{name}"]')
        return node.attributes["content"] if node else None

    url = f"{BASE_URL}/archive/daily/2026-11-24"
    assert [a.attributes["href"] for a in head.css("link[rel=canonical]")] == [url]
    assert (content("og:url"), content("og:title")) == (url, "Night ferries")
    assert content("og:type") == "article"
    assert content("description") == content("og:description")
    assert str(content("description")).startswith("Good morning, reader. A short look")
    assert content("twitter:card") == "summary"
    assert content("article:published_time") == "2026-11-24T06:00:00+00:00"
    assert [a.attributes["href"] for a in head.css("link[rel=alternate]")] == [
        f"{BASE_URL}/archive/daily/{file}" for file in ("feed.xml", "atom.xml", "feed.json")
    ]


def test_a_page_leads_to_its_neighbours_and_to_the_form(app: RunningApp, press: Press) -> None:
    for day in range(1, 4):
        app.stage.clock.advance(timedelta(days=1))
        press.send(f"2026-11-{24 + day}", title=f"Issue {day}", markdown=a_digest(f"Issue {day}"))

    page = app.get("/archive/daily/2026-11-26").text

    assert re.findall(r'<a class="(?:older|newer)" rel="(\w+)" href="([^"]+)"', page) == [
        ("prev", "/archive/daily/2026-11-25"),
        ("next", "/archive/daily/2026-11-27"),
    ]
    assert 'action="/subscribe/daily"' in page
    assert "I would like to get “Daily”" in page


def test_what_a_digest_says_is_text_and_nothing_else(app: RunningApp, press: Press) -> None:
    evil = "<script>x</script> & \"q\" <b onmouseover='x'>"
    press.send(title=evil, markdown=a_digest(f"{evil} {{{{7*7}}}}", story=evil))

    for path in ("/archive", "/archive/daily", "/archive/daily/2026-11-24", "/archive/daily?q=q"):
        page = app.get(path).text
        assert "<script" not in page
        assert "<b onmouseover" not in page
    assert app.get("/archive/daily", params={"q": "<script>"}).text.count("<script") == 0


def test_a_digest_of_another_language_is_marked_as_such(app: RunningApp, press: Press) -> None:
    press.send(markdown="---\nlanguage: ar\n---\n" + a_digest("عبارات"))

    page = app.get("/archive/daily/2026-11-24").text

    assert '<html lang="en" dir="ltr">' in page
    assert '<article class="digest" lang="ar" dir="rtl">' in page


def test_a_mail_without_readable_markdown_is_shown_as_its_text(
    app: RunningApp, press: Press
) -> None:
    press.send(markdown="# A digest")

    page = app.get("/archive/daily/2026-11-24").text

    assert "Dear reader, ≥ 𝕏" in page
    assert f'href="{BASE_URL}/subscribe/daily"' in page
    assert "slotfeed" not in page


@pytest.mark.parametrize("slug", ["feed.xml", "atom.xml", "feed.json", "issue", "Ünïcode_1.2"])
def test_every_name_of_a_digest_has_an_address_of_its_own(
    app: RunningApp, press: Press, slug: str
) -> None:
    campaign = press.send(slug)

    page = app.get(press.told(campaign))

    assert (page.status_code, "<h1>Night ferries</h1>" in page.text) == (200, True)
    assert press.told(campaign) in app.get("/archive/daily").text
    feed = app.get("/archive/daily/feed.xml")
    assert feed.headers["content-type"].startswith("application/rss+xml")


# ---------------------------------------------------------------- which campaigns are shown


def test_a_campaign_that_is_being_sent_is_shown_at_once_and_a_scheduled_one_is_not(
    app: RunningApp, press: Press
) -> None:
    press.freeze("2026-11-24")
    later = app.stage.clock.now() + timedelta(hours=2)
    waiting = press.freeze("2026-11-25", a_digest("Later"), not_before=later)
    press.change(waiting, "pause")

    assert app.get("/archive/daily/2026-11-24").status_code == 200
    assert app.get("/archive/daily/2026-11-25").status_code == 404
    assert "2026-11-25" not in app.get("/archive/daily").text
    assert "2026-11-25" not in app.get("/archive/daily/feed.xml").text


def test_a_paused_campaign_stays_and_a_cancelled_one_is_left_to_those_who_have_it(
    app: RunningApp, press: Press
) -> None:
    campaign = press.freeze()
    worker = ledger.Worker("a-worker", "boot", timedelta(minutes=10))
    assert app.stage.claim(campaign, worker, limit=2)
    press.change(campaign, "pause")
    paused = (app.get("/archive/daily").text, app.get("/archive/daily/2026-11-24").status_code)
    press.change(campaign, "cancel")
    unsent = press.freeze("2026-11-25", a_digest("Never"))
    press.change(unsent, "cancel")

    assert "Night ferries" in paused[0]
    assert paused[1] == 200
    assert "Night ferries" not in app.get("/archive/daily").text
    left = app.get("/archive/daily/2026-11-24")
    assert (left.status_code, left.headers["x-robots-tag"]) == (200, "noindex")
    assert app.get("/archive/daily/2026-11-25").status_code == 404


def test_the_newest_revision_stands_at_the_address_and_is_listed_once(
    app: RunningApp, press: Press
) -> None:
    press.send(markdown=a_digest(story="First"))
    app.stage.clock.advance(timedelta(hours=1))
    press.send(markdown=a_digest(story="Corrected"), again=True)
    app.stage.clock.advance(timedelta(hours=1))
    broken = press.freeze(markdown=a_digest(story="Called off"), again=True)
    app.stage.claim(broken, ledger.Worker("w", "boot", timedelta(minutes=10)), limit=1)
    press.change(broken, "cancel")

    assert "Corrected" in app.get("/archive/daily/2026-11-24").text
    assert app.get("/archive/daily").text.count("/archive/daily/2026-11-24") == 1
    assert "1 issue<" in app.get("/archive").text


def test_an_unlisted_campaign_is_found_by_its_address_alone(app: RunningApp, press: Press) -> None:
    campaign = press.send("secret", listed=False)
    press.send("open", a_digest("Open"))

    told = press.told(campaign)
    page = app.get(told)

    assert re.fullmatch(r"/issue/1-[\w-]{27}/secret", told)
    assert "<h1>Night ferries</h1>" in page.text
    assert page.headers["x-robots-tag"] == "noindex"
    assert 'rel="canonical"' not in page.text
    assert app.get("/archive/daily/secret").status_code == 404
    for path in (
        *("/archive", "/archive/daily", "/archive/daily?month=2026-11", "/sitemap.xml"),
        *(f"/archive/daily/{file}" for file in ("feed.xml", "atom.xml", "feed.json")),
        *("/archive/daily?q=pier", "/archive/daily/open"),
    ):
        assert "secret" not in app.get(path).text, path
    forged = [told[:-1] + "s", told.replace("/1-", "/2-"), told[:20] + "A" + told[21:]]
    assert [app.get(path).status_code for path in forged] == [404, 404, 404]


def test_taking_a_campaign_out_keeps_the_address_in_its_mails(
    app: RunningApp, press: Press
) -> None:
    campaign = press.send()
    press.list_it(campaign, listed=False)
    out = app.get("/archive/daily").text
    page = app.get("/archive/daily/2026-11-24")
    press.list_it(campaign, listed=True)

    assert "Night ferries" not in out
    assert (page.status_code, page.headers["x-robots-tag"]) == (200, "noindex")
    assert "Night ferries" in app.get("/archive/daily").text
    assert app.get("/archive/daily/2026-11-24").headers["x-robots-tag"] == "all"
    acts = app.rows("SELECT action FROM audit_log WHERE action LIKE 'campaign.%list'")
    assert acts == [("campaign.unlist",), ("campaign.relist",)]


def test_a_list_that_is_not_public_has_no_archive_but_what_its_mails_name(
    app: RunningApp, press: Press
) -> None:
    before = press.send()
    press.change_list(public=False)
    after = press.send("2026-11-25", a_digest("Inside"))

    assert app.get("/archive/daily").status_code == 404
    assert app.get("/archive/daily/feed.xml").status_code == 404
    assert app.get("/archive/daily/2026-11-25").status_code == 404
    assert "daily" not in app.get("/archive").text
    assert "daily" not in app.get("/sitemap.xml").text
    for campaign in (before, after):
        page = app.get(press.told(campaign))
        assert (page.status_code, page.headers["x-robots-tag"]) == (200, "noindex")
        assert "/subscribe/daily" not in page.text


def test_hidden_addresses_outlive_a_new_signing_key(app: RunningApp, press: Press) -> None:
    campaign = press.send(listed=False)
    newer = Keys((*KEYS.signing, "cd" * 32), KEYS.suppression)
    other = Keys(("cd" * 32,), KEYS.suppression)

    with running_app(app.stage, keys=newer) as rotated:
        old, new = press.told(campaign), hidden_path(newer, app.stage.list_id, "2026-11-24")
        assert old != new
        assert [rotated.get(path).status_code for path in (old, new)] == [200, 200]
    with running_app(app.stage, keys=other) as stranger:
        assert stranger.get(old).status_code == 404


# ---------------------------------------------------------------- lists, months, search


@pytest.fixture(params=["sqlite", "postgresql"])
def library(
    request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock
) -> Iterator[RunningApp]:
    """A list with an issue each day from the end of August on, on both databases."""
    url = "sqlite:///ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("server_url")
    clock.advance(datetime(2026, 8, 30, 23, tzinfo=UTC) - clock.now())
    stage = Stage(tmp_path, clock, readers=1, url=url)
    press = Press(stage)
    # In Paris it is the day after already.
    press.change_list(timezone="Europe/Paris")
    for number in range(63):
        title = f"Issue {number}" + (" of 100 % café_Straße" if number in (3, 4) else "")
        press.freeze(f"n{number}", a_digest(title, story=f"Story {number}"), title=title)
        clock.advance(timedelta(days=1))
    with running_app(stage) as app:
        yield app
    stage.database.close()


def test_a_list_is_read_by_pages_by_months_and_by_words(library: RunningApp) -> None:
    def slugs(path: str, **params: str) -> list[str]:
        answer = library.get(path, params=params)
        assert answer.status_code == 200, params
        return re.findall(r'href="/archive/daily/(n\d+)"', answer.text)

    first, second = slugs("/archive/daily"), slugs("/archive/daily", page="2")
    assert [*first, *second] == [f"n{n}" for n in reversed(range(63))]
    assert (len(first), slugs("/archive/daily", page="3")) == (50, [])
    assert slugs("/archive/daily", month="2026-08") == ["n0"]
    assert len(slugs("/archive/daily", month="2026-09")) == 30
    months = re.findall(r"\?month=([\d-]+)\".*?>(\d+)</span>", library.get("/archive/daily").text)
    assert months == [("2026-08", "1"), ("2026-09", "30"), ("2026-10", "31"), ("2026-11", "1")]

    assert slugs("/archive/daily", q="story 17") == ["n17"]
    assert slugs("/archive/daily", q="STRASSE 100") == ["n4", "n3"]
    assert slugs("/archive/daily", q="é") == ["n4", "n3"]
    assert len(slugs("/archive/daily", q="nobody minds")) == 20
    assert slugs("/archive/daily", q="nobody minds", page="4") == ["n2", "n1", "n0"]
    # What LIKE and patterns would take for anything stands for itself.
    for nothing in ("1%0", "caf__", ".*", "\\", "' OR 1=1 --", "statement.example", "ferries.ex"):
        assert slugs("/archive/daily", q=nothing) == [], nothing
    assert len(slugs("/archive/daily", q="\0\x1b")) == 50


def test_what_was_found_is_marked_among_its_words(app: RunningApp, press: Press) -> None:
    press.send()

    page = app.get("/archive/daily?q=BOATS+ferries+boats").text

    assert "<mark>ferries</mark>" in page
    assert "The <mark>boats</mark> run as one service" in page
    assert "1 issue with “BOATS ferries boats”" in text(page)
    assert 'rel="canonical"' not in page
    assert app.get("/archive/daily?q=boats").headers["x-robots-tag"] == "noindex"
    nothing = app.get("/archive/daily", params={"q": "zeppelin <b>"}).text
    assert "No issue holds “zeppelin &lt;b&gt;”" in nothing


def test_pages_of_a_list_that_are_no_pages(app: RunningApp, press: Press) -> None:
    press.send()

    for page in ("0", "-1", "x", "99999999999", "1e3", "²"):
        assert app.get("/archive/daily", params={"page": page}).status_code == 404
    for month in ("2026-13", "2026-1", "2025-11", "x", "\0"):
        assert app.get("/archive/daily", params={"month": month}).status_code == 404
    for slug in ("%00", "%2E%2E", "a" * 300, "none", "%0A", "%ED%A0%80"):
        assert app.get(f"/archive/daily/{slug}").status_code in (400, 404)
    assert app.get("/archive/daily?page=2").status_code == 200


def test_empty_archives_say_so(app: RunningApp) -> None:
    assert "Nothing has been sent yet" in app.get("/archive").text
    page = app.get("/archive/daily").text
    assert "Nothing has been sent yet" in page
    assert 'type="search"' not in page


# ---------------------------------------------------------------- what is kept


def test_a_page_that_is_known_is_not_sent_again_until_it_changes(
    app: RunningApp, press: Press
) -> None:
    press.send()
    for path in ("/archive", "/archive/daily", "/archive/daily/2026-11-24"):
        first = app.get(path)
        tag = first.headers["etag"]
        assert first.headers["cache-control"] == "public, max-age=300"
        for known in (tag, f'"x", W/{tag}', "*"):
            again = app.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
            assert again.headers["vary"] == "Accept-Language"
        assert app.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
        assert app.client.head(path, headers={"If-None-Match": tag}).status_code == 304

    page = app.get("/archive/daily/2026-11-24")
    since = {"If-Modified-Since": page.headers["last-modified"]}
    assert app.get("/archive/daily/2026-11-24", headers=since).status_code == 304
    for odd in ("yesterday", "", "Tue, 99 Nov 2026 06:00:00 GMT", "Mon, 23 Nov 2026 06:00:00 GMT"):
        asked = app.get("/archive/daily/2026-11-24", headers={"If-Modified-Since": odd})
        assert asked.status_code == 200

    app.stage.clock.advance(timedelta(days=1))
    press.send("2026-11-25", a_digest("Next"))
    changed = app.get("/archive/daily/2026-11-24", headers={"If-None-Match": page.headers["etag"]})
    assert (changed.status_code, "Next" in changed.text) == (200, True)
    assert app.get("/archive/daily/2026-11-24", headers=since).status_code == 200


def test_links_come_from_the_public_address_alone(stage: Stage) -> None:
    url = "https://example.org/letters"
    settings = some_settings()
    newsletter = settings.newsletter.model_copy(update={"base_url": url})
    settings = settings.model_copy(update={"newsletter": newsletter})
    press = Press(stage, url)
    campaign = press.send()
    with stage.database.write() as connection:
        create_list(
            connection,
            stage.clock.now(),
            name="empty",
            title="Empty",
            base_url="https://example.org",
            actor="test",
        )

    with running_app(stage, settings) as app:
        pages = [
            app.get(path, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
            for path in (
                *("/letters/archive/daily", "/archive/daily/2026-11-24", "/sitemap.xml"),
                *("/robots.txt", "/archive/daily/feed.xml", "/archive/daily/feed.json"),
                press.told(campaign),
            )
        ]

    assert [page.status_code for page in pages] == [200] * len(pages)
    assert all("evil.example" not in page.text for page in pages)
    assert 'href="/letters/archive/daily/2026-11-24"' in pages[0].text
    assert 'href="https://example.org/letters/archive/daily/2026-11-24"' in pages[1].text
    assert "<loc>https://example.org/letters/archive/empty</loc>" in pages[2].text
    assert "Sitemap: https://example.org/letters/sitemap.xml" in pages[3].text
    assert "Disallow: /letters/u/" in pages[3].text


@pytest.mark.parametrize("step", ["parse", "write_page"])
def test_a_fault_in_one_issue_costs_that_one_its_page_and_nobody_else_anything(
    app: RunningApp, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    press = Press(app.stage)
    for slug in ("first", "broken", "last"):
        press.send(slug, a_digest(title=f"The {slug} one"), title=f"The {slug} one")
    real = getattr(groups, step)

    def faulty(what: object, *words: object, **named: object) -> object:
        if "broken" in repr(what) or named.get("slug") == "broken":
            raise RuntimeError("a fault of the program")
        return real(what, *words, **named)

    monkeypatch.setattr(groups, step, faulty)
    pages = {slug: app.get(f"/archive/daily/{slug}") for slug in ("first", "broken", "last")}

    assert {slug: page.status_code for slug, page in pages.items()} == dict.fromkeys(pages, 200)
    assert all("The boats run as one service" in pages[slug].text for slug in ("first", "last"))
    assert "Dear reader" in pages["broken"].text  # the text of its mail
    assert app.get("/archive/daily").text.count("The broken one") == 1
    for file in ("feed.xml", "atom.xml", "feed.json"):
        feed = app.get(f"/archive/daily/{file}").text
        assert [feed.count(f"The {slug} one") > 0 for slug in pages] == [True] * 3


def test_a_comment_of_the_editor_is_neither_found_nor_shown(app: RunningApp) -> None:
    secret = a_digest().replace("## On the water", "<!-- ask Zebedee\n\nfirst -->\n\n## On")
    Press(app.stage).send("commented", secret)

    assert "Zebedee" not in app.get("/archive/daily/commented").text
    assert "Zebedee" not in app.get("/archive/daily?q=ferries").text
    assert "commented" not in app.get("/archive/daily?q=zebedee").text
    assert all("Zebedee" not in app.get(f"/archive/daily/{file}").text for file in FEEDS)


def test_a_list_whose_zone_is_gone_is_shown_in_that_of_the_newsletter(app: RunningApp) -> None:
    Press(app.stage).send("kept")
    with app.stage.database.write() as connection:
        connection.exec_driver_sql("UPDATE lists SET timezone = 'Mars/Olympus'")

    assert app.get("/archive/daily").status_code == 200
    assert app.get("/archive/daily/kept").status_code == 200
