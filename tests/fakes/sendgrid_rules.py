"""What the fake SendGrid refuses, as the API would.

Bodies are held against SendGrid's own description of its API where it lies beside the checkout,
and always against the limits of F1.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

DESCRIPTION = Path(__file__).resolve().parents[3] / "shared" / "sendgrid" / "tsg_mail_v3.json"
RESERVED = frozenset(
    (
        *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type"),
        *("content-transfer-encoding", "to", "from", "subject", "reply-to", "cc", "bcc"),
    )
)


class Refused(Exception):  # noqa: N818
    """A call is refused, with the status and body of the answer."""

    def __init__(self, message: str, *names: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "errors": [{"message": message, "field": n, "help": None} for n in names or (None,)]
        }


@cache
def _schema() -> dict[str, Any] | None:
    if not DESCRIPTION.is_file():
        return None
    description = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
    body = description["components"]["requestBodies"]["PostMailSend"]
    schema = body["content"]["application/json"]["schema"]
    return {**schema, "components": description["components"]}


@dataclass(frozen=True)
class Rules:
    """`refuse`: addresses called invalid; `dislike`: addresses whose calls are refused without a
    word about whose fault it is; `most`: recipients of a call, above which it is 413.
    """

    refuse: frozenset[str] = frozenset()
    dislike: frozenset[str] = frozenset()
    most: int = 1000

    def check(self, raw: bytes) -> dict[str, Any]:
        """Return the body of a call, or refuse it as the API would."""
        if len(raw) > 30_000_000:
            raise Refused("the request is larger than 30 MB", status=413)
        try:
            body: dict[str, Any] = json.loads(raw)
        except ValueError:
            raise Refused("not JSON") from None
        if (schema := _schema()) is not None:
            validator = jsonschema.Draft202012Validator(schema)
            for error in validator.iter_errors(body):
                raise Refused(error.message[:300], ".".join(map(str, error.path)))
        people = body.get("personalizations") or []
        if not 1 <= len(people) <= 1000:
            raise Refused("1 to 1000 personalizations", "personalizations")
        if sum(len(p.get(k, [])) for p in people for k in ("to", "cc", "bcc")) > 1000:
            raise Refused("more than 1000 recipients", "personalizations")
        kinds = [part["type"].split(";")[0] for part in body.get("content") or []]
        if not kinds or kinds != sorted(kinds, key=["text/plain", "text/html"].index):
            raise Refused("text/plain goes before text/html", "content")
        if invalid := list(self._invalid(people)):
            raise Refused("Does not contain a valid address.", *invalid)
        for number, person in enumerate(people):
            self._check_person(person, f"personalizations.{number}")
        _check_headers(body.get("headers", {}), "headers")
        if len(people) > self.most:
            raise Refused("the request is too large", status=413)
        if any(p["to"][0]["email"] in self.dislike for p in people):
            raise Refused("Bad Request")
        return body

    def _invalid(self, people: Iterable[Mapping[str, Any]]) -> Iterator[str]:
        for number, person in enumerate(people):
            for place, to in enumerate(person["to"]):
                if to["email"] in self.refuse or to["email"].count("@") != 1:
                    yield f"personalizations.{number}.to.{place}.email"

    def _check_person(self, person: dict[str, Any], where: str) -> None:
        addresses = [a["email"].lower() for k in ("to", "cc", "bcc") for a in person.get(k, [])]
        if len(addresses) != len(set(addresses)):
            raise Refused("an address occurs twice in a personalization", where)
        for name in ("substitutions", "custom_args"):
            size = sum(len(f"{k}{v}".encode()) for k, v in person.get(name, {}).items())
            if size > 10_000:
                raise Refused(f"{name} exceed 10000 bytes", f"{where}.{name}")
        _check_headers(person.get("headers", {}), f"{where}.headers")


def _check_headers(headers: Mapping[str, Any], where: str) -> None:
    for name, value in headers.items():
        if name.lower() in RESERVED:
            raise Refused(f"the header {name} is reserved", where)
        if not isinstance(value, str) or not value.isascii() or "\n" in value or "\r" in value:
            raise Refused(f"the header {name} is no line of ASCII", where)
