"""The event webhook as SendGrid, and who would like to be it, meet it on the wire (E1, E2)."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.builders import Stage
from tests.command import Desk, a_desk
from tests.fakes.sendgrid_webhook import KINDS, Event, Signer, an_event, body_of
from tests.integration.web.running import BASE_URL, RunningApp, running_app

from newsletter.clock import SettableClock
from newsletter.errors import ConfigurationError
from newsletter.feedback.sendgrid_signature import SIGNATURE_HEADER, TIMESTAMP_HEADER
from newsletter.settings import Settings
from newsletter.storage import database as storage
from newsletter.web import guard
from newsletter.web.webhooks import LARGEST_POST, PATH

SIGNER = Signer()


def keyed(key: str | None = SIGNER.shown, base_url: str = BASE_URL) -> Settings:
    """Return settings with a verification key."""
    parts: dict[str, Any] = {
        "newsletter": {"base_url": base_url},
        "delivery": {"sendgrid": {"webhook_public_key": key}},
    }
    return Settings.model_validate(parts)


class Hook:
    """The webhook of a running application, with its clock and what woke the applier."""

    def __init__(self, app: RunningApp, woken: list[None]) -> None:
        self.app = app
        self.woken = woken

    @property
    def now(self) -> datetime:
        return self.app.stage.clock.now()

    def send(self, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
        """Post a body, signed now unless header fields are given."""
        fields = SIGNER.headers(body, self.now) if headers is None else headers
        return self.app.client.post(PATH, content=body, headers=fields)

    def tell(self, *events: Event) -> httpx.Response:
        """Post events, signed now."""
        return self.send(body_of(events))

    def stored(self) -> list[tuple[Any, ...]]:
        """Return the stored events: id, kind, delivery, class, reason, whether applied."""
        return self.app.rows(
            "SELECT provider_event_id, kind, delivery, bounce, reason, applied_at FROM events"
            " ORDER BY id"
        )


@pytest.fixture
def hook(stage: Stage) -> Iterator[Hook]:
    woken: list[None] = []
    with running_app(stage, keyed(), wake_feedback=lambda: woken.append(None)) as app:
        yield Hook(app, woken)


def test_all_kinds_of_events_are_stored_and_the_applier_is_woken(hook: Hook) -> None:
    events = [an_event(kind, at=hook.now) for kind in KINDS]

    answer = hook.tell(*events)

    assert (answer.status_code, answer.content) == (204, b"")
    assert len(hook.woken) == 1
    stored = hook.stored()
    assert [row[0] for row in stored] == [f"sg:{event['sg_event_id']}" for event in events]
    assert {row[2] for row in stored} == {"7-1"}
    assert {row[5] for row in stored} == {None}
    assert hook.app.rows("SELECT DISTINCT provider, believed, domain, address FROM events") == [
        ("sendgrid", 1, "example.org", "reader1@example.org")
    ]


def test_nothing_follows_before_the_events_are_applied(hook: Hook) -> None:
    before = hook.app.everything()

    hook.tell(an_event("hard"), an_event("spamreport"), an_event("unsubscribe"))

    assert hook.app.everything() == before


def test_events_and_fields_we_do_not_know_are_kept(hook: Hook) -> None:
    event = an_event("account_status_change", at=hook.now, type="suspend", novelty={"deep": [1]})

    assert hook.tell(event).status_code == 204

    ((kind, detail),) = hook.app.rows("SELECT kind, detail FROM events")
    assert kind == "other"
    assert json.loads(detail) == event


def test_the_answer_is_as_guarded_as_a_page(hook: Hook) -> None:
    for answer in (hook.tell(an_event()), hook.send(b"x", {}), hook.send(b"x")):
        assert "set-cookie" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-robots-tag"] == "noindex"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


BODY = body_of([an_event("hard")])
Forgery = Callable[[datetime], tuple[bytes, dict[str, str]]]
FORGERIES: dict[str, Forgery] = {
    "no signature": lambda now: (BODY, {TIMESTAMP_HEADER: str(int(now.timestamp()))}),
    "no timestamp": lambda now: (
        BODY,
        {SIGNATURE_HEADER: SIGNER.headers(BODY, now)[SIGNATURE_HEADER]},
    ),
    "nothing": lambda _now: (BODY, {}),
    "another key": lambda now: (BODY, Signer().headers(BODY, now)),
    "of another body": lambda now: (BODY, SIGNER.headers(body_of([an_event()]), now)),
    "body written anew": lambda now: (
        json.dumps(json.loads(BODY)).encode(),
        SIGNER.headers(BODY, now),
    ),
    "body with one byte more": lambda now: (BODY + b"\n", SIGNER.headers(BODY, now)),
    "stale": lambda now: (BODY, SIGNER.headers(BODY, now - timedelta(hours=26, seconds=2))),
    "from the future": lambda now: (BODY, SIGNER.headers(BODY, now + timedelta(minutes=6))),
    "another timestamp": lambda now: (
        BODY,
        SIGNER.headers(BODY, now) | {TIMESTAMP_HEADER: str(int(now.timestamp()) - 1)},
    ),
    "signature of nothing": lambda now: (BODY, SIGNER.headers(b"", now)),
    "signature that is none": lambda now: (
        BODY,
        SIGNER.headers(BODY, now) | {SIGNATURE_HEADER: "AAAA"},
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_post_is_refused_and_changes_nothing(hook: Hook, forgery: str) -> None:
    before = hook.app.everything()
    body, headers = FORGERIES[forgery](hook.now)

    with capture_logs() as logs:
        answer = hook.send(body, headers)

    assert answer.status_code == 403
    assert answer.text == hook.send(BODY, {}).text
    assert hook.stored() == []
    assert hook.woken == []
    assert hook.app.everything() == before
    (line,) = logs
    assert line["event"] == "webhook_refused"
    assert line["reason"]
    assert "reader" not in str(line)


def test_tries_of_a_whole_day_are_taken(hook: Hook) -> None:
    for age in (timedelta(hours=25), timedelta(minutes=-4)):
        body = body_of([an_event(number=int(age.total_seconds()) & 0xFFFF)])
        assert hook.send(body, SIGNER.headers(body, hook.now - age)).status_code == 204

    assert len(hook.stored()) == 2


def test_an_event_is_stored_once_however_often_it_is_told(hook: Hook) -> None:
    one, two, three = (an_event("hard", number=n) for n in (1, 2, 3))
    first = body_of([one, two, one])

    headers = SIGNER.headers(first, hook.now)
    for _ in range(3):
        assert hook.send(first, headers).status_code == 204
    assert hook.tell(two, {**one, "email": "somebody@else.example"}, three).status_code == 204

    assert [row[0] for row in hook.stored()] == [
        f"sg:{e['sg_event_id']}" for e in (one, two, three)
    ]
    addresses = hook.app.rows("SELECT DISTINCT address FROM events")
    assert addresses == [("reader1@example.org",)]


def test_either_key_is_taken_while_one_is_renewed(stage: Stage) -> None:
    new = Signer()
    with running_app(stage, keyed(f"{SIGNER.shown} {new.shown}")) as app:
        hook = Hook(app, [])
        for number, signer in enumerate((SIGNER, new)):
            body = body_of([an_event(number=number)])
            assert hook.send(body, signer.headers(body, hook.now)).status_code == 204

    assert len(hook.stored()) == 2


def test_a_proxy_may_pass_on_the_path_of_the_public_address(stage: Stage) -> None:
    with running_app(stage, keyed(base_url="https://example.org/letters")) as app:
        body = body_of([an_event("click", number=n) for n in range(500)])
        headers = SIGNER.headers(body, stage.clock.now())
        assert app.client.post("/letters" + PATH, content=body, headers=headers).status_code == 204

    assert len(app.rows("SELECT 1 FROM events")) == 500


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"[1]", b'[{"a":NaN}]', b"\xff", b"[" * 90_000, b"a=b"]
)
def test_a_signed_body_that_is_no_list_of_events_is_a_bad_request(hook: Hook, body: bytes) -> None:
    with capture_logs() as logs:
        answer = hook.send(body)

    assert answer.status_code == 400
    assert hook.stored() == []
    assert logs[0]["event"] == "webhook_refused"


def of_size(size: int) -> bytes:
    """Return a body of so many bytes with one event."""
    event = an_event("open", useragent="")
    room = size - len(body_of([event]))
    return body_of([event | {"useragent": "u" * room}])


def test_five_megabytes_are_taken_and_not_a_byte_more(hook: Hook) -> None:
    largest, larger = of_size(LARGEST_POST), of_size(LARGEST_POST + 1)
    assert (len(largest), len(larger)) == (LARGEST_POST, LARGEST_POST + 1)

    assert hook.send(larger).status_code == 413
    assert hook.stored() == []
    assert hook.send(largest).status_code == 204
    ((_, kind, *_),) = hook.stored()
    assert kind == "opened"


def test_a_large_body_without_a_length_is_counted(hook: Hook) -> None:
    body = of_size(LARGEST_POST + 1)
    pieces = (body[at : at + 50_000] for at in range(0, len(body), 50_000))
    headers = SIGNER.headers(body, hook.now)

    assert hook.app.client.post(PATH, content=pieces, headers=headers).status_code == 413
    assert hook.stored() == []


def test_a_body_that_claims_to_be_huge_is_not_waited_for(hook: Hook) -> None:
    address = urlsplit(hook.app.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=5) as line:
        line.sendall(
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {10**10}\r\n\r\n".encode()
        )
        assert line.recv(100).startswith(b"HTTP/1.1 413")


def test_other_paths_take_no_more_than_before(hook: Hook) -> None:
    for path in ("/subscribe/daily", PATH + "/", "/webhooks", hook.app.preferences()):
        assert hook.app.client.post(path, content=b"a" * 70_000).status_code == 413


def test_many_large_bodies_at_once_are_put_off(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "LARGE_AT_ONCE", 300_000)
    with running_app(stage, keyed()) as app:
        hook = Hook(app, [])
        refused = hook.send(of_size(400_000))
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        # The room is given back each time.
        assert {hook.send(of_size(200_000)).status_code for _ in range(5)} == {204}


def test_without_a_key_there_is_no_such_page(stage: Stage) -> None:
    with running_app(stage, keyed(None)) as app:
        hook = Hook(app, [])
        unknown = app.post("/webhooks/other")
        for answer in (hook.send(BODY), app.get(PATH)):
            assert answer.status_code == 404
            assert answer.text == unknown.text
        assert hook.send(b"x" * 70_000).status_code == 413

    assert hook.stored() == []


def test_only_a_post_is_taken(hook: Hook) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS"):
        answer = hook.app.client.request(method, PATH)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "POST"


def test_a_key_that_is_none_is_told_before_anything_is_served(stage: Stage) -> None:
    with (
        pytest.raises(ConfigurationError, match=r"delivery\.sendgrid\.webhook_public_key"),
        running_app(stage, keyed("MFkwEwYHKoZIzj0CAQ")),
    ):
        pass


def test_a_busy_database_asks_for_another_try_which_then_succeeds(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "BUSY_TIMEOUT_MS", 100)
    short = storage.open_database("sqlite:///ledger.db", root=stage.folder)
    woken: list[None] = []
    body = body_of([an_event()])
    other = sqlite3.connect(stage.folder / "ledger.db", isolation_level=None)
    with running_app(
        stage, keyed(), database=short, wake_feedback=lambda: woken.append(None)
    ) as app:
        hook = Hook(app, woken)
        other.execute("BEGIN IMMEDIATE")
        refused = hook.send(body)
        assert (refused.status_code, woken) == (503, [])
        assert int(refused.headers["retry-after"]) > 0
        other.execute("ROLLBACK")
        assert hook.send(body).status_code == 204
    other.close()
    short.close()

    assert len(hook.stored()) == 1


def posts_at_once(hook: Hook) -> list[int]:
    """Post from many connections, each event several times, in changing order."""
    events = [an_event("click", at=hook.now, number=n) for n in range(200)]
    bodies = [body_of((events[n:] + events[:n])[:: 1 if n % 2 else -1]) for n in range(0, 200, 10)]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(hook.send, bodies))
    return [answer.status_code for answer in answers]


def test_posts_at_once_store_each_event_once(hook: Hook) -> None:
    assert set(posts_at_once(hook)) == {204}
    assert len(hook.stored()) == 200


@pytest.mark.slow
def test_posts_at_once_store_each_event_once_on_a_server(
    tmp_path: Path, clock: SettableClock, server_url: str
) -> None:
    stage = Stage(tmp_path, clock, readers=1, url=server_url)
    with running_app(stage, keyed()) as app:
        hook = Hook(app, [])
        assert set(posts_at_once(hook)) == {204}
        odd = [{"event": "open", "email": "a\0\ud800b@bücher.example", "x": "\0", "n": 10**40}]
        assert hook.send(json.dumps(odd).encode()).status_code == 204
        assert len(hook.stored()) == 201
    stage.database.close()


@pytest.mark.slow
def test_the_pages_are_answered_while_a_large_post_is_read(hook: Hook) -> None:
    # A busy machine may hold anybody up once; a post that holds the pages up does so every time.
    for start in (0, 10_000, 20_000):
        body = body_of([an_event("open", at=hook.now, number=start + n) for n in range(10_000)])
        assert 3_000_000 < len(body) < LARGEST_POST
        spent, waits = waits_during(hook, body)
        assert len(hook.stored()) == start + 10_000
        if max(waits) < spent / 2:
            return
    pytest.fail(f"a page waited {max(waits):.2f} s of the {spent:.2f} s that the post took")


def waits_during(hook: Hook, body: bytes) -> tuple[float, list[float]]:
    """Post `body`, and tell how long that took and how long each page asked for then took."""
    done = threading.Event()
    spent = []

    def post() -> None:
        began = time.monotonic()
        try:
            assert hook.send(body).status_code == 204
            spent.append(time.monotonic() - began)
        finally:
            done.set()

    waits = []
    thread = threading.Thread(target=post)
    with httpx.Client(base_url=hook.app.url) as client:
        client.get("/healthz")
        thread.start()
        while not done.is_set():
            began = time.monotonic()
            assert client.get("/healthz").status_code == 200
            waits.append(time.monotonic() - began)
    thread.join()
    return spent[0], waits


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
EVENTS = st.lists(
    st.dictionaries(st.sampled_from([*an_event("hard"), "x"]) | st.text(), ANYTHING, max_size=6)
)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=(EVENTS | ANYTHING).map(lambda v: json.dumps(v).encode()) | st.binary(max_size=60))
def test_whatever_is_signed_breaks_nothing(hook: Hook, body: bytes) -> None:
    assert hook.send(body).status_code in (204, 400)


@given(body=EVENTS.map(lambda v: json.dumps(v).encode()), headers=st.data())
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_whatever_is_not_signed_is_refused(hook: Hook, body: bytes, headers: st.DataObject) -> None:
    value = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=120)
    fields = {
        SIGNATURE_HEADER: headers.draw(value),
        TIMESTAMP_HEADER: headers.draw(value | st.just(str(int(hook.now.timestamp())))),
    }

    assert hook.send(body, fields).status_code == 403
    assert hook.stored() == []


def serving(desk: Desk) -> tuple[Any, str]:
    """Run `newsletter serve`; returns the process and its URL."""
    process = desk.start("serve", "--port", "0")
    assert process.stderr
    while line := process.stderr.readline():
        if found := re.search(r"listening on (http://\S+:\d+);", line):
            return process, found[1]
    raise AssertionError(process.communicate())


@pytest.mark.slow
def test_a_server_killed_after_its_answer_has_kept_the_events(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, NEWSLETTER_DELIVERY__SENDGRID__WEBHOOK_PUBLIC_KEY=SIGNER.shown)
    process, url = serving(desk)
    answered = 0
    with httpx.Client(base_url=url) as client:
        for post in range(5):
            body = body_of([an_event("click", number=post * 100 + n) for n in range(100)])
            headers = SIGNER.headers(body, int(time.time()))
            assert client.post(PATH, content=body, headers=headers).status_code == 204
            answered += 100
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)

    with sqlite3.connect(tmp_path / "newsletter.db") as connection:
        (kept,) = connection.execute(
            "SELECT count(*) FROM events WHERE provider = 'sendgrid'"
        ).fetchone()
    connection.close()
    assert kept == answered


@pytest.mark.slow
def test_serve_does_not_start_with_a_key_that_is_none(tmp_path: Path) -> None:
    desk = Desk(tmp_path, NEWSLETTER_DELIVERY__SENDGRID__WEBHOOK_PUBLIC_KEY="a-secret-slip")
    desk.run("init", ".", code=None)

    done = desk.run("serve", "--port", "0", code=3)

    assert "'delivery.sendgrid.webhook_public_key'" in done.stderr
    assert "a-secret-slip" not in done.stderr
