"""The bounce mailbox over IMAP, against a real Dovecot: each mail is taken and put away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from tests.integration.feedback.dovecot import PASSWORD, Box, Dovecot, Proxy, a_dovecot

from newsletter.errors import ConfigurationError, TryAgainLater
from newsletter.feedback.imap_mailbox import ImapMailbox
from newsletter.feedback.imap_session import imap_account
from newsletter.feedback.polling import Round
from newsletter.feedback.reading import LONGEST_MAIL
from newsletter.settings import Settings
from newsletter.settings.feedback_parts import FeedbackPart, ImapPart

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    """One server for these tests."""
    with a_dovecot() as running:
        yield running


class Reader:
    """Takes mails; whether it understands one stands in the mail."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def __call__(self, data: bytes) -> bool:
        self.taken.append(data)
        return b"bounce" in data

    @property
    def subjects(self) -> list[str]:
        """What the mails were about, in the order they were taken."""
        return [subject_of(data) for data in self.taken]


def subject_of(data: bytes) -> str:
    return data.split(b"\n", 1)[0].strip().removeprefix(b"Subject: ").decode()


def mail(subject: str, *, size: int = 0) -> bytes:
    return f"Subject: {subject}\nFrom: <a@example.net>\n\nwords\n".encode() + b"x" * size


def settings_of(dovecot: Dovecot, box: Box, **changes: Any) -> Settings:
    values = {
        "host": "localhost",
        "port": dovecot.tls_port,
        "security": "tls",
        "username": box.user,
        "password": SecretStr(PASSWORD),
        "ca_file": dovecot.ca_file,
        "timeout": "10s",
        **changes,
    }
    return Settings(feedback=FeedbackPart(imap=ImapPart(**values)))


def mailbox_of(
    dovecot: Dovecot, box: Box, reader: Any, stop: threading.Event | None = None, **changes: Any
) -> ImapMailbox:
    settings = settings_of(dovecot, box, **changes)
    return ImapMailbox(imap_account(settings), reader, stop or threading.Event())


def test_what_was_understood_and_what_was_not_goes_to_folders_of_their_own(
    dovecot: Dovecot,
) -> None:
    box, reader = dovecot.box(), Reader()
    box.deliver(mail("bounce 1"), mail("a person writes"), mail("bounce 2"))
    mailbox = mailbox_of(dovecot, box, reader)

    done = mailbox.round()
    again = mailbox.round()
    mailbox.close()

    assert done == Round(fetched=3, handled=2, unclear=1)
    assert again == Round()
    assert reader.subjects == ["bounce 1", "a person writes", "bounce 2"]
    assert box.mails() == []
    assert [subject_of(one) for one in box.mails("Handled")] == ["bounce 1", "bounce 2"]
    assert box.mails("Unclear") == [mail("a person writes")]


@pytest.mark.parametrize("security", ["tls", "starttls", "none"])
def test_it_reads_in_tls_after_starttls_and_in_clear_on_loopback(
    dovecot: Dovecot, security: str
) -> None:
    box, reader = dovecot.box(), Reader()
    box.deliver(mail("bounce"))
    port = dovecot.tls_port if security == "tls" else dovecot.plain_port
    mailbox = mailbox_of(dovecot, box, reader, security=security, port=port)

    assert mailbox.round().handled == 1
    mailbox.close()


def test_a_wrong_password_is_told_without_the_password(dovecot: Dovecot) -> None:
    box = dovecot.box()
    mailbox = mailbox_of(dovecot, box, Reader(), password=SecretStr("not the password"))

    with pytest.raises(ConfigurationError) as refused:
        mailbox.round()

    assert f"localhost:{dovecot.tls_port} refuses the login" in str(refused.value)
    assert "AUTHENTICATIONFAILED" in str(refused.value)
    assert "not the password" not in str(refused.value)
    assert "NEWSLETTER_FEEDBACK__IMAP__PASSWORD" in str(refused.value.fix)


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_server_that_an_unknown_authority_vouches_for_gets_no_password(
    dovecot: Dovecot, security: str
) -> None:
    box = dovecot.box()
    port = dovecot.tls_port if security == "tls" else dovecot.plain_port
    mailbox = mailbox_of(dovecot, box, Reader(), ca_file=None, security=security, port=port)

    with pytest.raises(
        ConfigurationError, match=r"TLS certificate of localhost:.* does not verify"
    ):
        mailbox.round()


def test_a_port_without_tls_is_told_as_such(dovecot: Dovecot) -> None:
    mailbox = mailbox_of(dovecot, dovecot.box(), Reader(), port=dovecot.plain_port)

    with pytest.raises(ConfigurationError, match="no TLS with localhost") as told:
        mailbox.round()

    assert "993 with tls" in str(told.value.fix)


def test_a_server_that_is_away_is_tried_again_later(dovecot: Dovecot) -> None:
    proxy = Proxy(dovecot.tls_port)
    proxy.close()
    mailbox = mailbox_of(dovecot, dovecot.box(), Reader(), port=proxy.port)

    with pytest.raises(TryAgainLater, match="cannot be reached: Connection refused"):
        mailbox.round()


def test_a_folder_that_does_not_exist_is_told_by_its_name(dovecot: Dovecot) -> None:
    mailbox = mailbox_of(dovecot, dovecot.box(), Reader(), folder="Returned")

    with pytest.raises(ConfigurationError, match="refuses opening the folder 'Returned'"):
        mailbox.round()


def test_folders_below_others_are_made_with_the_servers_own_delimiter() -> None:
    with a_dovecot(prefix="INBOX.", separator=".") as dovecot:
        box, reader = dovecot.box(), Reader()
        box.deliver(mail("bounce"), mail("a person writes"))
        mailbox = mailbox_of(dovecot, box, reader, handled="Back/Handled", unclear="INBOX.Unclear")

        done = mailbox.round()
        mailbox.close()

        assert done == Round(fetched=2, handled=1, unclear=1)
        assert len(box.mails("Back.Handled")) == 1
        assert len(box.mails("Unclear")) == 1
        assert box.mails() == []


def test_three_hundred_mails_are_taken_in_their_order(dovecot: Dovecot) -> None:
    box, reader = dovecot.box(), Reader()
    subjects = [f"bounce {number}" for number in range(300)]
    box.deliver(*map(mail, subjects))
    mailbox = mailbox_of(dovecot, box, reader)

    assert mailbox.round() == Round(fetched=300, handled=300, unclear=0)
    mailbox.close()

    assert reader.subjects == subjects
    assert len(box.mails("Handled")) == 300
    assert box.mails() == []


def test_a_connection_that_breaks_in_the_middle_loses_nothing(dovecot: Dovecot) -> None:
    box, reader = dovecot.box(), Reader()
    subjects = [f"bounce {number}" for number in range(100)]
    box.deliver(*(mail(subject, size=20_000) for subject in subjects))
    proxy = Proxy(dovecot.tls_port)
    proxy.break_after = 1_000_000
    mailbox = mailbox_of(dovecot, box, reader, port=proxy.port)

    with pytest.raises(TryAgainLater, match=r"the connection to localhost:.* was lost"):
        mailbox.round()
    before = len(reader.taken)
    rest = mailbox.round()
    mailbox.close()
    proxy.close()

    assert 0 < before < 100
    assert rest.fetched >= 100 - before
    assert set(reader.subjects) == set(subjects)
    assert sorted(map(subject_of, box.mails("Handled"))) == sorted(subjects)
    assert box.mails() == []


def test_of_a_huge_mail_only_the_start_is_fetched(dovecot: Dovecot) -> None:
    box, reader = dovecot.box(), Reader()
    huge = mail("bounce", size=20_000_000)
    box.deliver(huge)
    proxy = Proxy(dovecot.tls_port)
    mailbox = mailbox_of(dovecot, box, reader, port=proxy.port)

    assert mailbox.round().handled == 1
    mailbox.close()
    proxy.close()

    assert len(reader.taken[0]) == LONGEST_MAIL + 1
    assert proxy.came_back < 2 * LONGEST_MAIL
    assert box.mails("Handled") == [huge]


def test_a_mail_that_has_to_wait_ends_the_round_and_stays(dovecot: Dovecot) -> None:
    box = dovecot.box()
    box.deliver(*(mail(f"bounce {number}") for number in range(5)))
    taken: list[bytes] = []

    def take(data: bytes) -> bool:
        if len(taken) == 2:
            raise TryAgainLater("the database is busy")
        taken.append(data)
        return True

    mailbox = mailbox_of(dovecot, box, take)
    with pytest.raises(TryAgainLater, match="the database is busy"):
        mailbox.round()

    assert list(map(subject_of, box.mails("Handled"))) == ["bounce 0", "bounce 1"]
    assert list(map(subject_of, box.mails())) == ["bounce 2", "bounce 3", "bounce 4"]


def test_a_fault_of_ours_leaves_the_mail_where_it_is(dovecot: Dovecot) -> None:
    box = dovecot.box()
    box.deliver(mail("bounce"))

    def take(_data: bytes) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        mailbox_of(dovecot, box, take).round()

    assert len(box.mails()) == 1


def test_a_session_that_the_server_ended_meanwhile_is_begun_anew(dovecot: Dovecot) -> None:
    box, reader = dovecot.box(), Reader()
    proxy = Proxy(dovecot.tls_port)
    mailbox = mailbox_of(dovecot, box, reader, port=proxy.port)
    mailbox.round()
    proxy.cut()
    box.deliver(mail("bounce"))

    assert mailbox.round().handled == 1

    assert proxy.connections == 2
    mailbox.close()
    proxy.close()


def test_mail_that_comes_while_idling_is_told_at_once(dovecot: Dovecot) -> None:
    box, reader = dovecot.box(), Reader()
    mailbox = mailbox_of(dovecot, box, reader)
    mailbox.round()
    threading.Timer(0.5, box.deliver, [mail("bounce")]).start()

    began = time.monotonic()
    mailbox.wait(60)
    waited = time.monotonic() - began

    assert 0.4 < waited < 30
    assert mailbox.round().handled == 1
    mailbox.close()


def test_idling_is_renewed_and_ends_after_the_time_that_was_given(
    dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsletter.feedback.imap_mailbox.RENEW_SECONDS", 0.3)
    box, reader = dovecot.box(), Reader()
    mailbox = mailbox_of(dovecot, box, reader)
    mailbox.round()

    began = time.monotonic()
    mailbox.wait(1.5)

    assert 1.4 < time.monotonic() - began < 20
    box.deliver(mail("bounce"))
    assert mailbox.round().handled == 1
    mailbox.close()


def test_idling_ends_soon_when_it_is_told_to_stop(dovecot: Dovecot) -> None:
    stop = threading.Event()
    mailbox = mailbox_of(dovecot, dovecot.box(), Reader(), stop)
    mailbox.round()
    threading.Timer(0.3, stop.set).start()

    began = time.monotonic()
    mailbox.wait(60)
    mailbox.close()

    assert time.monotonic() - began < 20


@pytest.mark.parametrize("offers", ["IMAP4rev1 UIDPLUS NAMESPACE", "IMAP4rev1 UIDPLUS"])
def test_a_server_without_move_copies_and_removes_only_what_was_copied(offers: str) -> None:
    with a_dovecot(more=f"imap_capability = {offers}") as dovecot:
        box, reader = dovecot.box(), Reader()
        box.deliver(mail("bounce 1"), mail("deleted by somebody"), mail("a person writes"))
        marked = next(
            file
            for file in (box.maildir / "new").iterdir()
            if b"deleted by somebody" in file.read_bytes()
        )
        marked.rename(box.maildir / "cur" / f"{marked.name}:2,T")
        mailbox = mailbox_of(dovecot, box, reader)

        done = mailbox.round()
        again = mailbox.round()
        mailbox.close()

        assert done == Round(fetched=2, handled=1, unclear=1)
        assert again == Round()
        assert box.mails("Handled") == [mail("bounce 1")]
        assert box.mails("Unclear") == [mail("a person writes")]
        assert box.mails() == [mail("deleted by somebody")]


def test_a_server_that_can_only_mark_keeps_every_mail_and_none_is_read_twice() -> None:
    with a_dovecot(more="imap_capability = IMAP4rev1") as dovecot:
        box, reader = dovecot.box(), Reader()
        box.deliver(mail("bounce 1"), mail("a person writes"))
        first = mailbox_of(dovecot, box, reader)
        assert first.round() == Round(fetched=2, handled=1, unclear=1)
        first.close()
        box.deliver(mail("bounce 2"))

        second = mailbox_of(dovecot, box, reader)
        assert second.round() == Round(fetched=1, handled=1, unclear=0)
        second.close()

        assert reader.subjects == ["bounce 1", "a person writes", "bounce 2"]
        assert len(box.mails()) == 3
        assert not box.has("Handled")


def test_the_password_comes_from_a_file_that_only_we_may_read(
    dovecot: Dovecot, tmp_path: Path
) -> None:
    box, secret = dovecot.box(), tmp_path / "imap.password"
    secret.write_text(PASSWORD + "\n", encoding="utf-8")
    secret.chmod(0o644)
    mailbox = mailbox_of(dovecot, box, Reader(), password=None, password_file=secret)
    with pytest.raises(ConfigurationError, match="may be read by others"):
        mailbox.round()
    secret.chmod(0o600)

    assert mailbox.round() == Round()
    mailbox.close()


def test_settings_that_cannot_work_are_refused_before_anything_is_opened(dovecot: Dovecot) -> None:
    box = dovecot.box()
    wrong = {
        "in clear": {"host": "mail.example.org", "security": "none"},
        "no user": {"username": ""},
        "other than the one that is read": {"folder": "handled"},
    }
    for words, changes in wrong.items():
        with pytest.raises(ConfigurationError, match=words):
            imap_account(settings_of(dovecot, box, **changes))
