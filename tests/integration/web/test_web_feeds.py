"""Feeds and the sitemap, as feed readers, validators and search engines judge them."""

from __future__ import annotations

import asyncio
import html
import json
import re
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import feedparser
import httpx
import jsonschema
import pytest
from fastapi import FastAPI
from selectolax.lexbor import LexborHTMLParser
from tests.builders import Stage
from tests.integration.web.archive_stage import BASE_URL, Press, a_digest
from tests.integration.web.running import RunningApp, an_office, some_settings

from newsletter.audience.lists import create_list
from newsletter.web.archive import sitemap_pages
from newsletter.web.archive.groups import Archive
from newsletter.web.catalogue import Catalogue
from newsletter.web.office import do_nothing
from newsletter.web.pages import Pages
from newsletter.web.site import Site
from newsletter.web.throttle import Throttle
from newsletter.web.transactions import Transactions

FEEDS = ("feed.xml", "atom.xml", "feed.json")
ODD = 'Ünïcode & <b>"quotes"</b> 𝕏 \u200f'
SPACES = {
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "map": "http://www.sitemaps.org/schemas/sitemap/0.9",
}

# What jsonfeed.org/version/1.1 asks of a feed, of what we say in ours.
_URL = {"type": "string", "pattern": "^https://"}
_AUTHORS = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string", "minLength": 1}},
        "required": ["name"],
    },
}
JSON_FEED: dict[str, Any] = {
    "type": "object",
    "required": ["version", "title", "items"],
    "properties": {
        "version": {"const": "https://jsonfeed.org/version/1.1"},
        "title": {"type": "string", "minLength": 1},
        "home_page_url": _URL,
        "feed_url": _URL,
        "description": {"type": "string"},
        "language": {"type": "string", "pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]+)*$"},
        "authors": _AUTHORS,
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "url", "content_html", "date_published"],
                "properties": {
                    "id": {"type": "string", "minLength": 1},
                    "url": _URL,
                    "title": {"type": "string", "minLength": 1},
                    "content_html": {"type": "string", "minLength": 1},
                    "summary": {"type": "string", "minLength": 1},
                    "date_published": {"type": "string", "format": "date-time"},
                    "date_modified": {"type": "string", "format": "date-time"},
                    "authors": _AUTHORS,
                    "language": {"type": "string"},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}


@pytest.fixture
def press(app: RunningApp) -> Press:
    """Issues of three days: one plain, one with odd words, one whose Markdown says nothing."""
    made = Press(app.stage)
    made.send("plain")
    app.stage.clock.advance(timedelta(days=1))
    made.send("odd", a_digest(ODD, story=ODD), title=ODD)
    app.stage.clock.advance(timedelta(days=1))
    made.send("bare", "# Bare", title="Bare")
    return made


def feed(app: RunningApp, file: str) -> httpx.Response:
    answer = app.get(f"/archive/daily/{file}")
    assert answer.status_code == 200
    return answer


@pytest.mark.parametrize(("file", "version"), [("feed.xml", "rss20"), ("atom.xml", "atom10")])
def test_a_feed_reader_reads_every_field(
    app: RunningApp, press: Press, file: str, version: str
) -> None:
    answer = feed(app, file)

    read = feedparser.parse(answer.content, response_headers=dict(answer.headers))

    assert (read.bozo, read.version, read.encoding) == (False, version, "utf-8")
    assert (read.feed.title, read.feed.link) == ("Daily", f"{BASE_URL}/archive/daily")
    assert read.feed.language == "en"
    selves = [link.href for link in read.feed.links if link.rel == "self"]
    assert selves == [f"{BASE_URL}/archive/daily/{file}"]
    assert [entry.title for entry in read.entries][::2] == ["Bare", "Night ferries"]
    assert "Ünïcode &" in read.entries[1].title
    for entry, slug in zip(read.entries, ("bare", "odd", "plain"), strict=True):
        assert entry.id == entry.link == f"{BASE_URL}/archive/daily/{slug}"
        assert entry.author
        assert entry.content[0].type == "text/html"
    assert read.entries[2].published_parsed[:5] == (2026, 11, 24, 6, 0)
    assert read.entries[2].summary.startswith("Good morning, reader.")
    assert "Fewer empty boats." in read.entries[2].content[0].value
    assert "Dear reader" in read.entries[0].content[0].value


def test_rss_keeps_what_the_validator_of_the_w3c_asks(app: RunningApp, press: Press) -> None:
    answer = feed(app, "feed.xml")
    channel = ET.fromstring(answer.content).find("channel")
    assert channel is not None

    def texts(path: str) -> list[str]:
        return [str(node.text) for node in channel.findall(path, SPACES)]

    assert answer.headers["content-type"] == "application/rss+xml; charset=utf-8"
    assert answer.content.startswith(b"<?xml version='1.0' encoding='utf-8'?>")
    for required in ("title", "link", "description"):
        assert len(texts(required)) == 1
        assert texts(required)[0].strip()
    for date in [*texts("lastBuildDate"), *texts("item/pubDate")]:
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", date)
        assert parsedate_to_datetime(date)
    own = channel.find("atom:link", SPACES)
    assert own is not None
    assert own.attrib == {
        "rel": "self",
        "href": f"{BASE_URL}/archive/daily/feed.xml",
        "type": "application/rss+xml",
    }
    guids = channel.findall("item/guid")
    assert {guid.attrib["isPermaLink"] for guid in guids} == {"true"}
    assert len({guid.text for guid in guids}) == len(guids) == 3
    # <author> of RSS is an email address, which nobody's name is.
    assert channel.findall("item/author") == []
    for item in channel.findall("item"):
        tags = [child.tag for child in item]
        assert len(tags) == len(set(tags))


def test_atom_keeps_what_the_standard_asks(app: RunningApp, press: Press) -> None:
    answer = feed(app, "atom.xml")
    root = ET.fromstring(answer.content)

    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    assert root.tag == "{http://www.w3.org/2005/Atom}feed"
    assert root.attrib["{http://www.w3.org/XML/1998/namespace}lang"] == "en"
    for parent in (root, *root.findall("atom:entry", SPACES)):
        for required in ("id", "title", "updated"):
            found = parent.findall(f"atom:{required}", SPACES)
            assert len(found) == 1
            assert str(found[0].text).strip()
        assert parent.findtext("atom:author/atom:name", namespaces=SPACES)
        links = parent.findall("atom:link", SPACES)
        kinds = [(link.attrib["rel"], link.attrib.get("type")) for link in links]
        assert len(kinds) == len(set(kinds))
    dates = root.findall(".//atom:updated", SPACES) + root.findall(".//atom:published", SPACES)
    for date in dates:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(date.text))
    newest = root.findtext("atom:entry/atom:updated", namespaces=SPACES)
    assert root.findtext("atom:updated", namespaces=SPACES) == newest


def test_json_feed_fits_its_schema(app: RunningApp, press: Press) -> None:
    answer = feed(app, "feed.json")
    document = json.loads(answer.content)

    jsonschema.validate(document, JSON_FEED, format_checker=jsonschema.FormatChecker())

    assert answer.headers["content-type"] == "application/feed+json"
    assert document["feed_url"] == f"{BASE_URL}/archive/daily/feed.json"
    assert [item["id"] for item in document["items"]] == [
        f"{BASE_URL}/archive/daily/{slug}" for slug in ("bare", "odd", "plain")
    ]
    assert "Ünïcode & <b>" in document["items"][1]["title"]


@pytest.mark.parametrize("file", FEEDS)
def test_what_feeds_hold_is_the_same_for_everybody_and_leads_somewhere(
    app: RunningApp, press: Press, file: str
) -> None:
    answer = feed(app, file)
    body = answer.content.decode("utf-8")

    for trace in ("slot", "{{", "/u/", "/p/", "reader1", "evil", "\x00", "<script"):
        assert trace not in body
    if file == "feed.json":
        contents = [item["content_html"] for item in json.loads(body)["items"]]
    else:
        entries = feedparser.parse(answer.content, sanitize_html=False).entries
        contents = [entry.content[0].value for entry in entries]
    for content in contents:
        html = LexborHTMLParser(content)
        for node in html.css("[href], [src]"):
            link = node.attributes.get("href") or node.attributes.get("src") or ""
            assert urlsplit(link).scheme in ("https", "mailto"), link
        assert html.css("script, style, [style], [id], iframe, form") == []
    assert f'href="{BASE_URL}/archive/daily/plain#source-2"' in contents[2]
    assert "<b>" not in contents[1]


@pytest.mark.parametrize("file", FEEDS)
def test_a_feed_that_is_known_is_not_sent_again(app: RunningApp, press: Press, file: str) -> None:
    first = feed(app, file)
    path = f"/archive/daily/{file}"

    by_tag = app.get(path, headers={"If-None-Match": first.headers["etag"]})
    by_date = app.get(path, headers={"If-Modified-Since": first.headers["last-modified"]})
    app.stage.clock.advance(timedelta(days=1))
    press.send("next", a_digest("Next"), title="Next")
    changed = app.get(path, headers={"If-None-Match": first.headers["etag"]})

    assert (by_tag.status_code, by_date.status_code, by_tag.content) == (304, 304, b"")
    assert first.headers["cache-control"] == "public, max-age=300"
    assert (changed.status_code, "Next" in changed.text) == (200, True)
    assert app.client.head(path).headers["etag"] == changed.headers["etag"]


def test_a_feed_holds_the_newest_thirty(app: RunningApp) -> None:
    press = Press(app.stage)
    for number in range(33):
        press.freeze(f"n{number}", a_digest(f"Issue {number}"), title=f"Issue {number}")
        app.stage.clock.advance(timedelta(days=1))

    read = feedparser.parse(feed(app, "feed.xml").content)

    assert [entry.title for entry in read.entries] == [f"Issue {n}" for n in range(32, 2, -1)]


def test_an_empty_feed_is_a_feed(app: RunningApp) -> None:
    for file in FEEDS[:2]:
        read = feedparser.parse(feed(app, file).content)
        assert (read.bozo, read.entries, read.feed.title) == (False, [], "Daily")
    jsonschema.validate(feed(app, "feed.json").json(), JSON_FEED)
    assert app.get("/archive/unknown/feed.xml").status_code == 404
    assert app.get("/archive/daily/feed.rss").status_code == 404


# ---------------------------------------------------------------- the sitemap


def locations(answer: httpx.Response) -> list[str]:
    root = ET.fromstring(answer.content)
    return [str(node.text) for node in root.findall(".//map:loc", SPACES)]


def test_the_sitemap_names_what_is_public(app: RunningApp, press: Press) -> None:
    press.send("secret", a_digest("Secret"), listed=False)
    answer = app.get("/sitemap.xml")
    root = ET.fromstring(answer.content)

    assert answer.headers["content-type"] == "application/xml"
    assert root.tag == f"{{{SPACES['map']}}}urlset"
    assert locations(answer) == [
        f"{BASE_URL}{path}"
        for path in (
            *("/", "/archive", "/archive/daily"),
            *(f"/archive/daily/{slug}" for slug in ("bare", "odd", "plain")),
        )
    ]
    for page in root:
        assert [child.tag.partition("}")[2] for child in page] in (["loc"], ["loc", "lastmod"])
    changed = [node.text for node in root.findall(".//map:lastmod", SPACES)]
    assert changed[0] == changed[1] == "2026-11-26T06:00:00Z"
    for path in locations(answer):
        assert app.get(path.removeprefix(BASE_URL)).headers["x-robots-tag"] == "all"
    again = app.get("/sitemap.xml", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert app.get("/sitemap/1.xml").status_code == 404


def test_a_large_sitemap_comes_in_parts(stage: Stage) -> None:
    press = Press(stage)
    with stage.database.write() as connection:
        create_list(
            connection, stage.clock.now(), name="b", title="B", base_url=BASE_URL, actor="test"
        )
    for number in range(3):
        press.freeze(f"n{number}", a_digest(f"Issue {number}"))
    office = an_office(stage, some_settings(), do_nothing)
    site = Site(
        office,
        Pages(office.settings),
        Transactions(office.database),
        Throttle(office.settings.web.limits, office.clock),
    )
    app = FastAPI()
    app.include_router(sitemap_pages.router(site, Archive(office, Catalogue()), most=4))

    async def look() -> tuple[httpx.Response, list[httpx.Response], list[httpx.Response]]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
            index = await client.get("/sitemap.xml")
            parts = [await client.get(url) for url in locations(index)]
            others = [await client.get(f"/sitemap/{part}") for part in ("0.xml", "3.xml", "x.xml")]
        return index, parts, others

    index, parts, others = asyncio.run(look())
    site.transactions.close()

    assert b"<sitemapindex" in index.content
    assert locations(index) == [f"{BASE_URL}/sitemap/{n}.xml" for n in (1, 2)]
    assert [len(locations(part)) for part in parts] == [4, 3]
    assert len({url for part in parts for url in locations(part)}) == 7
    assert [answer.status_code for answer in others] == [404, 404, 404]


def test_robots_are_told_of_the_sitemap_and_kept_from_personal_pages(app: RunningApp) -> None:
    told = app.get("/robots.txt").text.splitlines()

    assert f"Sitemap: {BASE_URL}/sitemap.xml" in told
    assert {f"Disallow: /{page}/" for page in "upcnre"} <= set(told)
    assert not any(line.startswith("Disallow: /archive") for line in told)


def test_marks_in_a_preview_line_stay_text_in_every_feed(app: RunningApp) -> None:
    preview = "Why <b>bold</b> & <script>alert(1)</script> stay &lt;text&gt;"
    Press(app.stage).send("marked", f"---\npreheader: '{preview}'\n---\n" + a_digest())

    rss, atom = (
        feedparser.parse(feed(app, file).content, sanitize_html=False)
        for file in ("feed.xml", "atom.xml")
    )
    plain = json.loads(feed(app, "feed.json").content)

    assert html.unescape(rss.entries[0].summary) == preview
    assert "<" not in rss.entries[0].summary
    assert atom.entries[0].summary_detail.type == "text/plain"
    assert atom.entries[0].summary == preview
    assert plain["items"][0]["summary"] == preview
