"""What the fake SendGrid refuses of `POST /v3/mail/send`, as the documented API would.

Three sieves, in the API's order: the size and JSON of a call, the schema of the calls that this
project makes (`sendgrid_schema.json`), and `RULES`, a row for each refusal that SendGrid documents
(the API reference of Mail Send, its page of errors, and its limitations). Where a document leaves
room, the fake takes the stricter reading: what it takes, the real one takes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
from email_validator import EmailNotValidError, validate_email

MOST_BYTES = 30_000_000
MOST_PEOPLE = 1_000
VALUE_BYTES = 10_000
"""Of a personalization's substitutions, and of its custom arguments."""
RESERVED = frozenset(
    (
        *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type"),
        *("content-transfer-encoding", "to", "from", "subject", "reply-to", "cc", "bcc"),
    )
)
HELP = "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html"
_FIELD_NAME = re.compile(r"[!-9;-~]+")
_BREAK = re.compile(r"[\r\n]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

Body = Mapping[str, Any]
Broken = Iterator[str]
"""The fields at which a body breaks a rule."""


class Refused(Exception):  # noqa: N818
    """A call is refused, with the status and body of the answer."""

    def __init__(self, message: str, *names: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "errors": [{"message": message, "field": n, "help": HELP} for n in names or (None,)]
        }


@dataclass(frozen=True)
class Rule:
    """One documented refusal: what the answer says, and the fields at which a body breaks it."""

    name: str
    message: str
    broken: Callable[[Body], Broken]


def people(body: Body) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, person in enumerate(body["personalizations"]):
        yield f"personalizations.{number}", person


def addresses(body: Body, *kinds: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for where, person in people(body):
        for kind in kinds or ("to", "cc", "bcc"):
            for number, one in enumerate(person.get(kind, ())):
                yield f"{where}.{kind}.{number}", one


def everybody(body: Body) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from addresses(body)
    for name in ("from", "reply_to"):
        if name in body:
            yield name, body[name]


def mappings(body: Body, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield name, body.get(name, {})
    for where, person in people(body):
        yield f"{where}.{name}", person.get(name, {})


def is_address(text: str) -> bool:
    """Return whether the API takes an address: ASCII, and sound by RFC 5322."""
    if not text.isascii() or len(text) > 254:
        return False
    try:
        validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True


def _no_person(body: Body) -> Broken:
    if not body["personalizations"]:
        yield "personalizations"


def _too_many_personalizations(body: Body) -> Broken:
    if len(body["personalizations"]) > MOST_PEOPLE:
        yield "personalizations"


def _too_many_recipients(body: Body) -> Broken:
    if sum(1 for _ in addresses(body)) > MOST_PEOPLE:
        yield "personalizations"


def _nobody_to(body: Body) -> Broken:
    yield from (f"{where}.to" for where, person in people(body) if not person["to"])


def _no_valid_address(body: Body) -> Broken:
    yield from (f"{where}.email" for where, one in everybody(body) if not is_address(one["email"]))


def _address_twice(body: Body) -> Broken:
    for where, person in people(body):
        named = [a["email"].lower() for k in ("to", "cc", "bcc") for a in person.get(k, ())]
        if len(named) != len(set(named)):
            yield where


def _break_in_a_name(body: Body) -> Broken:
    for where, one in everybody(body):
        if _CONTROL.search(one.get("name", "")):
            yield f"{where}.name"


def _no_subject(body: Body) -> Broken:
    if not body.get("subject") and not all(person.get("subject") for _, person in people(body)):
        yield "subject"


def _break_in_a_subject(body: Body) -> Broken:
    if _BREAK.search(body.get("subject", "")):
        yield "subject"
    for where, person in people(body):
        if _BREAK.search(person.get("subject", "")):
            yield f"{where}.subject"


def _no_content(body: Body) -> Broken:
    if not body["content"]:
        yield "content"


def _empty_content(body: Body) -> Broken:
    yield from (f"content.{n}.value" for n, part in enumerate(body["content"]) if not part["value"])


def _parameter_in_a_type(body: Body) -> Broken:
    for number, part in enumerate(body["content"]):
        if ";" in part["type"] or _BREAK.search(part["type"]):
            yield f"content.{number}.type"


def _no_type(body: Body) -> Broken:
    for number, part in enumerate(body["content"]):
        if not re.fullmatch(r"[\w.+-]+/[\w.+-]+", part["type"].partition(";")[0].strip()):
            yield f"content.{number}.type"


def _parts_out_of_order(body: Body) -> Broken:
    kinds = [part["type"] for part in body["content"]]
    wanted = [kind for kind in ("text/plain", "text/html") if kind in kinds]
    if [kind for kind in kinds if kind in wanted] != wanted or kinds[: len(wanted)] != wanted:
        yield "content"


def _reserved_header(body: Body) -> Broken:
    for where, headers in mappings(body, "headers"):
        yield from (f"{where}.{name}" for name in headers if name.lower() in RESERVED)


def _no_header_name(body: Body) -> Broken:
    for where, headers in mappings(body, "headers"):
        yield from (f"{where}.{name}" for name in headers if not _FIELD_NAME.fullmatch(name))


def _header_of_no_line(body: Body) -> Broken:
    for where, headers in mappings(body, "headers"):
        for name, value in headers.items():
            if isinstance(value, str) and (not value.isascii() or _CONTROL.search(value)):
                yield f"{where}.{name}"


def _no_strings(name: str) -> Callable[[Body], Broken]:
    def broken(body: Body) -> Broken:
        for where, values in mappings(body, name):
            yield from (f"{where}.{key}" for key, v in values.items() if not isinstance(v, str))

    return broken


def _too_large(name: str) -> Callable[[Body], Broken]:
    def broken(body: Body) -> Broken:
        for where, values in mappings(body, name):
            if sum(len(f"{key}{value}".encode()) for key, value in values.items()) > VALUE_BYTES:
                yield where

    return broken


def _tag_within_a_tag(body: Body) -> Broken:
    for where, values in mappings(body, "substitutions"):
        tags = sorted(values)
        for one, following in pairwise(tags):
            if following.startswith(one):
                yield f"{where}.{following}"


def _too_many_categories(body: Body) -> Broken:
    if len(body.get("categories", ())) > 10:
        yield "categories"


def _category_twice(body: Body) -> Broken:
    categories: Sequence[str] = body.get("categories", ())
    if len(set(categories)) != len(categories):
        yield "categories"


def _long_category(body: Body) -> Broken:
    for number, category in enumerate(body.get("categories", ())):
        if len(category) > 255:
            yield f"categories.{number}"


RULES: tuple[Rule, ...] = (
    Rule("no personalization", "You must have at least one personalization.", _no_person),
    Rule(
        "too many personalizations",
        "The personalization block is limited to 1000 personalizations per API request.",
        _too_many_personalizations,
    ),
    Rule(
        "too many recipients",
        "There is a limit of 1000 total recipients (to + cc + bcc) per request.",
        _too_many_recipients,
    ),
    Rule(
        "nobody to send to",
        "The to array is required for all personalization objects, and must have at least one "
        "email object with a valid email address.",
        _nobody_to,
    ),
    Rule("no valid address", "Does not contain a valid address.", _no_valid_address),
    Rule(
        "an address twice",
        "Each email address in the personalization block should be unique between to, cc, and bcc.",
        _address_twice,
    ),
    Rule(
        "a control in a name",
        "The name parameter cannot contain CRLF characters.",
        _break_in_a_name,
    ),
    Rule("no subject", "The subject is required.", _no_subject),
    Rule(
        "a line break in a subject",
        "The subject cannot contain CRLF characters.",
        _break_in_a_subject,
    ),
    Rule("no content", "There must be at least one defined content block.", _no_content),
    Rule(
        "empty content",
        "The content value must be a string at least one character in length.",
        _empty_content,
    ),
    Rule(
        "a parameter in a content type",
        "The content type cannot contain ';', or CRLF characters.",
        _parameter_in_a_type,
    ),
    Rule("no content type", "The content type must be a MIME type.", _no_type),
    Rule(
        "parts out of order",
        "If present, text/plain must be first, followed by text/html, followed by any other "
        "content, each once.",
        _parts_out_of_order,
    ),
    Rule("a reserved header", "You may not override this reserved header.", _reserved_header),
    Rule("no header name", "Header names must be printable ASCII.", _no_header_name),
    Rule(
        "a header that is no line of ASCII",
        "Header values must be ASCII and cannot contain CRLF characters.",
        _header_of_no_line,
    ),
    Rule("a header that is no string", "Header values must be strings.", _no_strings("headers")),
    Rule(
        "a substitution that is no string",
        "Substitution values must be strings.",
        _no_strings("substitutions"),
    ),
    Rule(
        "a custom argument that is no string",
        "Custom arg values must be strings.",
        _no_strings("custom_args"),
    ),
    Rule(
        "substitutions too large",
        "The substitutions are limited to 10000 bytes per personalization block.",
        _too_large("substitutions"),
    ),
    Rule(
        "custom arguments too large",
        "The custom args may not exceed 10000 bytes.",
        _too_large("custom_args"),
    ),
    Rule("a tag within a tag", "A substitution tag begins another one.", _tag_within_a_tag),
    Rule(
        "too many categories",
        "A request may not have more than 10 categories.",
        _too_many_categories,
    ),
    Rule("a category twice", "Categories must be unique.", _category_twice),
    Rule("a long category", "A category may not be longer than 255 characters.", _long_category),
)


@cache
def _schema() -> jsonschema.Draft202012Validator:
    path = Path(__file__).with_name("sendgrid_schema.json")
    return jsonschema.Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))


def refusals(body: Any) -> Iterator[Refused]:
    """Yield everything for which a parsed body is refused; the schema first."""
    wrong = False
    for error in _schema().iter_errors(body):
        wrong = True
        yield Refused(error.message[:300], ".".join(map(str, error.path)))
    if not wrong:
        for rule in RULES:
            if fields := list(rule.broken(body)):
                yield Refused(rule.message, *fields)


@dataclass(frozen=True)
class Rules:
    """`refuse`: addresses called invalid; `dislike`: addresses whose calls are refused without a
    word about whose fault it is; `most`: recipients of a call, above which it is 413.
    """

    refuse: frozenset[str] = frozenset()
    dislike: frozenset[str] = frozenset()
    most: int = MOST_PEOPLE

    def check(self, raw: bytes) -> dict[str, Any]:
        """Return the body of a call, or refuse it as the API would."""
        if len(raw) > MOST_BYTES:
            raise Refused("The request is larger than 30 MB.", status=413)
        try:
            body: dict[str, Any] = json.loads(raw)
        except ValueError:
            raise Refused("Bad Request") from None
        for refused in refusals(body):
            raise refused
        if invalid := [
            f"{where}.email" for where, one in addresses(body) if one["email"] in self.refuse
        ]:
            raise Refused("Does not contain a valid address.", *invalid)
        if len(body["personalizations"]) > self.most:
            raise Refused("The request is too large.", status=413)
        if any(one["email"] in self.dislike for _, one in addresses(body)):
            raise Refused("Bad Request")
        return body
