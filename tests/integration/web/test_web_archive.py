"""Past issues: of public lists, only what was sent, and nothing personal."""

from __future__ import annotations

from tests.builders import Stage
from tests.fakes.provider import ScriptedProvider
from tests.integration.web.running import RunningApp


def send(stage: Stage, slug: str, *, again: bool = False) -> None:
    campaign = stage.freeze(slug=slug, again=again)
    stage.sender(ScriptedProvider()).run(campaign)


def test_sent_issues_are_listed_and_read_without_anybodys_name(app: RunningApp) -> None:
    send(app.stage, "2026-11-24")
    app.stage.freeze(slug="2026-11-25", content_hash="another")

    assert 'href="/archive/daily"' in app.get("/archive").text
    listed = app.get("/archive/daily").text
    assert "/archive/daily/2026-11-24" in listed
    assert "2026-11-25" not in listed
    page = app.get("/archive/daily/2026-11-24")
    assert "Dear reader, ≥ 𝕏" in page.text
    assert 'href="https://news.example.org/subscribe/daily"' in page.text
    assert "slotfeed" not in page.text
    assert "/u/" not in page.text
    assert "/p/" not in page.text
    assert app.get("/archive/daily/2026-11-25").status_code == 404
    assert app.get("/archive/daily/%00").status_code == 404


def test_an_issue_sent_twice_is_listed_once(app: RunningApp) -> None:
    send(app.stage, "2026-11-24")
    send(app.stage, "2026-11-24", again=True)

    assert app.get("/archive/daily").text.count("/archive/daily/2026-11-24") == 1
    assert "1 issue<" in app.get("/archive").text


def test_what_was_sent_to_a_list_that_is_not_public_is_not_shown(app: RunningApp) -> None:
    send(app.stage, "2026-11-24")
    with app.stage.database.write() as connection:
        connection.exec_driver_sql("UPDATE lists SET public = 0")

    for path in ("/archive/daily", "/archive/daily/2026-11-24"):
        assert app.get(path).status_code == 404
    assert "daily" not in app.get("/archive").text


def test_pages_of_a_list_that_are_no_pages(app: RunningApp) -> None:
    for page in ("0", "-1", "x", "99999999999", "1e3"):
        assert app.get(f"/archive/daily?page={page}").status_code == 404
    assert app.get("/archive/daily?page=2").status_code == 200
