"""What rendering hands on: an email with slots, the same for every recipient of a campaign.

It is plain data, so that the freeze can store it as JSON and a resumed campaign sends exactly
what was frozen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class SlotContext(StrEnum):
    """Where a slot stands, which decides how its value is escaped (F3)."""

    HTML = "html"
    """Element text or a quoted attribute: `&<>"'` escaped."""
    TEXT = "text"
    """The text part: as it is, without controls."""
    HEADER = "header"
    """The subject: as it is, without controls; RFC 2047 encoded afterwards."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of one merge value in the content.

    `tag` is what stands in the content: letters and digits only, fixed length, occurring nowhere
    else, no tag a prefix of another, so that it passes MJML, quoted-printable and SendGrid's
    substitutions unharmed. `field` is a merge field or one of `SYSTEM_FIELDS`.
    """

    tag: str
    field: str
    default: str
    context: SlotContext


UNSUBSCRIBE_URL = "unsubscribe_url"
PREFERENCES_URL = "preferences_url"
ACTION_URL = "action_url"
"""What a letter asks to be pressed, such as the link that confirms; no digest has it."""
SYSTEM_FIELDS = (UNSUBSCRIBE_URL, PREFERENCES_URL, ACTION_URL)
"""Values that the program fills itself; a digest or an import cannot set them."""


@dataclass(frozen=True, slots=True)
class EmailContent:
    """One rendered email, with slot tags where merge values go.

    `language` is a BCP 47 tag, `direction` `ltr` or `rtl`; `html` and `text` are Unicode with
    `\\n` line ends.
    """

    subject: str
    preheader: str
    html: str
    text: str
    slots: tuple[Slot, ...]
    language: str
    direction: str

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data; `from_json` gives the same content back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EmailContent:
        """Build the content that `to_json` wrote."""
        slots = tuple(
            Slot(s["tag"], s["field"], s["default"], SlotContext(s["context"]))
            for s in data["slots"]
        )
        return cls(**{**data, "slots": slots})


@dataclass(frozen=True, slots=True)
class ListIdentity:
    """What an email says about the list it belongs to, frozen with the campaign.

    `list_id` is the RFC 2919 identifier (`daily.news.example.org`), `title` its name for readers.
    `base_url` has no trailing slash. `archive_url` is the campaign's public page or None.
    """

    title: str
    list_id: str
    from_name: str
    from_email: str
    base_url: str
    postal_address: str
    timezone: str
    language: str
    reply_to: str | None = None
    contact: str | None = None
    reason: str | None = None
    archive_url: str | None = None
    unsubscribe_mailto: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data for the freeze."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ListIdentity:
        """Build the identity that `to_json` wrote."""
        return cls(**data)
