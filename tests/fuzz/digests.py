"""The whole way of one digest: from a file to a message, a page, a feed's entry and a search."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from newsletter.delivery.preparing import prepare
from newsletter.delivery.proofs import render_proof
from newsletter.digest.model import is_blank
from newsletter.errors import NewsletterError
from newsletter.rendering.feed_entry import write_entry
from newsletter.rendering.page import description_of, write_page
from newsletter.settings import Settings
from newsletter.web.archive.search import plain_of

AT = datetime(2026, 11, 24, 6, tzinfo=UTC)
HOME = "https://news.example.org"
SETTINGS = Settings.model_validate(
    {
        "newsletter": {"name": "Fuzz", "base_url": HOME, "postal_address": "1 Sample Street"},
        "sender": {"from_email": "digest@news.example.org"},
    }
)


def whole_way(text: str, folder: Path) -> bool:
    """Take a digest the whole way; return whether it became a message.

    What a digest says wrongly is a finding, or one of our own errors; any other exception is a
    fault of the program.
    """
    path = folder / "digest.md"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        prepared = prepare(path, SETTINGS, None, ())
    except NewsletterError:
        return False
    if not is_blank(prepared.digest.title):
        write_page(prepared.digest, "en", home=HOME, back="Back")
    write_entry(prepared.digest, "en", page_url=f"{HOME}/archive/daily/digest")
    description_of(prepared.digest)
    plain_of(text)
    if prepared.content is None:
        return False
    try:
        render_proof(prepared, name="Ada Example", at=AT)
    except NewsletterError:
        return False
    return True
