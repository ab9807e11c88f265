"""A feed as bytes: RSS 2.0, Atom (RFC 4287), JSON Feed 1.1.

The standard library's XML writer serves: the documents are small and flat, it escapes all that
they say, and no library of feeds that is typed writes all three.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from xml.etree import ElementTree as ET

from newsletter.web.archive.feeds import Entry, Feed

_ATOM = "http://www.w3.org/2005/Atom"
_CONTENT = "http://purl.org/rss/1.0/modules/content/"
_DC = "http://purl.org/dc/elements/1.1/"
_XML_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_JSON_FEED = "https://jsonfeed.org/version/1.1"


@dataclass(frozen=True, slots=True)
class Format:
    """One format: its name, its media type, and what writes it."""

    name: str
    media_type: str
    write: Callable[[Feed], bytes]


def rss(feed: Feed) -> bytes:
    """Write a feed as RSS 2.0, with the whole content and its own address (RSS Best Practices)."""
    root = ET.Element("rss", version="2.0")
    root.set("xmlns:atom", _ATOM)
    root.set("xmlns:content", _CONTENT)
    root.set("xmlns:dc", _DC)
    channel = ET.SubElement(root, "channel")
    _add(channel, "title", feed.title)
    _add(channel, "link", feed.home)
    _add(channel, "description", feed.description)
    _add(channel, "language", feed.language)
    _add(channel, "lastBuildDate", _rfc822(feed.updated))
    ET.SubElement(channel, "atom:link", rel="self", href=feed.url, type=RSS_TYPE.partition(";")[0])
    for entry in feed.entries:
        item = ET.SubElement(channel, "item")
        _add(item, "title", entry.title)
        _add(item, "link", entry.url)
        _add(item, "guid", entry.url, isPermaLink="true")
        _add(item, "pubDate", _rfc822(entry.at))
        _add(item, "dc:creator", entry.author)
        # Unlike the other fields of RSS 2.0, an item's description is HTML; ours is plain text.
        _add(item, "description", html.escape(entry.summary or entry.title, quote=False))
        _add(item, "content:encoded", entry.html)
    return _document(root)


def atom(feed: Feed) -> bytes:
    """Write a feed as Atom (RFC 4287 §4)."""
    root = ET.Element("feed", {"xmlns": _ATOM, _XML_LANGUAGE: feed.language})
    _add(root, "id", feed.home)
    _add(root, "title", feed.title)
    _add(root, "subtitle", feed.description)
    _add(root, "updated", _rfc3339(feed.updated))
    ET.SubElement(root, "link", rel="self", type=ATOM_TYPE.partition(";")[0], href=feed.url)
    ET.SubElement(root, "link", rel="alternate", type="text/html", href=feed.home)
    _add(ET.SubElement(root, "author"), "name", feed.author)
    for entry in feed.entries:
        root.append(_atom_entry(entry, feed.language))
    return _document(root)


def _atom_entry(entry: Entry, language: str) -> ET.Element:
    made = ET.Element("entry")
    if entry.language != language:
        made.set(_XML_LANGUAGE, entry.language)
    _add(made, "id", entry.url)
    _add(made, "title", entry.title)
    ET.SubElement(made, "link", rel="alternate", type="text/html", href=entry.url)
    _add(made, "published", _rfc3339(entry.at))
    _add(made, "updated", _rfc3339(entry.at))
    _add(ET.SubElement(made, "author"), "name", entry.author)
    if entry.summary:
        _add(made, "summary", entry.summary)
    _add(made, "content", entry.html, type="html")
    return made


def json_feed(feed: Feed) -> bytes:
    """Write a feed as JSON Feed 1.1 (jsonfeed.org)."""
    document = {
        "version": _JSON_FEED,
        "title": feed.title,
        "home_page_url": feed.home,
        "feed_url": feed.url,
        "description": feed.description,
        "language": feed.language,
        "authors": [{"name": feed.author}],
        "items": [_json_item(entry) for entry in feed.entries],
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def _json_item(entry: Entry) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": entry.url,
        "url": entry.url,
        "title": entry.title,
        "content_html": entry.html,
        "date_published": _rfc3339(entry.at),
        "date_modified": _rfc3339(entry.at),
        "authors": [{"name": entry.author}],
        "language": entry.language,
    }
    if entry.summary:
        item["summary"] = entry.summary
    return item


RSS_TYPE = "application/rss+xml; charset=utf-8"
ATOM_TYPE = "application/atom+xml; charset=utf-8"
JSON_TYPE = "application/feed+json"
FORMATS: Mapping[str, Format] = {
    "feed.xml": Format("RSS", RSS_TYPE, rss),
    "atom.xml": Format("Atom", ATOM_TYPE, atom),
    "feed.json": Format("JSON", JSON_TYPE, json_feed),
}
"""By the name of the file beside a list's issues."""


def _add(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text


def _document(root: ET.Element) -> bytes:
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return body


def _rfc822(at: datetime) -> str:
    return format_datetime(at.astimezone(UTC), usegmt=True)


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
