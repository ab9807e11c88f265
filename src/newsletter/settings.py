"""Typed settings: `newsletter.toml`, each key overridable by the environment (E9).

`NEWSLETTER_DELIVERY__SMTP__PASSWORD` overrides `[delivery.smtp] password`. A wrong key, type or
value is a `ConfigurationError` that names the file, the key, and what was expected.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from newsletter.errors import ConfigurationError, Place

ENVIRONMENT_PREFIX = "NEWSLETTER_"
SETTINGS_FILE = "newsletter.toml"


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"unknown time zone {name!r}; use an IANA name like Europe/Paris"
        ) from None
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


Zone = Annotated[str, AfterValidator(_zone)]
Url = Annotated[str, AfterValidator(_url)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]


class _Part(BaseModel):
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


class NewsletterPart(_Part):
    """`[newsletter]`: who this newsletter is."""

    name: str = Field("Newsletter", min_length=1, max_length=200, description="Its name.")
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


class DatabasePart(_Part):
    """`[database]`: where the ledger lives."""

    url: str = Field(
        "sqlite:///newsletter.db", description="sqlite:///FILE (embedded) or postgresql://…"
    )


class SenderPart(_Part):
    """`[sender]`: the From of every list that has none of its own."""

    from_name: str = Field("", description="Display name; empty: the newsletter's name.")
    from_email: str = Field("", description="Address of the sender; required to send.")
    reply_to: str | None = Field(None, description="Where replies go.")
    unsubscribe_mailto: str | None = Field(
        None, description="Address for List-Unsubscribe by mail, beside the link."
    )


class OutboxPart(_Part):
    """`[delivery.outbox]`: the folder that receives `.eml` files."""

    directory: Path = Field(Path("outbox"), description="Folder, one file for each delivery.")


class SmtpPart(_Part):
    """`[delivery.smtp]`: an SMTP server that takes our mail."""

    host: str = Field("localhost", description="Name or address of the server.")
    port: int = Field(587, ge=1, le=65535, description="Its port: 587, 465 with tls, 25.")
    username: str | None = Field(None, description="For AUTH; none: no AUTH.")
    password: SecretStr | None = Field(None, description="Better in the environment.")
    password_file: Path | None = Field(None, description="A 0600 file that holds the password.")
    security: Security = Field(
        Security.STARTTLS, description="starttls (never falls back), tls, or none (loopback)."
    )
    connections: int = Field(4, ge=1, le=100, description="Connections at once, a thread each.")
    timeout: Duration = Field(timedelta(seconds=60), description="Longest wait for a reply.")
    messages_per_connection: int = Field(
        100, ge=0, description="Then a connection is renewed; 0: never, for a local relay."
    )
    local_hostname: str | None = Field(None, description="Name said in EHLO.")
    ca_file: Path | None = Field(None, description="Own certificate authority (PEM).")


class SendgridPart(_Part):
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


class DeliveryPart(_Part):
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
    lease: Duration = Field(timedelta(minutes=10), description="How long a claim holds.")
    outbox: OutboxPart = OutboxPart()
    smtp: SmtpPart = SmtpPart()
    sendgrid: SendgridPart = SendgridPart()


class WebPart(_Part):
    """`[web]`: the file of signing keys."""

    secret_key_file: Path = Field(
        Path("newsletter.key"), description="Signing and suppression keys; back it up apart."
    )


class Settings(BaseSettings):
    """All settings of one workspace; relative paths are relative to `root`."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
    )

    newsletter: NewsletterPart = NewsletterPart()
    database: DatabasePart = DatabasePart()
    sender: SenderPart = SenderPart()
    delivery: DeliveryPart = DeliveryPart()
    web: WebPart = WebPart()
    root: Path = Field(Path(), exclude=True)
    file: Path | None = Field(None, exclude=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, whose content comes in as arguments."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _one_batch_one_lease(self) -> Self:
        if self.delivery.lease < timedelta(seconds=30):
            raise ValueError("delivery.lease must be at least 30s")
        return self

    def path(self, relative: Path) -> Path:
        """Return a path of the settings as an absolute one."""
        return (self.root / relative).resolve()


def read_secret_file(path: Path) -> str:
    """Return the content of a secret file, stripped.

    Raises `ConfigurationError` when it is missing or may be read by others (E9).
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise ConfigurationError(
                f"the secret file may be read by others (mode {mode:04o})",
                where=Place(path),
                fix=f"chmod 600 {path}",
            )
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(
            f"the secret file cannot be read: {error.strerror}",
            where=Place(path),
            fix="create it with mode 0600, or correct the setting that names it",
        ) from None


def load_settings(config: Path | None = None) -> Settings:
    """Read `newsletter.toml` and the environment into checked settings.

    `config` wins over `NEWSLETTER_CONFIG`, which wins over `./newsletter.toml`; a missing default
    file means defaults. Raises `ConfigurationError`.
    """
    variable = os.environ.get("NEWSLETTER_CONFIG")
    named = config or (Path(variable) if variable else None)
    path = named or Path(SETTINGS_FILE)
    data: dict[str, Any] = {}
    if path.is_file():
        data = _read_toml(path)
    elif named is not None:
        raise ConfigurationError(
            "the settings file does not exist", where=Place(path), fix="run 'newsletter init'"
        )
    for reserved in ("root", "file"):
        if reserved in data:
            raise ConfigurationError(f"unknown key '{reserved}'", where=Place(path))
    try:
        return Settings(**data, root=path.parent.resolve(), file=path if path.is_file() else None)
    except ValidationError as error:
        raise _explain(error, path) from None
    except SettingsError as error:
        raise ConfigurationError(
            f"a variable of the environment cannot be read: {error}",
            fix="give plain values, one variable for each key: NEWSLETTER_DELIVERY__PROVIDER=smtp",
        ) from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        raise ConfigurationError(
            f"not valid TOML: {error}",
            where=Place(path, int(line[1]) if line else None),
            fix="correct the line; text values need quotation marks",
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(
            "not UTF-8 text", where=Place(path), fix="save the file as UTF-8"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=Place(path)) from None


def _explain(error: ValidationError, path: Path) -> ConfigurationError:
    first = error.errors()[0]
    dotted = ".".join(str(part) for part in first["loc"])
    variable = ENVIRONMENT_PREFIX + dotted.replace(".", "__").upper()
    where: Path | str = variable if variable in os.environ else path
    line = None if where == variable else _line_of(path, dotted)
    if first["type"] == "extra_forbidden":
        guess = _nearest(dotted)
        return ConfigurationError(
            f"unknown key '{dotted}'",
            where=Place(where, line),
            fix=f"did you mean '{guess}'?" if guess else "remove it; see docs/settings.md",
        )
    message = first["msg"].removeprefix("Value error, ")
    # A wrong value is repeated only where it cannot be a secret.
    secret = any(word in dotted for word in ("password", "api_key"))
    got = "" if secret or not dotted else f", got {first['input']!r:.80}"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return ConfigurationError(
        f"'{dotted or 'settings'}': {message[:1].lower()}{message[1:]}{got}{more}",
        where=Place(where, line),
        fix="correct the value; every key is described in docs/settings.md",
    )


def _all_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, info in model.model_fields.items():
        if prefix == "" and name in ("root", "file"):
            continue
        keys.append(prefix + name)
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            keys += _all_keys(info.annotation, f"{prefix}{name}.")
    return keys


def _nearest(dotted: str) -> str | None:
    keys = _all_keys(Settings)
    close = difflib.get_close_matches(dotted, keys, n=1, cutoff=0.6)
    if close:
        return close[0]
    last = dotted.rpartition(".")[2]
    return next((key for key in keys if key.rpartition(".")[2] == last), None)


def _line_of(path: Path, dotted: str) -> int | None:
    """Find the line of a dotted key in a TOML file, for the error message."""
    table, _, key = dotted.rpartition(".")
    current = ""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if header := re.fullmatch(r"\[\s*([^\]]+?)\s*\](?:\s*#.*)?", line):
            current = header[1]
            if current == dotted:
                return number
        elif current == table and re.match(rf"""["']?{re.escape(key)}["']?\s*=""", line):
            return number
    return None
