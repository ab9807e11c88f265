"""`newsletter bounces poll`: what lies in the mailbox happens to its reader, and is put away."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command import Desk, a_desk
from tests.fakes.returned_mail import plain_mail, status_report
from tests.integration.feedback.dovecot import PASSWORD, Box, Dovecot, Proxy, a_dovecot

from newsletter.audience.keys import load_keys
from newsletter.delivery.return_paths import ReturnPaths
from newsletter.providers.base import DeliveryId

pytestmark = pytest.mark.slow

DOMAIN = "bounces.news.example.org"


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    """One server for these tests."""
    with a_dovecot() as running:
        yield running


@pytest.fixture
def box(dovecot: Dovecot) -> Box:
    return dovecot.box()


@pytest.fixture
def desk(tmp_path: Path, dovecot: Dovecot, box: Box) -> Desk:
    """A workspace whose bounces come to the box; nothing was sent yet."""
    prefix = "NEWSLETTER_FEEDBACK__"
    made = Desk(
        tmp_path,
        **{
            "NEWSLETTER_SENDER__BOUNCE_DOMAIN": DOMAIN,
            f"{prefix}MAILBOX": "imap",
            f"{prefix}INTERVAL": "1s",
            f"{prefix}IMAP__HOST": "localhost",
            f"{prefix}IMAP__PORT": str(dovecot.tls_port),
            f"{prefix}IMAP__USERNAME": box.user,
            f"{prefix}IMAP__PASSWORD": PASSWORD,
            f"{prefix}IMAP__CA_FILE": str(dovecot.ca_file),
        },
    )
    made.run("init", ".")
    return made


@pytest.fixture
def sent(desk: Desk) -> Desk:
    """The same, after a campaign went to three readers."""
    made = a_desk(desk.folder, readers=3, **desk.environment)
    made.run("send", "latest", "--list", "daily", "--yes")
    return made


def bounce_of(desk: Desk, reader: int) -> bytes:
    """Return a bounce that came to the return path of a delivery."""
    keys = load_keys(desk.folder / "newsletter.key")
    path = ReturnPaths(keys, DOMAIN).of(DeliveryId(1, reader))
    return status_report(f"reader{reader}@example.org", to=path)


def answer_of_a_person() -> bytes:
    return plain_mail("Re: The Daily", to="daily@news.example.org", body="How do I pay?")


def is_suppressed(desk: Desk, reader: int) -> bool:
    shown = desk.json("subscribers", "show", f"reader{reader}@example.org")
    return bool(shown["suppressed"])


def test_a_bounce_suppresses_its_reader_alone_and_is_moved_away(sent: Desk, box: Box) -> None:
    box.deliver(bounce_of(sent, 2), answer_of_a_person())

    told = sent.json("bounces", "poll")

    assert (told["fetched"], told["handled"], told["unclear"]) == (2, 1, 1)
    assert told["events"] >= 1
    assert told["seconds"] < 60
    assert told["applied"]["suppressed"] == 1
    assert [is_suppressed(sent, reader) for reader in (1, 2, 3)] == [False, True, False]
    assert box.mails() == []
    assert len(box.mails("Handled")) == 1
    assert box.mails("Unclear") == [answer_of_a_person()]


def test_the_same_bounce_again_changes_nothing(sent: Desk, box: Box) -> None:
    box.deliver(bounce_of(sent, 2))
    sent.run("bounces", "poll")
    box.deliver(bounce_of(sent, 2))

    told = sent.json("bounces", "poll")

    assert (told["handled"], told["events"], told["known"]) == (1, 0, 1)


def test_without_json_people_can_read_it(sent: Desk, box: Box) -> None:
    box.deliver(bounce_of(sent, 2))

    told = sent.run("bounces", "poll").stdout

    assert "1 mails fetched, 1 handled, 0 unclear, 1 new events" in told
    assert "1 addresses suppressed" in told


def test_a_server_that_is_away_is_code_75(desk: Desk, dovecot: Dovecot) -> None:
    proxy = Proxy(dovecot.tls_port)
    proxy.close()
    desk.environment["NEWSLETTER_FEEDBACK__IMAP__PORT"] = str(proxy.port)

    done = desk.run("bounces", "poll", code=75)

    assert f"localhost:{proxy.port} cannot be reached" in done.stderr


def test_a_refused_login_is_code_3_and_tells_no_password(desk: Desk) -> None:
    desk.environment["NEWSLETTER_FEEDBACK__IMAP__PASSWORD"] = "not the password"

    for words in (("--once",), ("--follow",)):
        done = desk.run("--log-level", "debug", "bounces", "poll", *words, code=3)

        assert "refuses the login" in done.stderr
        assert "not the password" not in done.stderr + done.stdout


def test_an_unknown_authority_is_code_3(desk: Desk) -> None:
    del desk.environment["NEWSLETTER_FEEDBACK__IMAP__CA_FILE"]

    done = desk.run("bounces", "poll", code=3)

    assert "certificate of localhost" in done.stderr


def test_without_a_mailbox_the_setting_to_make_is_named(desk: Desk) -> None:
    desk.environment["NEWSLETTER_FEEDBACK__MAILBOX"] = "none"

    done = desk.run("bounces", "poll", code=3)

    assert "no bounce mailbox is set" in done.stderr
    assert 'feedback.mailbox to "imap"' in done.stderr


def test_a_maildir_is_read_as_well(sent: Desk) -> None:
    sent.environment["NEWSLETTER_FEEDBACK__MAILBOX"] = "maildir"
    for name in ("new", "cur", "tmp"):
        (sent.folder / "bounces" / name).mkdir(parents=True)
    (sent.folder / "bounces" / "new" / "1.M1.test").write_bytes(bounce_of(sent, 3))

    told = sent.json("bounces", "poll")

    assert (told["fetched"], told["handled"], told["events"]) == (1, 1, 1)
    assert is_suppressed(sent, 3)


def test_following_goes_on_until_it_is_interrupted(sent: Desk, box: Box) -> None:
    box.deliver(bounce_of(sent, 1))
    process = sent.start("bounces", "poll", "--follow", "--json")
    wait_for(lambda: len(box.mails("Handled")) == 1)
    box.deliver(bounce_of(sent, 2))
    wait_for(lambda: len(box.mails("Handled")) == 2)
    time.sleep(0.5)

    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    out, err = process.communicate(timeout=60)

    assert time.monotonic() - began < 15
    assert process.returncode == 0, err
    told = json.loads(out)
    assert (told["fetched"], told["handled"]) == (2, 2)
    assert told["applied"]["suppressed"] == 2
    assert [is_suppressed(sent, reader) for reader in (1, 2, 3)] == [True, True, False]


def wait_for(happened: object) -> None:
    assert callable(happened)
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
