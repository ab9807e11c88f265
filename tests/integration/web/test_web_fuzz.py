"""Every public page under generated requests: nothing breaks, nothing leaks, nothing leads away.

The described pages are fuzzed with schemathesis over real connections, and the server with raw
bytes. `FUZZ_EXAMPLES=1000` looks longer, and each time elsewhere.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core import NOT_SET
from sqlalchemy import insert
from tests.builders import KEYS, Stage
from tests.fakes.provider import ScriptedProvider
from tests.integration.web.archive_stage import Press
from tests.integration.web.running import (
    SIGNER,
    RunningApp,
    an_office,
    running_app,
    some_settings,
)

from newsletter.clock import SettableClock
from newsletter.delivery.archive_addresses import hidden_path
from newsletter.delivery.invariants import verify_invariants
from newsletter.schedule.editions import get_edition
from newsletter.schedule.model import EditionStatus
from newsletter.schedule.proof_mail import edition_path
from newsletter.schedule.schedules import add_schedule
from newsletter.storage.schedule_tables import editions
from newsletter.web.app import create_app
from newsletter.web.archive.feed_formats import FORMATS
from newsletter.web.office import do_nothing

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(600 if "FUZZ_EXAMPLES" in os.environ else 180),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "10"))
READERS = 30
EVIL = "evil.example"
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
WIRE = settings(FUZZ, max_examples=15 * EXAMPLES)
_NO_LIMITS = {"per_network": 10**6, "overall": 10**6}


@dataclass
class Target:
    """The pages being served, personal links that work by their page's letter, static files."""

    app: RunningApp
    tokens: dict[str, list[str]]
    static: list[str]

    @property
    def every_token(self) -> list[str]:
        return [token for tokens in self.tokens.values() for token in tokens]

    @property
    def port(self) -> int:
        return int(urlsplit(self.app.url).port or 0)

    def description(self) -> Any:
        """Return what the application says of itself, for schemathesis."""
        made = create_app(an_office(self.app.stage, some_settings(), do_nothing))
        config = schemathesis.Config.from_dict({"base-url": self.app.url})
        return schemathesis.openapi.from_dict(made.openapi(), config=config)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    url = "sqlite:///ledger.db"
    if request.param == "postgresql":
        # The database that every server begins with; other tests make databases of their own.
        url = request.getfixturevalue("server")
    clock = SettableClock(datetime(2026, 11, 24, 6, 0, tzinfo=UTC))
    stage = Stage(tmp_path_factory.mktemp("stage"), clock, readers=READERS, url=url)
    stage.sender(ScriptedProvider()).run(stage.freeze())
    Press(stage).send("a-page")
    with running_app(stage, some_settings(limits=_NO_LIMITS)) as app:
        yield Target(app, working_links(app), re.findall(r'"/static/([^"]+)"', app.get("/").text))
    stage.database.close()


def working_links(app: RunningApp) -> dict[str, list[str]]:
    """Return tokens of every purpose, among them some of readers who left or were erased."""
    app.post("/subscribe/daily", {"email": "asks@example.org"})
    manage = [app.manage(n) for n in (2, 4, 5, 6)]
    app.post(manage[0], {"act": "address", "email": "moves@example.org"})
    left = app.post(app.one_click(3), {"leave": "list"})
    app.post(f"{manage[1]}/delete", {"act": "delete", "sure": "yes"})
    moved = app.manage(7)
    app.post(moved, {"act": "address", "email": "moved@example.org"})
    app.post(app.letter("new_address"), {"act": "confirm"})
    back = re.search(r"/r/([\w.-]+)", left.text)
    assert back
    numbers = range(1, READERS + 1)
    return {
        "u": [app.one_click(n)[3:] for n in numbers],
        "p": [app.preferences(n)[3:] for n in numbers],
        "m": [path[3:] for path in (*manage, moved)],
        "c": [app.letter("confirm")[3:]],
        "n": [path[3:] for path in app.letters("new_address")],
        "r": [back[1]],
        "e": [an_edition_that_waits(app.stage)[3:]],
        "issue": [hidden_path(KEYS, app.stage.list_id, "2026-11-24").split("/")[2]],
    }


def an_edition_that_waits(stage: Stage) -> str:
    """Put an edition before the operators; returns the path of its page."""
    now = stage.clock.now()
    soon, times = now + timedelta(hours=1), {"created_at": now, "updated_at": now}
    with stage.database.write() as connection:
        schedule = add_schedule(
            connection,
            now,
            name="morning",
            list_name="daily",
            actor="test",
            time="07:00",
            approval=True,
        )
        connection.execute(
            insert(editions).values(
                schedule_id=schedule.id,
                day="2026-11-24",
                due_at=soon,
                deadline_at=soon + timedelta(hours=3),
                status=EditionStatus.HELD.value,
                digest_slug="2026-11-24",
                content_hash="hash",
                asked_at=now,
                **times,
            )
        )
        return edition_path(SIGNER, get_edition(connection, 1))


TYPES = {
    "/robots.txt": {"text/plain; charset=utf-8"},
    "/sitemap.xml": {"application/xml"},
    "/sitemap": {"application/xml"},
    "/archive": {
        "text/html; charset=utf-8",
        *(format_.media_type for format_ in FORMATS.values()),
    },
    "/healthz": {"text/plain; charset=utf-8"},
    "/readyz": {"application/json"},
    "/static": {"text/css; charset=utf-8", "image/svg+xml"},
    "/u": {"text/html; charset=utf-8", "text/plain; charset=utf-8"},
    "/m": {"text/html; charset=utf-8", "application/json"},
}
HTML = {"text/html; charset=utf-8"}
KEPT = (
    *("/", "/static", "/robots.txt", "/subscribe", "/archive"),
    *("/issue", "/sitemap.xml", "/sitemap"),
)
"""Pages that are nobody's own, and may be kept."""


def hold_to_account(path: str, status: int, headers: Any, body: str) -> None:
    """Check what must be true of any answer of ours (E5, E6)."""
    page = "/" + path.partition("?")[0].strip("/").partition("/")[0]
    assert status < 500, (path, status)
    if status in (200, 400, 404, 405, 409, 410, 413, 429):
        allowed = TYPES.get(page, HTML) | HTML if status != 200 else TYPES.get(page, HTML)
        assert headers["content-type"] in allowed
    assert "set-cookie" not in headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["strict-transport-security"].startswith("max-age=")
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-" not in policy
    if page not in KEPT or status >= 400:
        assert headers["cache-control"] == "no-store"
        assert headers["x-robots-tag"] == "noindex"
    if page == "/issue":
        assert headers["x-robots-tag"] == "noindex"
    location = headers.get("location", "/")
    assert re.match(r"/(?![/\\])", location), location
    assert EVIL not in body.lower()
    assert EVIL not in str(headers).lower()


def well(target: Target) -> bool:
    """Return whether the server lives and its database holds what must hold."""
    assert target.app.get("/healthz").status_code == 200
    stage = target.app.stage
    verdicts = verify_invariants(stage.database, KEYS, stage.clock.now())
    assert [(v.name, v.note) for v in verdicts if not v.ok] == []
    return True


WORDS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["", "\0", "\r\nX: y", "%", "%zz", "..", "//", "\ud7ff", "a" * 3000, "İ", "²"]),
)
DISTURBING = st.dictionaries(
    st.sampled_from(
        [
            *("Accept-Language", "X-Forwarded-For", "X-Forwarded-Host", "Forwarded"),
            *("If-None-Match", "If-Modified-Since"),
        ]
    ),
    st.sampled_from(
        [
            "de, en;q=0.5",
            "*;q=9",
            "en" * 300,
            EVIL,
            "::1%lo",
            "1.2.3.4, 5.6.7.8",
            "for=_x",
            ";=,",
            "",
        ]
    ),
    max_size=2,
)
ADDRESSES = st.sampled_from(
    [
        *("reader1@example.org", "READER4@EXAMPLE.ORG", "new@example.org", "jörg@bücher.example"),
        *(
            "x@y",
            "a b@example.org",
            '"q"@example.org',
            "a@[127.0.0.1]",
            "a@example.org\r\nBcc: b@c",
        ),
        "é" * 64 + "@" + "ü" * 60 + ".example",
    ]
)


@st.composite
def disturbances(draw: st.DrawFn, target: Target, page: str) -> dict[str, Any]:
    """Draw what replaces parts of a generated case: links that work, odd queries, addresses."""
    right = target.tokens.get(page, target.every_token)
    token = draw(st.one_of(st.sampled_from(right), st.sampled_from(target.every_token)))
    cut = draw(st.integers(0, len(token)))
    forged = [token[:cut], token[:-1] + "A", token.replace(".", ""), token + ".", token.upper()]
    return {
        "token": draw(st.one_of(*[st.just(token)] * 3, st.sampled_from(forged), st.none())),
        "list_name": draw(st.sampled_from(["daily", "daily", "Daily", "daily\0", None])),
        "slug": draw(st.sampled_from(["2026-11-24", "a-page", "2026-11-24\n", "..", None])),
        "part": draw(st.sampled_from(["1.xml", "0.xml", "99999.xml", None])),
        "name": draw(st.sampled_from([*target.static, None])),
        "query": draw(
            st.dictionaries(st.sampled_from(["done", "page", "month", "q", "x"]), WORDS, max_size=2)
        ),
        "headers": draw(DISTURBING),
        "email": draw(st.one_of(st.none(), ADDRESSES)),
    }


def plain(answer: Any) -> dict[str, str]:
    """Return header fields by their lowered names, one value each."""
    return {
        name.lower(): value if isinstance(value, str) else ", ".join(value)
        for name, value in answer.headers.items()
    }


def disturb(case: Any, found: dict[str, Any]) -> None:
    for name in case.path_parameters or {}:
        if found[name] is not None:
            case.path_parameters[name] = quote(found[name], safe="")
    case.query = dict(found["query"])
    case.headers = {**(case.headers or {}), **found["headers"]}
    if isinstance(case.body, dict) and "email" in case.body and found["email"] is not None:
        case.body["email"] = found["email"]


Visit = Callable[[Any], None]


def fuzz(target: Target, mode: GenerationMode, methods: tuple[str, ...], visit: Visit) -> None:
    """Visit every described page of some methods with generated cases."""
    for found in target.description().get_all_operations():
        operation = found.ok()
        described = bool(operation.body) or mode is GenerationMode.POSITIVE
        if operation.method not in methods or not described:
            continue
        page = operation.path.strip("/").partition("/")[0]

        @FUZZ
        @given(
            case=operation.as_strategy(generation_mode=mode),
            found=disturbances(target, page),
        )
        def run(case: Any, found: dict[str, Any]) -> None:
            disturb(case, found)
            note(f"{case.method} {case.formatted_path} {case.query} {case.headers} {case.body!r}")
            visit(case)

        run()


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_whatever_is_posted_is_answered_well(
    target: Target, mode: GenerationMode, caplog: pytest.LogCaptureFixture
) -> None:
    seen: Counter[tuple[str, int]] = Counter()
    encodings: set[str] = set()
    session = requests.Session()

    def visit(case: Any) -> None:
        answer = case.call(session=session, allow_redirects=False)
        seen[case.operation.path, answer.status_code] += 1
        if case.body is not NOT_SET:
            encodings.add(case.media_type)
        case.validate_response(answer, checks=[schemathesis.checks.not_a_server_error])
        declared = case.operation.definition.raw["responses"]
        assert str(answer.status_code) in declared, answer.status_code
        hold_to_account(case.formatted_path, answer.status_code, plain(answer), answer.text)

    fuzz(target, mode, ("post",), visit)

    assert encodings >= {"application/x-www-form-urlencoded", "multipart/form-data"}
    if mode is GenerationMode.POSITIVE:
        for path in ("/u/{token}", "/c/{token}", "/r/{token}", "/n/{token}"):
            assert seen[path, 200] + seen[path, 410], f"{path} was never done: {seen}"
        assert seen["/p/{token}", 303], seen
    assert well(target)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []


def test_looking_at_any_page_changes_nothing_and_head_says_what_get_says(target: Target) -> None:
    before = target.app.everything()
    statuses: Counter[int] = Counter()
    session = requests.Session()

    def visit(case: Any) -> None:
        answer = case.call(session=session, allow_redirects=False)
        head = session.head(answer.request.url, headers=case.headers, timeout=20)
        statuses[answer.status_code] += 1
        hold_to_account(case.formatted_path, answer.status_code, plain(answer), answer.text)
        hold_to_account(case.formatted_path, head.status_code, plain(head), head.text)
        assert (head.status_code, head.content) == (answer.status_code, b"")
        assert plain(head)["content-type"] == plain(answer)["content-type"]

    fuzz(target, GenerationMode.POSITIVE, ("get",), visit)

    assert statuses.keys() >= {200, 404, 410}
    assert target.app.everything() == before
    assert well(target)


def test_other_methods_are_refused_and_change_nothing(target: Target) -> None:
    before = target.app.everything()
    form = {"List-Unsubscribe": "One-Click", "act": "delete", "sure": "yes", "leave": "all"}
    refused = []
    for found in target.description().get_all_operations():
        operation = found.ok()
        token = target.tokens.get(operation.path.split("/")[1], [""])[0]
        path = operation.path.format(
            token=token, list_name="daily", slug="2026-11-24", name="x", part="1.xml"
        )
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "LIST"):
            answer = target.app.client.request(method, path, data=form)
            assert answer.status_code == 405, (method, path)
            assert operation.method.upper() in answer.headers["allow"]
            hold_to_account(path, answer.status_code, answer.headers, answer.text)
            refused.append(answer)

    assert len(refused) > 100
    assert target.app.everything() == before


PARTS = (
    b"/ /u/ /p/ /c/ /subscribe/daily /archive/daily /issue/ /static/ /feed.xml ?month= {t} %00 % "
    b"%2 %zz %ff%fe %2e%2e .. "
    b"//evil.example/ \\ ? %0d%0aX:y # * http://evil.example/ @ :99999 \xff page=1e9 page=0 & = "
    b"done=saved delete data sent healthz"
)
FIELDS = (
    b"Host: evil.example|Host:|Host: a, b|Host: [::1|Host: \xe9|host: x\x00|Forwarded: host=e|"
    b"X-Forwarded-Host: evil.example|X-Forwarded-Proto: evil.example|"
    b"X-Forwarded-For: 1.2.3.4, ::1%lo, x|Content-Type: application/x-www-form-urlencoded|"
    b"Content-Type: multipart/form-data|Content-Type: multipart/form-data; boundary=b|"
    b"Content-Type: multipart/form-data; boundary=|Content-Type: a/b; charset=\xff|"
    b"Content-Type: multipart/form-data; boundary=b; charset=none|Content-Length: 5|"
    b"Content-Length: -1|Content-Length: 1e3|Content-Length: \xb2|Content-Length: 99999999999|"
    b"Transfer-Encoding: chunked|Transfer-Encoding: gzip, chunked|Transfer-Encoding: identity|"
    b"Expect: 100-continue|Expect: what|Connection: close|Connection: Upgrade|Upgrade: h2c|"
    b"Upgrade: websocket|Accept-Language: \xff;q=1|no colon|: empty| folded|A: b\rC: d|Range: x=0-"
)
BODIES = (
    b"|List-Unsubscribe=One-Click|act=delete&sure=yes|leave=all|%ff=%00&&=;&act|"
    b"act=save&name=%00&timezone=../../etc/passwd&language=%ff&list=99999999999|"
    b"act=pause&until=9999-12-31|act=pause&until=-1|"
    b"email=a%40example.org%0d%0aBcc:x&name=%ed%a0%80|"
    b"--b\r\nContent-Disposition: form-data; name=List-Unsubscribe\r\n\r\nOne-Click\r\n--b--\r\n|"
    b"--b\r\nContent-Disposition: form-data; name=f; filename=x\r\n\r\n\x00\xff\r\n--b--\r\n|"
    b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--|--b\r\n\xff\r\n\r\n|--b|--b--|"
    b"5\r\nact=d\r\n0\r\n\r\n|5\r\nact|zz\r\n|ffffffffff\r\nx|0\r\nX: y\r\n\r\n"
)
LONG_FIELDS = [b"X-Forwarded-For: " + b"9" * 4000, b"Cookie: a=b; " + b"c" * 20_000]
LONG_BODIES = [b"a" * 70_000, b"email=" + b"a" * 9000 + b"%40b.example", b"list=1&" * 400]
METHODS = [
    *[b"GET", b"POST"] * 4,
    b"HEAD",
    b"OPTIONS",
    b"CONNECT",
    b"get",
    b"",
    b"P\0",
    b"G" * 3000,
]
VERSIONS = [b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b""]


@st.composite
def broken_requests(draw: st.DrawFn, tokens: list[str]) -> bytes:
    """Draw a request: half of them are HTTP with something odd in it, of the others all may be."""
    sound = draw(st.booleans())
    token = draw(st.sampled_from(tokens)).encode()
    page = draw(st.sampled_from([b"/u/{t}", b"/p/{t}", b"/c/{t}", b"/subscribe/daily", b"/{t}"]))
    parts = st.lists(st.sampled_from([*PARTS.split(b" "), b"a" * 3000]), max_size=6).map(b"".join)
    target = draw(st.one_of(st.just(page), st.just(page), parts, st.binary(max_size=40)))
    some_fields = st.sampled_from([*FIELDS.split(b"|"), *LONG_FIELDS])
    fields = draw(st.lists(some_fields, max_size=1 if sound else 5))
    some_bodies = st.sampled_from([*BODIES.split(b"|"), *LONG_BODIES])
    body = draw(st.one_of(some_bodies, some_bodies, st.binary(max_size=300)))
    if sound:
        fields += [b"Host: news.example.org", b"Content-Length: %d" % len(body)]
    method = draw(st.sampled_from(METHODS[:10] if sound else METHODS))
    version = b"HTTP/1.1" if sound else draw(st.sampled_from(VERSIONS))
    end = b"\r\n" if sound else draw(st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\r"]))
    first = b" ".join([method, target.replace(b"{t}", token), version])
    return end.join([first, *fields, b"", b""]) + body


def talk(port: int, data: bytes) -> bytes:
    """Send bytes and return what comes back before the server closes or waits for more."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        with suppress(ConnectionError):
            line.sendall(data)
        line.settimeout(0.2)
        with suppress(TimeoutError, ConnectionError):
            while not _complete(answer, data) and (piece := line.recv(65_536)):
                answer += piece
    return answer


def _complete(answer: bytes, request: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: (\d+)", head)
    return bool(end) and (request[:5] == b"HEAD " or bool(length and len(body) >= int(length[1])))


def test_broken_requests_break_nothing_else(
    target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    statuses: Counter[int] = Counter()

    @WIRE
    @given(request=broken_requests(target.every_token))
    def run(request: bytes) -> None:
        answer = talk(target.port, request)
        note(f"{request[:500]!r} -> {answer[:200]!r}")
        if answer.startswith(b"HTTP/1.1 100 "):
            answer = answer.partition(b"\r\n\r\n")[2]
        if not answer:
            return
        head, _, body = answer.decode("utf-8", "replace").partition("\r\n\r\n")
        line, *fields = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (f.partition(": ") for f in fields)}
        status = int(line.split(" ")[1])
        statuses[status] += 1
        if status == 400 and "content-length" not in headers:
            # What is no HTTP at all the server answers itself, in a line of plain text.
            assert headers["content-type"] == "text/plain; charset=utf-8"
            return
        page = request.split(b" ", 2)[1].decode("latin-1")
        hold_to_account(page, status, headers, body)

    run()

    assert statuses.keys() >= {200, 400, 404}, statuses
    assert well(target)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []
