"""`newsletter letters`: what waits, what became of it, and sending it by hand."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

import pytest
from tests.command import Desk, a_desk
from tests.fakes.smtp_server import SmtpServer

from newsletter.audience.address import parse_address
from newsletter.audience.consent import Origin
from newsletter.audience.joining import JoinRequest, ask_to_join
from newsletter.audience.keys import load_keys
from newsletter.audience.letters import LetterLimits
from newsletter.audience.tokens import Purpose, TokenSigner
from newsletter.clock import SystemClock
from newsletter.storage.database import open_database

pytestmark = pytest.mark.slow

SMTP = {
    "NEWSLETTER_DELIVERY__PROVIDER": "smtp",
    "NEWSLETTER_DELIVERY__SMTP__HOST": "127.0.0.1",
    "NEWSLETTER_DELIVERY__SMTP__SECURITY": "none",
}


def ask(desk: Desk, *addresses: str) -> None:
    """Fill in the form of the list, as a page does."""
    database = open_database("sqlite:///newsletter.db", root=desk.folder)
    keys = load_keys(desk.folder / "newsletter.key")
    with database.write() as connection:
        for address in addresses:
            request = JoinRequest(parse_address(address), 1, Origin("form"))
            ask_to_join(connection, request, keys, SystemClock().now(), LetterLimits())
    database.close()


def test_letters_are_listed_masked_and_sent_into_the_outbox(tmp_path: Path) -> None:
    desk = a_desk(tmp_path)
    ask(desk, "ann@example.org", "bob@example.net")

    waiting = desk.json("letters", "list")
    sent = desk.json("letters", "send")
    shown = desk.run("letters", "list").stdout
    again = desk.run("letters", "send").stdout

    files = sorted((tmp_path / "outbox").rglob("*.eml"))
    message = email.message_from_bytes(files[0].read_bytes(), policy=email.policy.default)
    link = next(word for word in message.as_string().replace("=\n", "").split() if "/c/" in word)
    signer = TokenSigner(load_keys(tmp_path / "newsletter.key"))
    assert [(row["kind"], row["state"], row["address"]) for row in waiting] == [
        ("confirm", "pending", "b…@example.net"),
        ("confirm", "pending", "a…@example.org"),
    ]
    assert sent == {"accepted": 2, "held": 0}
    assert "accepted" in shown
    assert "ann@example.org" not in shown
    assert again == "nothing is due\n"
    assert len(files) == 2
    assert signer.read(Purpose.CONFIRM, link.rpartition("/")[2]) is not None


def test_the_list_can_be_narrowed_to_a_state(tmp_path: Path) -> None:
    desk = a_desk(tmp_path)
    ask(desk, "ann@example.org")

    assert len(desk.json("letters", "list", "--state", "pending")) == 1
    assert desk.json("letters", "list", "--state", "accepted") == []
    wrong = desk.run("letters", "list", "--state", "lost", code=2)
    assert "there is no state 'lost'" in wrong.stderr


def test_a_provider_that_is_away_is_told_with_its_exit_code(tmp_path: Path) -> None:
    with SmtpServer() as server:
        port = server.port
    desk = a_desk(tmp_path, **SMTP, NEWSLETTER_DELIVERY__SMTP__PORT=str(port))
    ask(desk, "ann@example.org")

    away = desk.run("letters", "send", code=75)
    [row] = desk.json("letters", "list")

    assert "error:" in away.stderr
    assert (row["state"], row["reason"]) == ("pending", "not sent")
    assert str(port) in row["answer"]


def test_a_refused_address_and_a_put_off_one_end_differently(tmp_path: Path) -> None:
    refuse = {"ann@example.org": "550 5.1.1 no such user"}
    later = {"bob@example.org": "451 4.7.1 try again later"}
    with SmtpServer(refuse=refuse) as server:
        desk = a_desk(tmp_path, **SMTP, NEWSLETTER_DELIVERY__SMTP__PORT=str(server.port))
        ask(desk, "ann@example.org")
        rejected = desk.json("letters", "send")
        ask(desk, "bob@example.org")
        server.refuse = later
        deferred = desk.json("letters", "send", code=1)

    listed = desk.json("suppressions", "list")
    assert rejected == {"rejected": 1, "held": 0}
    assert deferred == {"deferred": 1, "held": 0}
    assert [row["reason"] for row in listed["suppressions"]] == ["hard_bounce"]


def test_a_copy_sends_its_letters_only_by_the_operators_word(tmp_path: Path) -> None:
    desk = a_desk(tmp_path)
    ask(desk, "ann@example.org")
    desk.run("db", "hold", "--yes")

    refused = desk.run("letters", "send", code=1)
    sent = desk.json("letters", "send", "--held")

    assert "counts as a copy" in refused.stderr
    assert sent == {"accepted": 1, "held": 0}
