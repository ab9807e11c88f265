"""Every error that a person may meet, with what is wrong, where, and what to do.

::

    NewsletterError            1  refused, or finished with problems
    ├── UsageError             2  the command's words are off
    ├── ConfigurationError     3  newsletter.toml, the environment, a key file, a template
    │   └── TemplateError      3  an operator's template does not render
    ├── ProviderError          4  the provider refuses us (account, credentials, TLS)
    ├── TryAgainLater         75  another process works, a server is away for now
    ├── DigestError            1  the digest cannot be read at all
    ├── RenderingError         1  the digest cannot become an email
    ├── AudienceError          1  a list, a subscriber, a token
    │   └── ImportRefused      1  a subscriber file that cannot be imported
    ├── DeliveryError          1  a campaign cannot do what was asked
    └── StorageError           1  the database cannot be read or written

The number is the exit code of the command line. One place prints errors: `newsletter.cli.app`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

EXIT_DONE = 0
EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_CONFIGURATION = 3
EXIT_PROVIDER = 4
EXIT_FAULT = 70
"""A fault of the program itself, which it did not expect (EX_SOFTWARE of sysexits.h)."""
EXIT_TRY_AGAIN = 75


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is wrong: a file, and in it a line or a row (both counted from 1)."""

    path: Path | str | None = None
    line: int | None = None
    row: int | None = None

    def __str__(self) -> str:
        parts = [str(self.path)] if self.path is not None else []
        if self.line is not None:
            parts.append(str(self.line) if parts else f"line {self.line}")
        if self.row is not None:
            parts.append(f"row {self.row}")
        return ":".join(parts)


class NewsletterError(Exception):
    """The base of all our errors: a problem, a place and a way out, in one or two lines."""

    exit_code = EXIT_REFUSED

    def __init__(self, problem: str, *, where: Place | None = None, fix: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where is not None and str(self.where) else ""
        return f"{place}{self.problem}"


class UsageError(NewsletterError):
    """The words of a command do not fit together."""

    exit_code = EXIT_USAGE


class ConfigurationError(NewsletterError):
    """A setting, a key file or a template is missing or wrong."""

    exit_code = EXIT_CONFIGURATION


class TemplateError(ConfigurationError):
    """A template in `templates/email/` does not render; the place names its own line."""


class ProviderError(NewsletterError):
    """The provider refuses our account or cannot be spoken to as configured."""

    exit_code = EXIT_PROVIDER


class TryAgainLater(NewsletterError):  # noqa: N818 - named for what the reader should do
    """Nothing is wrong that time does not mend: another sender works, a server is away."""

    exit_code = EXIT_TRY_AGAIN


class DigestError(NewsletterError):
    """A digest that cannot be read at all: missing, binary, not UTF-8, empty, too large."""


class RenderingError(NewsletterError):
    """A digest that was read but cannot become an email."""


class AudienceError(NewsletterError):
    """A list or a subscriber that does not exist, or may not be changed like this."""


class ImportRefused(AudienceError):  # noqa: N818 - the glossary says refusal
    """A subscriber file that is refused as a whole; nothing of it was written."""


class DeliveryError(NewsletterError):
    """A campaign that cannot do what was asked of it."""


class StorageError(NewsletterError):
    """The database cannot be opened, read or written."""
