"""What important mail clients lack, as measured by caniemail.com: read, and renewed on request.

The file beside this module travels with the program; nothing is fetched but by
`python -m newsletter.rendering.checks.client_data refresh FILE_OR_URL`.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from newsletter.errors import EXIT_DONE, EXIT_USAGE, ConfigurationError, NewsletterError, Place

SOURCE = "https://www.caniemail.com/api/data.json"
FILE = Path(__file__).with_name("client_features.json")
MOST_BYTES = 20_000_000

OUTLOOK_CLASSIC = "outlook-windows"

CLIENTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "gmail-web": ("Gmail", "web", ("gmail/desktop-webmail",)),
    "gmail-ios": ("Gmail", "iOS", ("gmail/ios",)),
    "gmail-android": ("Gmail", "Android", ("gmail/android",)),
    "apple-mail-macos": ("Apple Mail", "macOS", ("apple-mail/macos",)),
    "apple-mail-ios": ("Apple Mail", "iOS", ("apple-mail/ios",)),
    OUTLOOK_CLASSIC: ("Outlook", "classic for Windows", ("outlook/windows",)),
    "outlook-web": ("Outlook", "web", ("outlook/outlook-com",)),
    "outlook-macos": ("Outlook", "macOS", ("outlook/macos",)),
    "outlook-ios": ("Outlook", "iOS", ("outlook/ios",)),
    "outlook-android": ("Outlook", "Android", ("outlook/android",)),
    "yahoo-web": ("Yahoo", "web", ("yahoo/desktop-webmail",)),
    "yahoo-ios": ("Yahoo", "iOS", ("yahoo/ios",)),
    "yahoo-android": ("Yahoo", "Android", ("yahoo/android",)),
    "thunderbird": ("Thunderbird", "", ("thunderbird/windows", "thunderbird/macos")),
    "samsung": ("Samsung Email", "", ("samsung-email/android",)),
}
"""The clients that an email must work in (B1): family, platform, and their columns in the data."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature of HTML or CSS, when it was tested last, and who of `CLIENTS` lacks it."""

    slug: str
    title: str
    tested: str
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClientData:
    """The features that at least one important client lacks, by slug; `updated` is an ISO date."""

    updated: str
    features: Mapping[str, Feature]
    known: frozenset[str]
    """Every slug that was tested, also those that all clients have."""


@lru_cache(maxsize=1)
def load_client_data() -> ClientData:
    """Return the data that travel with the program."""
    document = json.loads(FILE.read_text(encoding="utf-8"))
    features = {
        slug: Feature(slug, row["title"], row["tested"], tuple(row["lacking"]))
        for slug, row in document["features"].items()
        if row["lacking"]
    }
    return ClientData(document["updated"], features, frozenset(document["features"]))


def client_names(clients: Sequence[str]) -> str:
    """Return the names of clients for people: `Gmail, Outlook (web, iOS)`."""
    platforms: dict[str, list[str]] = {}
    for client in clients:
        family, platform, _ = CLIENTS[client]
        platforms.setdefault(family, []).append(platform)
    whole = {family: sum(1 for f, _, _ in CLIENTS.values() if f == family) for family in platforms}
    return ", ".join(
        family if len(lacking) == whole[family] else f"{family} ({', '.join(lacking)})"
        for family, lacking in platforms.items()
    )


# ---------------------------------------------------------------- renewing


def compact(data: Mapping[str, Any], licence: str) -> dict[str, Any]:
    """Return the document of our file from caniemail's own (`api/data.json`).

    The newest test of a client counts; where it was never tested, nothing is claimed. Raises
    `ConfigurationError` for a document of another shape.
    """
    try:
        features = {
            str(entry["slug"]): {
                "title": str(entry["title"]).strip(),
                "tested": str(entry["last_test_date"]),
                "lacking": [
                    client
                    for client, (_, _, columns) in CLIENTS.items()
                    if _newest(entry["stats"], columns).startswith("n")
                ],
            }
            for entry in data["data"]
            if entry["category"] in ("css", "html", "image") and not entry["slug"].startswith("_")
        }
        updated = str(data["last_update_date"])[:10]
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"this is not caniemail's data: {type(error).__name__} {error}",
            fix=f"use the document of {SOURCE}",
        ) from None
    return {
        "source": "https://www.caniemail.com (github.com/hteumeuleu/caniemail)",
        "licence": licence,
        "updated": updated,
        "features": dict(sorted(features.items())),
    }


def _newest(stats: Mapping[str, Any], columns: Sequence[str]) -> str:
    for column in columns:
        family, _, platform = column.partition("/")
        if tests := (stats.get(family) or {}).get(platform):
            return str(list(tests.values())[-1])
    return ""


def refresh(source: str, file: Path = FILE) -> ClientData:
    """Write the file anew from a file or an https address, keeping its licence text.

    Raises `ConfigurationError` for what cannot be read, and leaves the file as it was then.
    """
    try:
        data = json.loads(_read(source))
        licence = json.loads(FILE.read_text(encoding="utf-8"))["licence"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(
            f"it cannot be read: {error}",
            where=Place(source),
            fix=f"name a file, or {SOURCE}",
        ) from None
    document = compact(data, licence)
    lines = [f"  {json.dumps(s)}: {json.dumps(r)}" for s, r in document.pop("features").items()]
    head = json.dumps(document, indent=1, ensure_ascii=False)[:-2]
    body = ",\n".join(lines)
    file.write_text(f'{head},\n "features": {{\n{body}\n }}\n}}\n', encoding="utf-8")
    load_client_data.cache_clear()
    return load_client_data()


def _read(source: str) -> bytes:
    if urlsplit(source).scheme != "https":
        return Path(source).read_bytes()
    # The operator typed the address, and only https is taken.
    with urllib.request.urlopen(source, timeout=60) as answer:  # noqa: S310
        data: bytes = answer.read(MOST_BYTES)
    return data


def main(words: Sequence[str]) -> int:
    """Run `refresh FILE_OR_URL`; returns the exit code."""
    if len(words) != 2 or words[0] != "refresh":
        sys.stderr.write(f"usage: refresh FILE_OR_URL, such as refresh {SOURCE}\n")
        return EXIT_USAGE
    try:
        data = refresh(words[1])
    except NewsletterError as error:
        sys.stderr.write(f"error: {error}\n  fix: {error.fix}\n")
        return error.exit_code
    sys.stdout.write(f"{FILE.name}: {len(data.known)} features, as of {data.updated}\n")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
