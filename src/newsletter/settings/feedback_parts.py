"""The tables `[feedback]` and `[alerts]`: what comes back, what follows, and who is told."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from newsletter.settings.parts import Duration, Part, Security, Url


class MailboxKind(StrEnum):
    """Where mail that came back is fetched from."""

    NONE = "none"
    IMAP = "imap"
    MAILDIR = "maildir"


class Believe(StrEnum):
    """How much a mail must prove before anything follows from it (D8)."""

    PROVEN = "proven"
    """Our seal: the return path of the delivery, or the signed link in the returned header."""
    NAMED = "named"
    """Also a Message-ID of ours beside the reader's own address: a reader could write one."""
    ADDRESS = "address"
    """Also an address alone, within the days of a campaign: only for a mailbox nobody can reach."""


class ImapPart(Part):
    """`[feedback.imap]`: the mailbox that gets bounces, read over IMAP."""

    host: str = Field("localhost", description="Name or address of the server.")
    port: int = Field(993, ge=1, le=65535, description="Its port: 993 with tls, 143.")
    security: Security = Field(
        Security.TLS, description="tls, starttls (never falls back), or none (loopback)."
    )
    username: str = Field("", description="Whose mailbox.")
    password: SecretStr | None = Field(None, description="Better in the environment.")
    password_file: Path | None = Field(None, description="A 0600 file that holds the password.")
    folder: str = Field("INBOX", description="Where mail arrives.")
    handled: str = Field(
        "Handled", description="Where mail goes that was understood; levels with /."
    )
    unclear: str = Field(
        "Unclear", description="Where mail goes that was not, for you; nothing is ever deleted."
    )
    idle: bool = Field(True, description="Wait for new mail (IDLE) where the server offers it.")
    ca_file: Path | None = Field(None, description="Own certificate authority (PEM).")
    timeout: Duration = Field(timedelta(seconds=30), description="Longest wait for an answer.")


class ClassRulePart(Part):
    """`[[feedback.rules]]`: a row that goes before the built-in table of bounce classes (D3)."""

    status: str = Field("*.*.*", description="RFC 3463 status, * for any number: 5.2.*")
    words: str = Field("", description="A pattern that the text must hold, in lower case.")
    becomes: Literal["hard", "soft", "blocked"] = Field(description="hard, soft or blocked.")

    @field_validator("status")
    @classmethod
    def _a_status(cls, value: str) -> str:
        if not re.fullmatch(r"(?:[45]|\*)(?:\.(?:\d{1,3}|\*)){2}", value):
            raise ValueError("expected a status such as 5.2.1, 5.7.* or *.*.*")
        return value

    @field_validator("words")
    @classmethod
    def _a_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return value

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.status == "*.*.*" and not self.words:
            raise ValueError("a rule needs a status or words")
        return self


class FeedbackPart(Part):
    """`[feedback]`: bounces, complaints and events, and what follows from them."""

    mailbox: MailboxKind = Field(
        MailboxKind.NONE, description="none, imap or maildir: what 'serve' and 'poll' read."
    )
    maildir: Path = Field(Path("bounces"), description="The Maildir, with mailbox = maildir.")
    interval: Duration = Field(
        timedelta(minutes=5),
        description="How often the mailbox is looked at; with IDLE, the longest wait.",
    )
    believe: Believe = Field(
        Believe.PROVEN,
        description="What a mail must show before anything follows: proven, named or address.",
    )
    soft_bounce_limit: int = Field(
        5, ge=1, description="Campaigns in a row that ended softly pause the membership,"
    )
    soft_bounce_span: Duration = Field(
        timedelta(days=14), description="when at least so long lies between the first and the last."
    )
    kept_mail: Path = Field(
        Path("kept-mail"), description="Folder of mail that was not understood, or proves nothing."
    )
    keep_mail_for: Duration = Field(
        timedelta(days=90), description="Then such a mail is deleted from that folder."
    )
    keep_details_for: Duration = Field(
        timedelta(days=90), description="Then the words and addresses of events are forgotten."
    )
    reconcile_every: Duration = Field(
        timedelta(days=1), description="How often SendGrid's own suppressions are fetched."
    )
    rules: tuple[ClassRulePart, ...] = Field(
        (), description="Rows before the table of bounce classes; see 'newsletter bounces classes'."
    )
    imap: ImapPart = ImapPart()


class AlertsPart(Part):
    """`[alerts]`: who is told when something needs an operator, beside the log."""

    mail_to: tuple[str, ...] = Field((), description="Addresses that get each alert by mail.")
    webhook: Url | None = Field(None, description="Each alert is posted there as JSON.")
    command: str | None = Field(
        None, description="Is run for each alert; it gets the alert as JSON on standard input."
    )
    heartbeat_url: Url | None = Field(
        None, description="Is fetched while all is well, for a monitor that misses it otherwise."
    )
    heartbeat_file: Path | None = Field(
        None, description="Is touched while all is well, for a monitor on this machine."
    )
    heartbeat_every: Duration = Field(timedelta(minutes=1), description="How often.")
    summary_at: str | None = Field(
        None,
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="When mail_to gets a daily summary, HH:MM in the newsletter's zone; none: off.",
    )
