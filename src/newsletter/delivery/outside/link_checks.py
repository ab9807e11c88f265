"""Checks that the links of a digest lead somewhere, by asking for each: `check --links` (E7).

Asks only when called; how one link is fetched safely is in `link_fetching`.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable
from urllib.parse import urlsplit

from newsletter.delivery.outside.kinds import LINK_KINDS
from newsletter.delivery.outside.link_fetching import Answer, Fetcher, FetchFailed, Trouble
from newsletter.delivery.outside.link_places import LinkPlace, link_places
from newsletter.digest.codes import make_finding
from newsletter.digest.findings import excerpt
from newsletter.digest.model import Digest, Finding

_GUARDED = frozenset({401, 403, 407, 429, 451, 999})
_FOR_GOOD = frozenset({301, 308})
_WORKERS = 6


def check_links(
    digest: Digest,
    *,
    seconds: float = 10,
    whole: float = 60,
    most: int = 100,
    fetcher: Fetcher | None = None,
) -> tuple[Finding, ...]:
    """Fetch each link and image of a digest once and return what is wrong with them, by line.

    `seconds` bound one link, `whole` all of them; of more than `most` the rest is only counted.
    `fetcher` is the one to use instead of one that asks public addresses alone.
    """
    places = link_places(digest)
    findings: list[Finding] = []
    if len(places) > most:
        findings.append(
            _finding(
                "links-not-fetched",
                f"{len(places) - most} of {len(places)} links were not fetched",
                "raise check.links_at_most",
                None,
            )
        )
    for place, judged in _Round(fetcher or Fetcher(seconds), places[:most], whole).run():
        findings += judged if judged is not None else [_not_reached(place, "there was no time")]
    return tuple(sorted(findings, key=lambda f: (f.line or 0, f.code)))


class _Round:
    """Fetches all links with a few threads, the links of one host one after the other.

    Threads, which a host name that hangs in the system's resolver may outlive, end with the
    process: nothing waits for them longer than `whole`.
    """

    def __init__(self, fetcher: Fetcher, places: Iterable[LinkPlace], whole: float) -> None:
        self._fetcher = fetcher
        self._places = tuple(places)
        self._end = time.monotonic() + whole
        self._judged: dict[LinkPlace, list[Finding]] = {}
        self._waiting: deque[list[LinkPlace]] = deque()

    def run(self) -> list[tuple[LinkPlace, list[Finding] | None]]:
        hosts: defaultdict[str, list[LinkPlace]] = defaultdict(list)
        for place in self._places:
            hosts[_host(place.url)].append(place)
        self._waiting.extend(hosts.values())
        threads = [
            threading.Thread(target=self._work, name=f"links-{n}", daemon=True)
            for n in range(min(_WORKERS, len(hosts)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, self._end - time.monotonic()))
        return [(place, self._judged.get(place)) for place in self._places]

    def _work(self) -> None:
        while True:
            try:
                places = self._waiting.popleft()
            except IndexError:
                return
            for place in places:
                if time.monotonic() >= self._end:
                    return
                self._judged[place] = _judge(self._fetcher, place)


def _judge(fetcher: Fetcher, place: LinkPlace) -> list[Finding]:
    try:
        answer = fetcher.fetch(place.url)
    except FetchFailed as failed:
        return [_failed(place, failed)]
    return _look_at_status(place, answer) or _look_at_scheme(fetcher, place, answer)


def _look_at_status(place: LinkPlace, answer: Answer) -> list[Finding]:
    link, status = _brief(place.url), answer.status
    if status in (404, 410):
        return [
            _finding(
                "dead-link",
                f"{link} leads to nothing ({status})",
                "correct the address or take the link out",
                place,
            )
        ]
    if status >= 500 and status not in _GUARDED:
        return [_not_reached(place, f"its site answers {status}")]
    if status >= 400:
        return [
            _finding(
                "link-guarded",
                f"the site of {link} does not show it to programs ({status})",
                "open it in a browser; nothing else need be done",
                place,
            )
        ]
    if place.image and status < 300 and answer.content_type.startswith("text/"):
        return [
            _finding(
                "image-not-an-image",
                f"the image {link} is {_brief(answer.content_type, 40)}",
                "use the address of the picture itself, not that of its page",
                place,
            )
        ]
    return _look_at_hops(place, answer)


def _look_at_hops(place: LinkPlace, answer: Answer) -> list[Finding]:
    """Tell what leads elsewhere: for good, to another site, or to a site's front page."""
    if not answer.hops or _same_but_https(place.url, answer.url):
        return []
    lasting = place.url
    for hop in answer.hops:
        if hop.status not in _FOR_GOOD:
            break
        lasting = hop.to
    link, to = _brief(place.url), _brief(answer.url, 120)
    if _is_front(answer.url) and not _is_front(place.url):
        return [
            _finding(
                "moved-link",
                f"{link} ends at the front page {to}",
                "look for the page's new address",
                place,
            )
        ]
    if lasting != place.url and not _same_but_https(place.url, lasting):
        return [
            _finding(
                "moved-link",
                f"{link} has moved for good",
                f"write {_shown(lasting)}",
                place,
            )
        ]
    if _site(place.url) != _site(answer.url):
        return [
            _finding(
                "moved-link",
                f"{link} leads to another site: {to}",
                "link to it directly, if that is where readers shall go",
                place,
            )
        ]
    return []


def _look_at_scheme(fetcher: Fetcher, place: LinkPlace, answer: Answer) -> list[Finding]:
    """Tell of `http://` where the same page is there by https."""
    if not place.url.lower().startswith("http://") or answer.status >= 400:
        return []
    secure = f"https{place.url[4:]}"
    if not any(_same_but_https(place.url, hop.to) for hop in answer.hops):
        try:
            if fetcher.fetch(secure).status >= 400:
                return []
        except FetchFailed:
            return []
    return [
        _finding(
            "insecure-link",
            f"{_brief(place.url)} is there by https too",
            f"write {_shown(secure)}",
            place,
        )
    ]


def _failed(place: LinkPlace, failed: FetchFailed) -> Finding:
    link = _brief(place.url)
    through = "" if failed.url == place.url else f" redirects to {_brief(failed.url, 120)}:"
    match failed.trouble:
        case Trouble.PRIVATE:
            return _finding(
                "private-link",
                f"{link}{through or ':'} {_brief(failed.detail, 200)}",
                "link to a public address, or take the link out",
                place,
            )
        case Trouble.NO_HOST | Trouble.MALFORMED | Trouble.LOOP:
            return _finding(
                "dead-link",
                f"{link}{through or ':'} {_brief(failed.detail, 200)}",
                "correct the address or take the link out",
                place,
            )
        case Trouble.TLS:
            return _finding(
                "link-tls",
                f"{link}{through or ':'} {_brief(failed.detail, 200)}",
                "open it in a browser; link to another page when it warns",
                place,
            )
        case Trouble.SILENT:
            return _not_reached(place, _brief(failed.detail, 200))


def _not_reached(place: LinkPlace, detail: str) -> Finding:
    return _finding(
        "link-not-reached",
        f"{_brief(place.url)} was not reached: {detail}",
        "check again later, or open it in a browser",
        place,
    )


def _finding(code: str, problem: str, fix: str, place: LinkPlace | None) -> Finding:
    line = place.line if place is not None else None
    return make_finding(LINK_KINDS, code, problem, fix, line=line)


def _shown(url: str) -> str:
    """Return an address whole, for it is to be copied, but nothing that a terminal obeys."""
    return "".join(c for c in url if c.isprintable() and not c.isspace())[:500]


def _brief(text: str, most: int = 60) -> str:
    """Return words of others in one line, cut, without what a terminal obeys."""
    return excerpt("".join(c if c.isprintable() else " " for c in text), most)


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _site(url: str) -> str:
    return _host(url).removeprefix("www.")


def _is_front(url: str) -> bool:
    parts = urlsplit(url)
    return parts.path in ("", "/") and not parts.query


def _same_but_https(old: str, new: str) -> bool:
    """Return whether two addresses differ in http and https alone, or in www. and a last slash."""
    one, two = urlsplit(old), urlsplit(new)
    return (
        _site(old) == _site(new)
        and one.path.rstrip("/") == two.path.rstrip("/")
        and one.query == two.query
    )
