"""Makes a refusal's text fit to be searched for words: names of people, pages and hosts go out."""

from __future__ import annotations

import re

LONGEST_TEXT = 2000
"""Characters of a text that are looked at: the search stays short whatever comes in."""

_ADDRESS = "…@…"
_LISTED = "… blocklist"
"""What stands for the page or the zone of a list of refused addresses."""

_ADDRESSES = re.compile(r"[^\s<>@:;,()\[\]]{1,255}@[^\s<>@:;,()\[\]\"']{1,255}")
_LINKS = re.compile(r"https?://\S{1,2000}", re.IGNORECASE)
# A word with a capital behind a full stop begins a sentence: names are of one case.
_HOSTS = re.compile(
    r"(?<![\w.-])(?:[a-z0-9_-]{1,63}\.){1,10}[a-z]{2,24}(?![\w-])"
    r"|(?<![\w.-])(?:[A-Z0-9_-]{1,63}\.){1,10}[A-Z]{2,24}(?![\w-])"
)
_LIST = r"(?:dns|uri|sur|[rsxpd])?bl\d?"
_ASKS_FOR_AN_ADDRESS = re.compile(r"[?&;/](?:ip|addr|address)(?:[=/:&]|$)|\d{1,3}(?:\.\d{1,3}){3}")
_LIST_PAGE = re.compile(
    rf"(?<![a-z0-9])(?:{_LIST}|(?:block|black|deny) ?-?(?:ed|list(?:ed|s)?)?|query|look-?up|listed"
    r"|reputation|delist(?:ing)?|removal|unblock)(?![a-z0-9])"
)
_ZONE_LABEL = re.compile(rf"{_LIST}|(?:block|black)list")


def plain(text: str) -> str:
    """Return the beginning of a text in lower case, with one space between words."""
    return " ".join(text[:LONGEST_TEXT].split()).lower()


def without_names(text: str) -> str:
    """Return the same without addresses, links and names of hosts, which may hold any word.

    `…` stands for each, `…@…` for an address. The page or the zone of a list of refused addresses
    tells that one is on it, and stays as that word.
    """
    text = " ".join(text[:LONGEST_TEXT].split())
    if "://" in text:
        text = _LINKS.sub(_link, text)
    if "@" in text:
        text = _ADDRESSES.sub(_ADDRESS, text)
    if "." in text:
        text = _HOSTS.sub(_host, text)
    return text.lower()


def _link(found: re.Match[str]) -> str:
    link = found[0].lower()
    return _LISTED if _ASKS_FOR_AN_ADDRESS.search(link) and _LIST_PAGE.search(link) else "…"


def _host(found: re.Match[str]) -> str:
    labels = found[0].lower().split(".")
    zone = len(labels) > 2 and any(_ZONE_LABEL.fullmatch(label) for label in labels)
    return _LISTED if zone else "…"
