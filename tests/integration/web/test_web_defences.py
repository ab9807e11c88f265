"""Headers, bodies, hosts, proxies, and trouble of our own (E1, E5, E6)."""

from __future__ import annotations

import contextlib
import re
import socket
from pathlib import Path

import pytest
from tests.builders import Stage
from tests.integration.web.running import BASE_URL, RunningApp, running_app, some_settings

from newsletter.clock import SettableClock
from newsletter.errors import TryAgainLater
from newsletter.settings import Settings

FORM = "/subscribe/daily"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def raw(app: RunningApp, request: bytes) -> bytes:
    """Send bytes and return what comes back until the server closes."""
    host, port = app.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request)
        connection.settimeout(3)
        parts = []
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while part := connection.recv(65536):
                parts.append(part)
    return b"".join(parts)


def test_every_page_has_the_headers_and_no_cookie(app: RunningApp) -> None:
    app.post(FORM, {"email": "new@example.org"})
    manage = app.manage(2)
    personal = [app.one_click(), app.preferences(), manage, manage + "/data", app.letter()]
    public = ["/", "/archive", "/archive/daily"]
    others = [FORM, FORM + "/sent", "/nope", "/u/forged"]

    for path in [*personal, *public, *others, "/robots.txt"]:
        for method in ("GET", "HEAD", "POST", "DELETE"):
            answer = app.client.request(method, path)
            assert answer.status_code < 500
            assert answer.headers["content-security-policy"] == CSP, path
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["strict-transport-security"].startswith("max-age=")
            assert "set-cookie" not in answer.headers
            assert "server" not in answer.headers
            if path in personal + others:
                assert answer.headers["cache-control"] == "no-store", (path, method)
                assert answer.headers["x-robots-tag"] == "noindex"


def test_pages_need_no_script_no_inline_style_and_no_other_host(app: RunningApp) -> None:
    manage = app.manage()
    options = app.one_click() + "/options"
    personal = (app.one_click(), options, app.preferences(), manage, manage + "/delete")
    for path in ("/", FORM, *personal):
        page = app.get(path).text
        assert "<script" not in page
        assert " style=" not in page
        assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', page)
        assert page.count("<h1") == 1
        for asset in re.findall(r'<link [^>]*href="([^"]+)"', page):
            answer = app.get(asset)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]


def test_hsts_is_only_said_behind_tls(stage: Stage) -> None:
    settings = Settings(newsletter={"base_url": "http://localhost:8000"})  # type: ignore[arg-type]
    with running_app(stage, settings) as app:
        assert "strict-transport-security" not in app.get("/").headers


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "news.example.org@evil.example", ""]
)
def test_the_host_that_a_request_names_is_never_answered_with(app: RunningApp, host: str) -> None:
    headers = {"Host": host, "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}

    for path in ("/", FORM, app.one_click(), app.preferences(), FORM + "/", "//evil.example/"):
        answer = app.get(path, headers=headers)
        assert "evil.ex" not in answer.text
        assert "evil.ex" not in str(answer.headers)
    asked = app.post(FORM, {"email": "a@example.org"}, headers=headers)
    assert asked.headers["location"] == "/subscribe/daily/sent"


def test_nothing_redirects_elsewhere(app: RunningApp) -> None:
    for path in (
        "/?next=//evil.example",
        app.preferences() + "?done=//evil.example",
        FORM + "?next=https://evil.example",
    ):
        assert app.get(path).status_code == 200
    assert app.get("//evil.example/%2e%2e").status_code == 404


def test_a_body_that_is_too_large_is_refused_in_every_way_it_can_come(app: RunningApp) -> None:
    big = b"email=" + b"a" * 70_000
    kind = {"Content-Type": "application/x-www-form-urlencoded"}

    def pieces() -> object:
        for _ in range(20):
            yield b"a" * 5_000

    declared = app.client.post(FORM, content=big, headers=kind)
    chunked = app.client.post(FORM, content=pieces(), headers=kind)
    choice = app.client.post(app.preferences(), content=big, headers=kind)
    huge = app.client.post(app.one_click(), content=b"a" * 2_000_000, headers=kind)

    for answer in (declared, chunked, choice, huge):
        assert answer.status_code == 413
        assert "larger than any of our forms" in answer.text
        assert answer.headers["content-security-policy"] == CSP
    assert app.status() == "active"


def test_a_body_that_claims_to_be_huge_is_refused_before_it_comes(app: RunningApp) -> None:
    head = f"POST {FORM} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n".encode()

    assert raw(app, head).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: x\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
    ],
)
def test_a_wrong_length_is_refused_and_the_server_lives_on(app: RunningApp, head: bytes) -> None:
    answer = raw(app, b"POST /subscribe/daily HTTP/1.1\r\nHost: x\r\n" + head + b"\r\nabc")

    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert app.get("/healthz").text == "ok\n"


@pytest.mark.parametrize(
    "path",
    ["/%", "/%zz", "/u/%E2%82", "/u/%00", "/%2e%2e/%2e%2e/etc/passwd", "/static/..%2fapp.py"],
)
def test_odd_paths_are_no_pages(app: RunningApp, path: str) -> None:
    answer = raw(app, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 404")
    assert b"<h1" in answer


def test_files_and_masses_of_fields_are_refused(app: RunningApp) -> None:
    files = app.client.post(FORM, files={"email": ("a.txt", b"a@example.org")})
    fields = app.client.post(FORM, data={f"f{n}": "x" for n in range(400)})
    long = app.client.post(FORM, data={"email": "a" * 10_000})

    assert {files.status_code, fields.status_code, long.status_code} == {400}
    assert app.rows("SELECT id FROM letters") == []


def test_the_network_of_a_consent_comes_from_trusted_proxies_alone(stage: Stage) -> None:
    headers = {"X-Forwarded-For": "192.0.2.9, 203.0.113.77"}

    def network(app: RunningApp, email: str) -> str | None:
        app.post(FORM, {"email": email}, headers=headers)
        return str(app.rows("SELECT network FROM consents ORDER BY id DESC LIMIT 1")[0][0])

    with running_app(stage, some_settings(trusted_proxies=["127.0.0.0/8"])) as app:
        assert network(app, "a@example.org") == "203.0.113.0/24"
    with running_app(stage, some_settings(trusted_proxies=["10.0.0.1"])) as app:
        assert network(app, "b@example.org") == "127.0.0.0/24"
    settings = some_settings(trusted_proxies=["127.0.0.1"], keep_network="hashed")
    with running_app(stage, settings) as app:
        assert network(app, "c@example.org").startswith("hash:")
    settings = some_settings(trusted_proxies=["127.0.0.1"], keep_network="none")
    with running_app(stage, settings) as app:
        assert network(app, "d@example.org") == "None"


def test_a_proxy_may_pass_on_the_path_of_the_public_address_or_not(stage: Stage) -> None:
    settings = Settings(newsletter={"base_url": BASE_URL + "/letters"})  # type: ignore[arg-type]
    with running_app(stage, settings) as app:
        whole, bare = app.get("/letters/subscribe/daily"), app.get(FORM)
        asked = app.post("/letters/subscribe/daily", {"email": "a@example.org"})

    assert whole.text == bare.text
    assert 'action="/letters/subscribe/daily"' in whole.text
    assert asked.headers["location"] == "/letters/subscribe/daily/sent"


def test_a_busy_database_is_told_with_when_to_come_back(stage: Stage) -> None:
    def busy(_subscriber: int) -> None:
        raise TryAgainLater("the database is busy: reader1@example.org", fix="wait")

    with running_app(stage, erase=busy) as app:
        answer = app.post(app.manage() + "/delete", {"act": "delete", "sure": "yes"})

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "Back in a moment" in answer.text
    assert "reader1" not in answer.text


def test_an_error_of_our_own_is_a_page_and_a_line_without_names(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_subscriber: int) -> None:
        raise RuntimeError("reader1@example.org")

    with running_app(stage, erase=broken) as app:
        path = app.manage() + "/delete"
        answer = app.post(path, {"act": "delete", "sure": "yes"})

    said = "".join(capsys.readouterr())
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.text
    assert answer.headers["content-security-policy"] == CSP
    assert "request_failed" in said
    assert "RuntimeError" in said
    assert "reader1" not in said
    assert path not in said


def test_the_health_page_fails_when_the_database_does(tmp_path: Path, clock: SettableClock) -> None:
    stage = Stage(tmp_path, clock)
    with running_app(stage) as app:
        assert app.get("/healthz").status_code == 200
        with stage.database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE installation RENAME TO away")
        assert app.get("/healthz").status_code == 503
    stage.database.close()


def test_methods_that_no_page_takes_name_those_it_takes(app: RunningApp) -> None:
    answer = app.client.delete(app.one_click())

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert app.status() == "active"


def test_clicks_that_wait_together_are_each_answered_and_all_written(
    tmp_path: Path, clock: SettableClock
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    stage = Stage(tmp_path, clock, readers=60)
    with running_app(stage) as app, ThreadPoolExecutor(12) as pool:
        codes = pool.map(lambda n: app.post(app.one_click(n), ONE_CLICK).status_code, range(1, 61))
        assert set(codes) == {200}
        assert app.rows("SELECT status, count(*) FROM memberships GROUP BY status") == [
            ("unsubscribed", 60)
        ]
        acts = "SELECT count(*) FROM consents WHERE act = 'withdrawn'"
        assert app.rows(acts) == [(60,)]
    stage.database.close()


def test_the_description_names_every_form(app: RunningApp) -> None:
    from tests.integration.web.running import an_office

    from newsletter.web.app import create_app

    office = an_office(app.stage, some_settings(), lambda: None)
    described = create_app(office).openapi()

    forms = {
        path: set(
            page["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
        )
        for path, page in described["paths"].items()
        if "post" in page
    }
    assert forms == {
        "/subscribe/{list_name}": {"email", "name", "website"},
        "/c/{token}": {"act"},
        "/n/{token}": {"act"},
        "/r/{token}": {"act"},
        "/u/{token}": {"leave", "List-Unsubscribe"},
        "/u/{token}/options": {"act", "until"},
        "/p/{token}": {"act", "list", "until"},
        "/m/{token}": {"act", "name", "timezone", "language", "list", "until", "email"},
        "/m/{token}/delete": {"act", "sure"},
        "/e/{token}": {"decision"},
    }
    assert app.get("/openapi.json").status_code == 404


@pytest.mark.slow
def test_the_pages_work_over_postgresql(
    tmp_path: Path, clock: SettableClock, server_url: str
) -> None:
    stage = Stage(tmp_path, clock, url=server_url)
    with running_app(stage) as app:
        app.post(FORM, {"email": "new@example.org", "name": "a\0b"})
        assert app.post(FORM, {"email": "new@example.org", "name": "Ada"}).status_code == 303
        assert app.post(app.letter(), {"act": "confirm"}).status_code == 200
        assert [app.post(app.one_click(n), ONE_CLICK).status_code for n in (1, 1, 2)] == [200] * 3
        left = app.post(app.one_click(3), {"leave": "all"})
        undo = re.search(r'action="(/r/[^"]+)"', left.text)
        assert undo
        assert app.post(undo[1], {"act": "undo"}).status_code == 200
        pause = app.post(app.preferences(4), {"act": "pause", "until": "2026-12-24"})
        assert pause.status_code == 303
        moving, old = app.manage(2), app.preferences(2)
        app.post(moving, {"act": "address", "email": "moved@example.net"})
        assert app.post(app.letter("new_address"), {"act": "confirm"}).status_code == 200
        assert (app.get(moving).status_code, app.get(old).status_code) == (410, 410)
        assert app.get(app.manage(2)).status_code == 200
        gone = app.post(app.manage(5) + "/delete", {"act": "delete", "sure": "yes"})
        assert gone.status_code == 200
        states = [app.status(number) for number in (1, 2, 3, 4, 5)]
        assert states == ["unsubscribed", "unsubscribed", "active", "paused", None]
        for path in ("/", "/archive", "/archive/daily", "/healthz", "/subscribe/a%00b"):
            assert app.get(path).status_code in (200, 404)
    stage.database.close()
