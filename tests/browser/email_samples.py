"""The emails that are held to the standards of the reader: sample digests and letters, rendered.

They go the way of a real send: settings, list, digest file, render, merge for one reader.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from newsletter.delivery.preparing import list_identity, prepare
from newsletter.rendering.content import EmailContent, ListIdentity
from newsletter.rendering.letter_words import LetterForm
from newsletter.rendering.letters import format_until, render_letter
from newsletter.rendering.merge import merge
from newsletter.rendering.mime import MessageTemplate
from newsletter.rendering.theme import theme_of
from newsletter.settings import Settings
from newsletter.settings.parts import NewsletterPart, SenderPart
from newsletter.settings.theme_part import ThemePart

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT.parent / "shared" / "digests" / "2026-05-07.md"
THEMES = ("paper", "plain")
LETTERS = (
    *(("confirm", "en"), ("confirm", "he"), ("already", "de"), ("new_address", "en")),
    ("moved", "he"),
)
"""Each form, and languages of both directions."""
_TOKEN = "WzEyMzQ1Niw3LDEyMzQ1Njc4XQ.Abcdefghijklmnopqrstuvwxyz1"
_AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
VALUES = {
    "name": "Ada Lovelace",
    "first_name": "Ada",
    "email": "ada@example.org",
    "unsubscribe_url": f"https://news.example.org/u/{_TOKEN}",
    "preferences_url": f"https://news.example.org/p/{_TOKEN}",
    "action_url": f"https://news.example.org/c/{_TOKEN}",
    "link_until": format_until(_AT, "Europe/Paris", "en"),
    "new_address": "a…@example.net",
}


@dataclass(frozen=True, slots=True)
class Email:
    """One email as one reader gets it; `name` is fit for a file name."""

    name: str
    html: str
    letter: bool


def settings_of(theme: str) -> Settings:
    """Return the settings of a newsletter that is complete enough to send."""
    return Settings(
        newsletter=NewsletterPart(
            name="The Daily Example",
            base_url="https://news.example.org",
            timezone="Europe/Paris",
            postal_address="12 Harbour Street, Aldermouth AM1 2CD",
            contact="hello@news.example.org",
            templates=Path("/nowhere"),
        ),
        sender=SenderPart(from_name="The Daily Example", from_email="daily@news.example.org"),
        theme=ThemePart(name=theme),
    )


def digests() -> dict[str, Path]:
    """Return the sample digests by name, and the reference digest where it lies beside."""
    found = [
        *sorted((ROOT / "tests" / "digests").glob("*.md")),
        *sorted((ROOT / "digests").glob("*.md")),
    ]
    if REFERENCE.is_file():
        found.append(REFERENCE)
    return {path.stem: path for path in found if path.name != "README.md"}


def names() -> list[str]:
    """Return the names of all emails, digests first, for `email_named`."""
    return [*digests(), *(f"letter-{form}-{language}" for form, language in LETTERS)]


@cache
def email_named(name: str, theme: str) -> Email:
    """Render one of `names` with a theme and merge it for one reader."""
    if name.startswith("letter-"):
        form, _, language = name.removeprefix("letter-").rpartition("-")
        content = _letter(LetterForm(form), language, theme)
    else:
        content, _ = _digest(digests()[name], theme)
    return Email(name, merge(content, VALUES).html, name.startswith("letter-"))


def message_of(name: str, theme: str) -> bytes:
    """Return a digest as the whole message that goes over the wire to one reader."""
    content, identity = _digest(digests()[name], theme)
    template = MessageTemplate(content, identity, campaign=7, salt="k3v9q2m8x4")
    return template.build(
        subscriber=41, address="ada@example.org", name="Ada Lovelace", values=VALUES, at=_AT
    )


def _digest(path: Path, theme: str) -> tuple[EmailContent, ListIdentity]:
    prepared = prepare(path, settings_of(theme), None, (), archive_url=_archive_url)
    assert prepared.content is not None, prepared.findings
    return prepared.content, prepared.identity


def _archive_url(slug: str) -> str:
    return f"https://news.example.org/archive/daily/{slug}"


def _letter(form: LetterForm, language: str, theme: str) -> EmailContent:
    settings = settings_of(theme)
    identity = replace(list_identity(settings, None), language=language)
    return render_letter(
        form,
        identity,
        templates=Path("/nowhere"),
        language=language,
        theme=theme_of(settings.theme),
    )


def write_all(folder: Path) -> Iterator[Path]:
    """Write every email in every theme as a file, for other programs to judge."""
    folder.mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        for name in names():
            path = folder / f"{name}.{theme}.html"
            path.write_text(email_named(name, theme).html, encoding="utf-8")
            yield path


if __name__ == "__main__":
    for written in write_all(Path(sys.argv[1])):
        print(written)
