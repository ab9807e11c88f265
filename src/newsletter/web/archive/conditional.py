"""Answers that a browser or a feed reader may have already: ETag, Last-Modified, 304.

RFC 9110 §13; only for pages that are nobody's own.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from starlette.requests import Request
from starlette.responses import Response

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_LONGEST_HEADER = 2000
_SAID_AGAIN = ("cache-control", "vary", "x-robots-tag", "etag", "last-modified")


def tag_of(body: bytes) -> str:
    """Return the entity tag of a body."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def unless_known(
    request: Request, response: Response, changed: datetime | None = None, *, tag: str | None = None
) -> Response:
    """Return a page with its tag, or 304 where who asks has it already.

    `changed`: since when it is as it is, as far as this process knows.
    """
    response.headers["ETag"] = tag = tag or tag_of(bytes(response.body))
    if changed is not None:
        changed = changed.astimezone(UTC).replace(microsecond=0)
        response.headers["Last-Modified"] = format_datetime(changed, usegmt=True)
    if not _knows(request, tag, changed):
        return response
    headers = {name: value for name in _SAID_AGAIN if (value := response.headers.get(name))}
    return Response(status_code=304, headers=headers)


def _knows(request: Request, tag: str, changed: datetime | None) -> bool:
    known = request.headers.get("if-none-match")
    if known is not None:
        # Compared weakly, and the date beside it is not looked at (RFC 9110 §13.1.2, §13.1.3).
        return known.strip() == "*" or tag in _TAG.findall(known[:_LONGEST_HEADER])
    since = request.headers.get("if-modified-since")
    if since is None or changed is None:
        return False
    try:
        asked = parsedate_to_datetime(since[:_LONGEST_HEADER])
        return changed <= (asked if asked.tzinfo else asked.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return False
