"""Reading `newsletter.toml`, each key overridable by the environment (E9).

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
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from newsletter.errors import ConfigurationError, Place
from newsletter.settings.check_part import CheckPart
from newsletter.settings.feedback_parts import AlertsPart, FeedbackPart
from newsletter.settings.parts import (
    BrakesPart,
    DatabasePart,
    DeliveryPart,
    NewsletterPart,
    SenderPart,
    WebPart,
)
from newsletter.settings.theme_part import ThemePart

ENVIRONMENT_PREFIX = "NEWSLETTER_"
SETTINGS_FILE = "newsletter.toml"


class Settings(BaseSettings):
    """All settings of one workspace; relative paths are relative to `root`."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
    )

    newsletter: NewsletterPart = NewsletterPart()
    theme: ThemePart = ThemePart()
    check: CheckPart = CheckPart()
    database: DatabasePart = DatabasePart()
    sender: SenderPart = SenderPart()
    delivery: DeliveryPart = DeliveryPart()
    brakes: BrakesPart = BrakesPart()
    feedback: FeedbackPart = FeedbackPart()
    alerts: AlertsPart = AlertsPart()
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
    whole_table = isinstance(first["input"], dict | BaseModel)
    got = "" if secret or whole_table or not dotted else f", got {first['input']!r:.80}"
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
