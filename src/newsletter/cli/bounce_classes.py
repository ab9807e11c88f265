"""`newsletter bounces classes`: the table of bounce classes, and which row decides for a reply."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.options import Json

if TYPE_CHECKING:
    from newsletter.cli.workspace import Workspace
    from newsletter.delivery.bounce_classes import BounceTable, StatusRule, TextRule
    from newsletter.settings import Settings

_VARIABLE = "NEWSLETTER_FEEDBACK__RULES"
_HEADER = re.compile(r"\s*\[\[\s*feedback\s*\.\s*rules\s*\]\]")
_REPLY = re.compile(
    r"\s*(?:([2-5]\d\d)(?=[\s-]|$)[\s-]*)?(?:#?([245]\.\d{1,3}\.\d{1,3})(?=[\s:]|$)[\s:]*)?(.*)",
    re.ASCII | re.DOTALL,
)
_LONGEST_WORDS = 44
"""Characters of a pattern that the table for people shows; --json has all of it."""

Reply = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[STATUS_OR_TEXT]", help='A status or a reply to explain: "550 5.7.1 blocked".'
    ),
]


def classes(context: typer.Context, reply: Reply = None, as_json: Json = False) -> None:
    """Show the table of bounce classes with your own rows, or which row decides for a reply."""
    from newsletter.delivery.bounce_classes import bounce_table

    workspace: Workspace = context.obj
    settings = workspace.settings
    table = bounce_table(settings.feedback.rules)
    rows = [
        {"order": order, **_row(rule), "from": origin}
        for order, (rule, origin) in enumerate(
            zip(table.rows(), _origins(settings, len(table.rows())), strict=True), start=1
        )
    ]
    if reply:
        _explain(table, rows, " ".join(reply), as_json=as_json)
    else:
        _list(rows, as_json=as_json)


def _list(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    from newsletter.cli.console import answer, answer_json, answer_table

    if as_json:
        answer_json({"rows": rows})
        return
    answer_table(
        ("order", "status", "words", "class", "what follows", "from", "example"),
        [
            (
                row["order"],
                row["status"],
                _words(row),
                row["class"],
                row["follows"],
                row["from"],
                row["example"],
            )
            for row in rows
        ],
    )
    answer("")
    answer("The first row that fits decides; a status that is missing is looked for in the text.")
    answer("Words of a blocked or soft row go before a status that is hard.")
    answer("Your own rows go first: [[feedback.rules]] with status, words and becomes.")


def _explain(table: BounceTable, rows: list[dict[str, Any]], reply: str, *, as_json: bool) -> None:
    from newsletter.cli.console import answer, answer_json

    code, status, text = _take_apart(reply)
    decision = table.decide(status, code, text)
    row = rows[table.rows().index(decision.rule)]
    if as_json:
        answer_json(
            {
                "code": code,
                "status": status,
                "text": text,
                "class": decision.becomes,
                "follows": row["follows"],
                "row": row,
            }
        )
        return
    answer(f"{decision.becomes}: {row['follows']}")
    answer(f"decided by row {row['order']} ({row['from']}): {row['status']} {_words(row)}".rstrip())


def _take_apart(reply: str) -> tuple[int | None, str | None, str]:
    match = _REPLY.fullmatch(reply)
    if match is None:
        return None, None, reply
    return int(match[1]) if match[1] else None, match[2], match[3]


def _row(rule: StatusRule | TextRule) -> dict[str, Any]:
    from newsletter.delivery.bounce_rules import FOLLOWS, StatusRule

    by_status = rule if isinstance(rule, StatusRule) else None
    return {
        "status": by_status.status if by_status else None,
        "words": rule.words or None,
        "words_first": by_status.vague if by_status else False,
        "class": rule.becomes,
        "follows": FOLLOWS[rule.becomes],
        "example": rule.example or None,
    }


def _words(row: dict[str, Any]) -> str:
    if row["words_first"]:
        return "(the words below first)"
    if row["words"] is None:
        return "" if row["status"] else "(anything else)"
    words = str(row["words"])
    return words if len(words) <= _LONGEST_WORDS else f"{words[: _LONGEST_WORDS - 1]}…"


def _origins(settings: Settings, count: int) -> list[str]:
    """Return where each row of the table stands: the operator's first."""
    own = len(settings.feedback.rules)
    return [*_places(settings, own), *["built in"] * (count - own)]


def _places(settings: Settings, own: int) -> list[str]:
    if any(name.upper() == _VARIABLE for name in os.environ):
        return [_VARIABLE] * own
    if settings.file is None:
        return ["settings"] * own
    lines = settings.file.read_text(encoding="utf-8").splitlines()
    headers = [number for number, line in enumerate(lines, start=1) if _HEADER.match(line)]
    if len(headers) == own:
        return [f"{settings.file.name}:{number}" for number in headers]
    return [settings.file.name] * own
