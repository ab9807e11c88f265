"""Finds what is ours in a mail that came back (D8): return path, links, Message-ID, Feedback-ID.

Anybody can write such a thing. Return paths and the tokens of links carry a proof, and only
`ReturnPaths` and `TokenSigner` with the operator's keys read them.
"""

from __future__ import annotations

import re

from newsletter.feedback.addresses import addresses_in
from newsletter.feedback.reading import Headers, Mail, text_headers
from newsletter.feedback.report_model import Identifiers, MessageName

_OUR_PATH = re.compile(r"b\+[0-9]{1,18}-[0-9]{1,18}-[0-9a-f]{20}@[a-z0-9.-]{1,255}", re.IGNORECASE)
_OUR_MESSAGE = re.compile(r"<([0-9]{1,18})\.([0-9]{1,18})\.([0-9a-f]{16,32})@[^<>\s@]{1,255}>")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,300}@[^<>\s]{1,255}>")
_SIGNED = r"\.?[A-Za-z0-9_-]{2,200}\.[A-Za-z0-9_-]{20,64}"
_WHOLE_SIGNED = re.compile(_SIGNED)
# As `rendering.mime` writes List-Unsubscribe: the page, and the subject of the mail (C1, C6).
_LEAVING = re.compile(rf"(?:/u/|[?&]subject=)({_SIGNED})(?=[>&?\s]|$)", re.IGNORECASE)
_ARRIVED_AT = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to", "received")
_RETURNED_PATH = ("return-path", "errors-to", "x-postfix-sender", "received")
_DELIVERED = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to")
_FOR = re.compile(r"\bfor <([^<>\s]{3,320})>")
_LONGEST_TRACE = 20_000
_MOST = 20


def find_identifiers(mail: Mail, *, envelope_id: str = "", sender: str = "") -> Identifiers:
    """Return every candidate, those of where the mail arrived first.

    `envelope_id` is the report's Original-Envelope-Id, `sender` an ARF Original-Mail-From.
    """
    returned = text_headers(mail.returned)
    places = [value for name in _ARRIVED_AT for value in mail.headers.all(name)]
    places += [value for name in _RETURNED_PATH for value in returned.all(name)]
    places += [sender, "\n".join(mail.statuses), mail.notice]
    paths = [path for place in places for path in _OUR_PATH.findall(place)]
    threads = [returned.first("message-id")]
    threads += [mail.headers.first(name) for name in ("in-reply-to", "references")]
    threads += ["\n".join(mail.feedback), mail.notice]
    ids = [one for place in threads for one in _MESSAGE_ID.findall(place)]
    named = [_OUR_MESSAGE.fullmatch(one) for one in ids]
    return Identifiers(
        return_paths=tuple(dict.fromkeys(path.lower() for path in paths))[:_MOST],
        messages=tuple(
            dict.fromkeys(MessageName(int(one[1]), int(one[2]), one[3]) for one in named if one)
        )[:_MOST],
        message_ids=tuple(dict.fromkeys(ids))[:_MOST],
        envelope_ids=(envelope_id,) if envelope_id else (),
        feedback_ids=returned.all("feedback-id")[:_MOST],
        tokens=_tokens(returned),
    )


def subject_token(mail: Mail) -> str:
    """Return the subject where it has the form of a token, as a mailto link writes it (C6)."""
    subject = mail.headers.first("subject").strip()
    return subject if _WHOLE_SIGNED.fullmatch(subject) else ""


def _tokens(returned: Headers) -> tuple[str, ...]:
    found = (
        token
        for value in returned.all("list-unsubscribe")[:_MOST]
        for token in _LEAVING.findall(value)
    )
    return tuple(dict.fromkeys(found))[:_MOST]


def arrived_at(mail: Mail) -> frozenset[str]:
    """Return the addresses, in lower case, that the mail itself went to."""
    names = ("to", "cc", "delivered-to", "x-original-to", "envelope-to", "x-apparently-to", "from")
    values = " ".join(value for name in names for value in mail.headers.all(name))
    return frozenset(address.lower() for address in addresses_in(values))


def sent_by(mail: Mail) -> frozenset[str]:
    """Return the addresses, in lower case, that the returned message came from."""
    returned = text_headers(mail.returned)
    names = ("from", "sender", "reply-to", "return-path", "errors-to", "list-post", "x-sender")
    values = " ".join(value for name in names for value in returned.all(name))
    return frozenset(address.lower() for address in addresses_in(values))


def went_to(mail: Mail) -> str:
    """Return the one address that the returned message went to; empty where that is not plain."""
    returned = text_headers(mail.returned)
    ours = sent_by(mail)
    traces = _FOR.findall(" ".join(returned.all("received"))[:_LONGEST_TRACE])
    places = [addresses_in(returned.first(name)) for name in ("to", *_DELIVERED)]
    for found in (*places, addresses_in(" ".join(traces))):
        theirs = [one for one in found if one.lower() not in ours]
        if len(theirs) == 1:
            return theirs[0]
    named = addresses_in(returned.first("to"))
    return named[0] if len(named) == 1 else ""
