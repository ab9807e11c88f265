"""The tables of `newsletter.toml` as typed models; how they are read is in `loading`."""

from __future__ import annotations

import re
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)

from newsletter.clock import is_zone
from newsletter.one_line import one_line


def _zone(name: str) -> str:
    if not is_zone(name):
        raise ValueError(f"unknown time zone {name!r}; use an IANA name like Europe/Paris")
    return name


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected a URL that starts with https://")
    return value.rstrip("/")


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(value: object) -> object:
    if isinstance(value, str) and (match := re.fullmatch(r"\s*(\d+)\s*([smhd])\s*", value)):
        return timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    if isinstance(value, timedelta):
        return value
    raise ValueError('expected a duration such as "90s", "30m", "12h" or "2d"')


OneLine = Annotated[str, AfterValidator(one_line)]
Zone = Annotated[str, AfterValidator(_zone)]
Url = Annotated[str, AfterValidator(_url)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]


class Part(BaseModel):
    """One table of the settings: fixed once read, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False)


class ProviderName(StrEnum):
    """What takes a message from us."""

    OUTBOX = "outbox"
    SMTP = "smtp"
    SENDGRID = "sendgrid"


class OnUnknown(StrEnum):
    """What becomes of a delivery whose answer was lost and that no evidence explains."""

    HOLD = "hold"
    RETRY = "retry"


class Security(StrEnum):
    """How an SMTP connection is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class NewsletterPart(Part):
    """`[newsletter]`: who this newsletter is."""

    name: OneLine = Field("Newsletter", min_length=1, max_length=200, description="Its name.")
    base_url: Url = Field(
        "http://localhost:8000",
        description="Public address; links in each message lead there. https for real sends.",
    )
    timezone: Zone = Field("UTC", description="IANA zone of dates, where a list names none.")
    language: str = Field(
        "en",
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
        description="Language tag, where a list or digest names none.",
    )
    postal_address: str = Field("", description="Shown at the foot of each message; required.")
    contact: str | None = Field(None, description="Address for questions, shown in the footer.")
    digests: Path = Field(Path("digests"), description="Folder of digests.")
    templates: Path = Field(Path("templates/email"), description="Folder of email templates.")


class DatabasePart(Part):
    """`[database]`: where the ledger lives."""

    url: str = Field(
        "sqlite:///newsletter.db", description="sqlite:///FILE (embedded) or postgresql://…"
    )


class SenderPart(Part):
    """`[sender]`: the From of every list that has none of its own."""

    from_name: OneLine = Field("", description="Display name; empty: the newsletter's name.")
    from_email: str = Field("", description="Address of the sender; required to send.")
    reply_to: str | None = Field(None, description="Where replies go.")
    unsubscribe_mailto: str | None = Field(
        None, description="Address for List-Unsubscribe by mail, beside the link."
    )
    bounce_domain: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9.-]+$",
        description="Domain whose mail you read: each message gets a return path of its own there. "
        "None: bounces go to from_email.",
    )


class OutboxPart(Part):
    """`[delivery.outbox]`: the folder that receives `.eml` files."""

    directory: Path = Field(Path("outbox"), description="Folder, one file for each delivery.")


class Auth(StrEnum):
    """How a user name is proven to an SMTP server."""

    AUTO = "auto"
    PLAIN = "plain"
    LOGIN = "login"
    XOAUTH2 = "xoauth2"


class SmtpPart(Part):
    """`[delivery.smtp]`: an SMTP server that takes our mail."""

    host: str = Field("localhost", description="Name or address of the server.")
    port: int = Field(587, ge=1, le=65535, description="Its port: 587, 465 with tls, 25.")
    username: str | None = Field(None, description="For AUTH; none: no AUTH.")
    password: SecretStr | None = Field(None, description="Better in the environment.")
    password_file: Path | None = Field(
        None, description="A 0600 file that holds the password; read anew for each connection."
    )
    password_command: str | None = Field(
        None, description="A command that prints the password or access token; run when needed."
    )
    auth: Auth = Field(
        Auth.AUTO,
        description="auto (what the server offers), plain, login, or xoauth2 (the password is an "
        "access token).",
    )
    security: Security = Field(
        Security.STARTTLS, description="starttls (never falls back), tls, or none (loopback)."
    )
    connections: int = Field(4, ge=1, le=100, description="Connections at once, a thread each.")
    connect_timeout: Duration = Field(
        timedelta(seconds=60), description="Longest wait for a connection to be made."
    )
    timeout: Duration = Field(
        timedelta(minutes=5),
        description="Longest wait for the greeting and for the reply to a command, and for 64 kB "
        "of a message to be taken (RFC 5321 §4.5.3.2.1 to .5).",
    )
    answer_timeout: Duration = Field(
        timedelta(minutes=10),
        description="Longest wait for the answer to a whole message; what has none by then is "
        "unknown (RFC 5321 §4.5.3.2.6: filters take their time).",
    )
    messages_per_connection: int = Field(
        100, ge=0, description="Then a connection is renewed; 0: never, for a local relay."
    )
    local_hostname: str | None = Field(None, description="Name said in EHLO.")
    ca_file: Path | None = Field(None, description="Own certificate authority (PEM).")
    pipelining: bool = Field(
        True, description="Send ahead where the server offers it (RFC 2920); false: never."
    )
    dkim_domain: str | None = Field(
        None, description="Signs each message for this domain (DKIM); none: the relay signs."
    )
    dkim_key_file: Path | None = Field(
        None, description="A 0600 PEM file with the private key; read anew when it changes."
    )
    dkim_selector: str | None = Field(
        None, description="Name of the key in DNS; none: the name of the key file without suffix."
    )

    @model_validator(mode="after")
    def _waits_for_something(self) -> Self:
        for name in ("connect_timeout", "timeout", "answer_timeout"):
            if getattr(self, name) <= timedelta(0):
                raise ValueError(f"{name} must be longer than nothing")
        return self

    @model_validator(mode="after")
    def _a_whole_signature(self) -> Self:
        if (self.dkim_domain is None) != (self.dkim_key_file is None):
            raise ValueError("dkim_domain and dkim_key_file belong together")
        return self


class SendgridPart(Part):
    """`[delivery.sendgrid]`: SendGrid's API."""

    api_key: SecretStr | None = Field(None, description="Better in the environment.")
    api_key_file: Path | None = Field(None, description="A 0600 file that holds the key.")
    host: Url | None = Field(None, description="Another host of the API; wins over region.")
    region: str = Field("global", pattern="^(global|eu)$", description="global or eu.")
    personalizations: int = Field(
        1000, ge=1, le=1000, description="Recipients in a call; fewer: fewer unknown if it is lost."
    )
    calls_in_flight: int = Field(4, ge=1, le=32, description="Calls at once.")
    timeout: Duration = Field(timedelta(seconds=30), description="Longest wait for an answer.")
    sandbox: bool = Field(False, description="Let SendGrid check and not deliver.")
    webhook_public_key: str | None = Field(
        None,
        description="Verification key of the signed event webhook, several with a space between "
        "while it is renewed; none: the webhook is off.",
    )


class WarmUpPart(Part):
    """`[delivery.warm_up]`: how many messages a day while a new sender gains its reputation."""

    start: date | None = Field(None, description="First day, in the newsletter's zone; none: off.")
    daily: tuple[int, ...] = Field(
        (50, 100, 500, 1000, 5000, 10_000, 20_000, 40_000, 70_000, 100_000),
        min_length=1,
        description="Messages on the first day, the second, and so on; behind the last: no limit.",
    )


class DeliveryPart(Part):
    """`[delivery]`: which provider, and how."""

    provider: ProviderName = Field(ProviderName.OUTBOX, description="outbox, smtp or sendgrid.")
    batch_size: int | None = Field(
        None, ge=1, le=10_000, description="Deliveries claimed together; none: the provider's own."
    )
    on_unknown: OnUnknown = Field(
        OnUnknown.HOLD, description="A lost answer: hold (you decide) or retry (once more)."
    )
    expires_after: Duration = Field(
        timedelta(hours=12), description="Then what has not left stays: yesterday's news."
    )
    lease: Duration = Field(
        timedelta(minutes=10),
        description="How long a claim holds; whoever is at work on it renews it.",
    )
    rate_per_second: float | None = Field(
        None, gt=0, description="Messages a second of the whole account; none: as fast as it goes."
    )
    per_domain: int = Field(
        0, ge=0, description="Messages on their way to one domain at once (SMTP); 0: no limit."
    )
    warm_up: WarmUpPart = WarmUpPart()
    outbox: OutboxPart = OutboxPart()
    smtp: SmtpPart = SmtpPart()
    sendgrid: SendgridPart = SendgridPart()


class BrakesPart(Part):
    """`[brakes]`: what pauses a campaign, or holds a domain, by itself."""

    hard_bounce_rate: float = Field(
        0.05, gt=0, le=1, description="More hard bounces than this share pause the campaign,"
    )
    hard_bounce_after: int = Field(
        200, ge=1, description="judged over so many of the first recipients (or the canary)."
    )
    canary: int = Field(0, ge=0, description="Recipients who get it first, alone; 0: none.")
    canary_wait: Duration = Field(
        timedelta(minutes=10), description="How long to wait before the canary is judged."
    )
    blocked_rate: float = Field(
        0.2, gt=0, le=1, description="More refusals than this share of a domain's last 50: hold it"
    )
    domain_hold: Duration = Field(timedelta(hours=1), description="for so long.")
    complaint_rate: float = Field(
        0.001, gt=0, le=1, description="More complaints than this share of those handed over pause,"
    )
    complaints_at_least: int = Field(3, ge=1, description="once there are so many of them.")


class NetworkPolicy(StrEnum):
    """What is kept of the network that a consent came from."""

    SHORTENED = "shortened"
    HASHED = "hashed"
    NONE = "none"


class SignupLimitsPart(Part):
    """`[web.limits]`: how often the public forms may be used (C17)."""

    per_network: int = Field(
        30, ge=1, description="Forms sent in an hour from one network (IPv4 /24, IPv6 /48)."
    )
    overall: int = Field(2000, ge=1, description="Forms sent in an hour by everybody together.")
    letters_per_hour: int = Field(
        1, ge=1, description="Letters to one mailbox in an hour; more are put off."
    )
    letters_per_window: int = Field(
        3, ge=1, description="Letters to one mailbox within letters_window; more are not written."
    )
    letters_window: Duration = Field(
        timedelta(days=3),
        description="Within this time letters to one mailbox count; at most as long as their links "
        "work.",
    )


class WebPart(Part):
    """`[web]`: the public pages that `newsletter serve` shows, and the file of signing keys."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0: any free one.")
    trusted_proxies: tuple[str, ...] = Field(
        ("127.0.0.1", "::1"),
        description="Proxies whose X-Forwarded-For and -Proto are believed: addresses, networks.",
    )
    privacy_url: Url | None = Field(None, description="Your privacy notice, linked from the form.")
    keep_network: NetworkPolicy = Field(
        NetworkPolicy.SHORTENED,
        description="What a consent keeps of where it came from: shortened (/24, /48), hashed, "
        "none.",
    )
    forget_unconfirmed: Duration = Field(
        timedelta(days=30), description="Who asked and never confirmed is forgotten after this."
    )
    secret_key_file: Path = Field(
        Path("newsletter.key"), description="Signing and suppression keys; back it up apart."
    )
    metrics: bool = Field(
        False, description="Show Prometheus metrics at /metrics; let no stranger reach it."
    )
    limits: SignupLimitsPart = SignupLimitsPart()
