"""`newsletter segments`: saved conditions on subscribers, looked at before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.options import Json
from newsletter.cli.workspace import Workspace

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from newsletter.audience.segment_model import Condition, Segment

app = typer.Typer(help="Segments: add, list, show, count, update, remove.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Short name, such as daily-eu.")]
Where = Annotated[
    str,
    typer.Option(
        "--where", metavar="CONDITION", help='Such as: tag = "beta" and joined within 30 days.'
    ),
]
OneList = Annotated[
    str | None, typer.Option("--list", "-l", help="Count on this list (default: on each).")
]
Sample = Annotated[int, typer.Option(help="Show so many of those it holds.", min=0, max=1000)]


@app.command()
def add(
    context: typer.Context,
    name: Name,
    where: Where,
    list_name: OneList = None,
    as_json: Json = False,
) -> None:
    """Save a condition under a name, and say how many it holds now."""
    from newsletter.audience.segments import add_segment

    workspace: Workspace = context.obj
    with workspace.database.write() as connection:
        made = add_segment(
            connection, workspace.clock.now(), name=name, text=where, actor=workspace.actor
        )
        document = _describe(workspace, connection, made, list_name)
    _print(document, as_json=as_json)


@app.command()
def update(
    context: typer.Context,
    name: Name,
    where: Where,
    list_name: OneList = None,
    as_json: Json = False,
) -> None:
    """Give a segment another condition; campaigns already frozen keep whom they have."""
    from newsletter.audience.segments import update_segment

    workspace: Workspace = context.obj
    with workspace.database.write() as connection:
        changed = update_segment(
            connection, workspace.clock.now(), name=name, text=where, actor=workspace.actor
        )
        document = _describe(workspace, connection, changed, list_name)
    _print(document, as_json=as_json)


@app.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List the segments with their conditions."""
    from newsletter.audience.segments import list_segments
    from newsletter.cli.console import answer_json, answer_table, say

    workspace: Workspace = context.obj
    with workspace.database.read() as connection:
        found = list_segments(connection)
    if as_json:
        answer_json([_head(segment) for segment in found])
    elif found:
        answer_table(
            ("segment", "changed", "condition"), [(s.name, s.updated_at, s.text) for s in found]
        )
    else:
        say("no segments yet: newsletter segments add NAME --where CONDITION")


@app.command()
def show(
    context: typer.Context,
    name: Name,
    list_name: OneList = None,
    sample: Sample = 0,
    as_json: Json = False,
) -> None:
    """Show a segment: its condition, how many it holds now, and some of them."""
    from newsletter.audience.segments import get_segment

    workspace: Workspace = context.obj
    with workspace.database.read() as connection:
        found = get_segment(connection, name)
        document = _describe(workspace, connection, found, list_name, sample=sample)
    _print(document, as_json=as_json)


@app.command()
def count(
    context: typer.Context,
    where: Where,
    list_name: OneList = None,
    sample: Sample = 0,
    as_json: Json = False,
) -> None:
    """Say how many a condition holds, without saving it."""
    from newsletter.audience.segment_parser import parse_condition

    workspace: Workspace = context.obj
    condition = parse_condition(where)
    with workspace.database.read() as connection:
        found = _holds(workspace, connection, condition, list_name, sample=sample)
    _print({"condition": where.strip(), "reads": str(condition), **found}, as_json=as_json)


@app.command()
def remove(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Forget a segment; campaigns keep its name and condition."""
    from newsletter.audience.segments import remove_segment
    from newsletter.cli.console import answer, answer_json

    workspace: Workspace = context.obj
    with workspace.database.write() as connection:
        gone = remove_segment(connection, workspace.clock.now(), name=name, actor=workspace.actor)
    if as_json:
        answer_json({"segment": gone.name, "removed": True})
    else:
        answer(f"segment '{gone.name}' is removed")


def _head(segment: Segment) -> dict[str, Any]:
    return {
        "segment": segment.name,
        "condition": segment.text,
        "reads": str(segment.condition),
        "created_at": segment.created_at,
        "updated_at": segment.updated_at,
    }


def _describe(
    workspace: Workspace,
    connection: Connection,
    segment: Segment,
    list_name: str | None,
    *,
    sample: int = 0,
) -> dict[str, Any]:
    found = _holds(workspace, connection, segment.condition, list_name, sample=sample)
    return {**_head(segment), **found}


def _holds(
    workspace: Workspace,
    connection: Connection,
    condition: Condition,
    list_name: str | None,
    *,
    sample: int = 0,
) -> dict[str, Any]:
    """Count a condition on one list or on each, with what looks wrong and, if asked, a sample."""
    from dataclasses import asdict

    from newsletter.audience.lists import count_active, get_list, list_lists
    from newsletter.audience.segment_sql import segment_filter
    from newsletter.audience.segments import doubts, sample_of

    now, rows = workspace.clock.now(), []
    for found in [get_list(connection, list_name)] if list_name else list_lists(connection):
        zone = found.timezone or workspace.settings.newsletter.timezone
        chosen = segment_filter(connection, condition, found.id, now, zone=zone)
        row: dict[str, Any] = {
            "list": found.name,
            "matching": count_active(connection, found.id, now, chosen),
            "active": count_active(connection, found.id, now),
        }
        if sample:
            drawn = sample_of(connection, found.id, now, chosen, size=sample)
            row["sample"] = [asdict(member) for member in drawn]
        rows.append(row)
    return {"lists": rows, "warnings": doubts(connection, condition)}


def _print(document: dict[str, Any], *, as_json: bool) -> None:
    from newsletter.cli.console import answer, answer_json, answer_table, say

    for warning in document["warnings"]:
        say(f"warning: {warning}")
    if as_json:
        answer_json(document)
        return
    answer(" ".join(part for part in (document.get("segment"), document["reads"]) if part))
    for row in document["lists"]:
        answer(f"  {row['list']}: {row['matching']} of {row['active']} active subscribers")
        if row.get("sample"):
            columns = ("address", "name", "timezone", "language")
            members = row["sample"]
            answer_table(columns, [[member[column] for column in columns] for member in members])
    if not document["lists"]:
        say("no lists yet: newsletter lists create NAME")
