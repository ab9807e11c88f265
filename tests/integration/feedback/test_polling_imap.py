"""The bounce mailbox is followed while `serve` runs: new mail, a server that goes, and the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from tests.integration.feedback.dovecot import PASSWORD, Box, Dovecot, Proxy, a_dovecot

from newsletter.feedback.imap_mailbox import ImapMailbox
from newsletter.feedback.imap_session import imap_account
from newsletter.feedback.polling import Poller
from newsletter.settings import Settings
from newsletter.settings.feedback_parts import FeedbackPart, ImapPart

pytestmark = pytest.mark.heavy

MAIL = b"Subject: bounce\n\nwords\n"
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    """One server for these tests."""
    with a_dovecot() as running:
        yield running


class Watch:
    """A poller over a box, and what it did."""

    def __init__(self, dovecot: Dovecot, box: Box, interval: timedelta, **changes: Any) -> None:
        values = {
            "host": "localhost",
            "port": dovecot.tls_port,
            "username": box.user,
            "password": SecretStr(PASSWORD),
            "ca_file": dovecot.ca_file,
            "timeout": "5s",
            **changes,
        }
        stop = threading.Event()
        account = imap_account(Settings(feedback=FeedbackPart(imap=ImapPart(**values))))
        self.taken: list[bytes] = []
        self.applied: list[int] = []
        self.troubles: list[str] = []
        self.poller = Poller(
            ImapMailbox(account, self._take, stop),
            interval=interval,
            apply=lambda: self.applied.append(len(self.taken)),
            on_trouble=self.troubles.append,
            stop=stop,
        )

    def _take(self, data: bytes) -> bool:
        self.taken.append(data)
        return True


def until(happened: Callable[[], object], seconds: float = 60.0) -> float:
    """Wait until something is so; returns how long that took."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < seconds, "it did not happen"
        time.sleep(0.02)
    return time.monotonic() - began


def test_mail_that_arrives_while_idling_is_taken_and_applied_within_two_seconds(
    dovecot: Dovecot,
) -> None:
    box = dovecot.box()
    box.deliver(MAIL)
    watch = Watch(dovecot, box, HOUR)

    with watch.poller:
        until(lambda: len(watch.applied) == 1)
        waited = []
        for number in (2, 3):
            time.sleep(0.3)
            box.deliver(MAIL)
            waited.append(until(lambda number=number: watch.applied[-1:] == [number]))  # type: ignore[misc]

    # A busy machine may hold one of them up.
    assert min(waited) < 2
    assert watch.troubles == []
    assert len(box.mails("Handled")) == 3


def test_without_idle_the_mailbox_is_looked_at_each_interval(dovecot: Dovecot) -> None:
    box = dovecot.box()
    watch = Watch(dovecot, box, SECOND, idle=False)

    with watch.poller:
        time.sleep(0.5)
        box.deliver(MAIL)
        until(lambda: watch.applied == [1], 30)


def test_it_ends_soon_while_idling(dovecot: Dovecot) -> None:
    watch = Watch(dovecot, dovecot.box(), HOUR)

    with watch.poller:
        time.sleep(1)
        began = time.monotonic()

    assert time.monotonic() - began < 20
    assert not any(one.name == "bounce-mailbox" for one in threading.enumerate())


def test_a_server_that_goes_is_told_once_and_found_again(dovecot: Dovecot) -> None:
    box, proxy = dovecot.box(), Proxy(dovecot.tls_port)
    watch = Watch(dovecot, box, SECOND, port=proxy.port)

    with watch.poller:
        until(lambda: proxy.connections == 1)
        proxy.away = True
        proxy.cut()
        until(lambda: watch.troubles)
        time.sleep(2.5)
        proxy.away = False
        box.deliver(MAIL)
        until(lambda: watch.taken, 60)

    proxy.close()
    assert len(watch.troubles) == 1
    assert "broke off" in watch.troubles[0] or "lost" in watch.troubles[0]


def test_a_connection_that_ends_while_idling_is_no_trouble(dovecot: Dovecot) -> None:
    box, proxy = dovecot.box(), Proxy(dovecot.tls_port)
    watch = Watch(dovecot, box, timedelta(seconds=3), port=proxy.port)

    with watch.poller:
        until(lambda: proxy.came_back > 2000)
        time.sleep(0.5)
        proxy.cut()
        box.deliver(MAIL)
        until(lambda: watch.taken)

    proxy.close()
    assert watch.troubles == []
    assert proxy.connections == 2


def test_a_password_that_is_refused_is_told_and_the_file_is_read_anew(
    dovecot: Dovecot, tmp_path: Path
) -> None:
    box, secret = dovecot.box(), tmp_path / "imap.password"
    secret.touch(mode=0o600)
    secret.write_text("wrong", encoding="utf-8")
    box.deliver(MAIL)
    watch = Watch(dovecot, box, SECOND, password=None, password_file=secret)

    with watch.poller:
        until(lambda: watch.troubles)
        secret.write_text(PASSWORD, encoding="utf-8")
        until(lambda: watch.taken)

    assert "refuses the login" in watch.troubles[0]
    assert "wrong" not in watch.troubles[0]
