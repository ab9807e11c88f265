"""Where a campaign's public page lives: an address that anybody can guess, or one that nobody can.

Pure; who may be shown what at an address is decided in `newsletter.web.archive.issues`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from urllib.parse import quote

from newsletter.audience.keys import Keys
from newsletter.audience.lists import MailingList
from newsletter.audience.tokens import Purpose

FEEDS = ("feed.xml", "atom.xml", "feed.json")
"""What stands beside the issues of a list; a digest of such a name lives one folder further."""

_MAC_BYTES = 20
_TOKEN = re.compile(r"([1-9][0-9]{0,17})-([A-Za-z0-9_-]{27})")


def archive_url(
    base_url: str, keys: Keys, mailing_list: MailingList, slug: str, *, listed: bool
) -> str:
    """Return the address of a digest's page, as the mails name it.

    Listed digests of public lists stand in the archive. All others stand where only who was told
    the address finds them; another key of the same file makes another address, and both work (C5).
    """
    if listed and mailing_list.public:
        return base_url + archive_path(mailing_list.name, slug)
    return base_url + hidden_path(keys, mailing_list.id, slug)


def archive_path(list_name: str, slug: str) -> str:
    """Return the path of a listed digest."""
    folder = "/issue" if slug in FEEDS else ""
    return f"/archive/{list_name}{folder}/{quote(slug, safe='')}"


def hidden_path(keys: Keys, list_id: int, slug: str) -> str:
    """Return the path that only the newest signing key makes."""
    mac = _mac(keys.signing[-1], list_id, slug)
    return f"/issue/{list_id}-{mac}/{quote(slug, safe='')}"


def list_of_token(keys: Keys, token: str, slug: str) -> int | None:
    """Return the number of the list that a hidden address is for; None: it is none of ours."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    list_id = int(match[1])
    known = [
        hmac.compare_digest(_mac(key, list_id, slug), match[2]) for key in reversed(keys.signing)
    ]
    return list_id if any(known) else None


def is_in_archive(url: str | None, list_name: str, slug: str) -> bool:
    """Return whether an address that mails were frozen with is the one in the archive."""
    return url is not None and url.endswith(archive_path(list_name, slug))


def _mac(key: str, list_id: int, slug: str) -> str:
    """Return the MAC of a list and a slug, under a key that is good for nothing else (C5)."""
    own = hmac.digest(key.encode(), f"newsletter {Purpose.ARCHIVE}".encode(), hashlib.sha256)
    mac = hmac.digest(own, f"{list_id}/{slug}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(mac[:_MAC_BYTES]).rstrip(b"=").decode("ascii")
