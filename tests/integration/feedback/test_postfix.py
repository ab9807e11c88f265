"""A real Postfix returns mail for somebody who is not there, and only that reader is suppressed."""

from __future__ import annotations

import email
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command import Desk, a_desk
from tests.integration.feedback.postfix import Postfix, running_postfix

from newsletter.audience.keys import load_keys
from newsletter.delivery.return_paths import ReturnPaths
from newsletter.providers.base import DeliveryId

pytestmark = pytest.mark.heavy

GONE = "reader2@example.org"
ONLY_THE_SECOND = [(None, "accepted"), ("hard_bounce", "bounced"), (None, "accepted")]


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    """One server for the tests of this module."""
    with running_postfix() as running:
        yield running


def a_sending_desk(folder: Path, postfix: Postfix, **environment: str) -> Desk:
    """Return a desk with three readers, of whom Postfix does not know the second."""
    desk = a_desk(
        folder,
        readers=3,
        NEWSLETTER_SENDER__FROM_EMAIL="daily@news.example.org",
        NEWSLETTER_NEWSLETTER__POSTAL_ADDRESS="1 Main Street",
        NEWSLETTER_DELIVERY__PROVIDER="smtp",
        NEWSLETTER_DELIVERY__SMTP__HOST="127.0.0.1",
        NEWSLETTER_DELIVERY__SMTP__PORT=str(postfix.port),
        NEWSLETTER_DELIVERY__SMTP__SECURITY="none",
        **environment,
    )
    (folder / "note.md").write_text(
        "---\ntitle: A note\ndate: 2026-11-24\n---\n\n# A note\n\nGood morning.\n",
        encoding="utf-8",
    )
    desk.run("send", "note.md", "--list", "daily", "--yes")
    return desk


def standing(desk: Desk) -> list[tuple[str | None, str]]:
    """Return for each reader why they are suppressed, if so, and how their delivery stands."""
    shown = [desk.json("subscribers", "show", f"reader{n}@example.org") for n in (1, 2, 3)]
    return [(story["suppressed"], story["deliveries"][0]["state"]) for story in shown]


def test_mail_to_nobody_comes_back_to_its_return_path_and_suppresses_that_reader_alone(
    tmp_path: Path, postfix: Postfix
) -> None:
    desk = a_sending_desk(tmp_path, postfix, NEWSLETTER_SENDER__BOUNCE_DOMAIN="bounces.example.org")
    (returned,) = postfix.wait_for("bounces", 1)
    postfix.wait_for("reader1", 1)
    notice = email.message_from_bytes(returned.read_bytes())
    paths = ReturnPaths(load_keys(tmp_path / "newsletter.key"), None)
    number = desk.json("subscribers", "show", GONE)["deliveries"][0]["delivery"].partition("-")[2]

    told = desk.json("bounces", "ingest", str(postfix.mail / "bounces"))

    assert notice.get_content_type() == "multipart/report"
    assert notice["Return-Path"] == "<>"
    assert paths.read(str(notice["To"])) == DeliveryId(1, int(number))
    assert (told["mails"], told["kinds"], told["handled"]) == (1, {"hard": 1}, 1)
    assert told["applied"]["suppressed"] == 1
    assert standing(desk) == ONLY_THE_SECOND
    assert desk.json("bounces", "ingest", str(postfix.mail / "bounces"))["mails"] == 0
    assert [one.name.rpartition(",")[2] for one in (postfix.mail / "bounces/cur").iterdir()] == [
        "S"
    ]


def test_without_a_bounce_domain_the_signed_link_in_the_returned_message_proves_it(
    tmp_path: Path, postfix: Postfix
) -> None:
    desk = a_sending_desk(tmp_path, postfix)
    (returned,) = postfix.wait_for("daily", 1)

    told = desk.json("bounces", "ingest", str(returned))

    assert email.message_from_bytes(returned.read_bytes())["To"] == "daily@news.example.org"
    assert told["kinds"] == {"hard": 1}
    assert standing(desk) == ONLY_THE_SECOND
    assert desk.json("bounces", "list")["counts"] == {}
