"""Form bodies: read within limits, cleaned of what no database takes, and described for OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

FORM_FIELDS = 300
LONGEST_FIELD = 4096
TRAP = "website"
"""A field that people do not see; who fills it is a program."""
_FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass(frozen=True, slots=True)
class Form:
    """The fields that were sent, in their order."""

    fields: Mapping[str, tuple[str, ...]]

    def text(self, name: str) -> str:
        """Return a field without spaces around it; empty where it was not sent once."""
        values = self.fields.get(name, ())
        return values[0].strip() if len(values) == 1 else ""

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field."""
        return self.fields.get(name, ())


async def read_form(request: Request) -> Form:
    """Read a form of either encoding; anything else has no fields.

    Raises a 400 for broken bodies, files, and too many or too long fields.
    """
    try:
        data = await request.form(max_files=0, max_fields=FORM_FIELDS, max_part_size=LONGEST_FIELD)
    except (ValueError, LookupError):
        # A character set that is none, or cannot be read.
        raise HTTPException(400) from None
    fields: dict[str, tuple[str, ...]] = {}
    for name, value in data.multi_items():
        if isinstance(value, str):
            fields[_sound(name)] = (*fields.get(_sound(name), ()), _sound(value))
    return Form(fields)


async def read_any(request: Request) -> Form:
    """Read a form as `read_form` does; whatever cannot be read as one has no fields."""
    try:
        return await read_form(request)
    except HTTPException:
        return Form({})


def _sound(text: str) -> str:
    """Return a text that every database takes: no NUL, no half of a surrogate pair."""
    return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text)


def form_body(required: tuple[str, ...] = (), /, **fields: dict[str, Any]) -> dict[str, Any]:
    """Describe a form for OpenAPI; a field is a JSON schema."""
    schema = {
        "type": "object",
        "properties": {name.replace("__", "-"): kind for name, kind in fields.items()},
        "required": list(required),
    }
    content = {kind: {"schema": schema} for kind in _FORM_TYPES}
    return {"requestBody": {"required": True, "content": content}}


def one_of(*values: str) -> dict[str, Any]:
    """Describe a field that is one of a few words."""
    return {"type": "string", "enum": list(values)}


TEXT: dict[str, Any] = {"type": "string", "maxLength": LONGEST_FIELD}
TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
