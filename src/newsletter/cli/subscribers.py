"""`newsletter subscribers`: who is on a list, how they came, and letting them go."""

from __future__ import annotations

from dataclasses import asdict
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.importing import export, import_
from newsletter.cli.options import Consent, Json, ListName, read_pairs
from newsletter.cli.subscriber_changes import Address, erase, pause, resume, update
from newsletter.cli.workspace import Workspace

if TYPE_CHECKING:
    from newsletter.audience.story import Story

app = typer.Typer(help="Subscribers: import, add, show, change, export, pause, unsubscribe, erase.")

app.command("import")(import_)
for _command in (export, update, pause, resume, erase):
    app.command()(_command)


@app.command()
def add(
    context: typer.Context,
    address: Address,
    list_name: ListName,
    name: Annotated[str | None, typer.Option(help="Name of the subscriber.")] = None,
    consent: Consent = None,
    attribute: Annotated[
        list[str] | None, typer.Option("--attribute", metavar="FIELD=VALUE", help="Repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add one subscriber to a list; who left comes back only with a new --consent."""
    from newsletter.audience.address import parse_address
    from newsletter.audience.subscribers import add_subscriber
    from newsletter.cli.console import answer, answer_json

    workspace: Workspace = context.obj
    parsed = parse_address(address)
    mailing_list, keys = workspace.mailing_list(list_name), workspace.keys
    with workspace.database.write() as connection:
        added = add_subscriber(
            connection,
            parsed,
            mailing_list.id,
            keys,
            workspace.clock.now(),
            name=name,
            consent=consent,
            attributes=read_pairs(attribute or []),
            actor=workspace.actor,
        )
    if as_json:
        answer_json({"address": parsed.text, "list": list_name, "result": added.value})
    else:
        answer(f"{parsed.text}: {added.value.replace('_', ' ')} ({list_name})")


@app.command()
def show(context: typer.Context, address: Address, as_json: Json = False) -> None:
    """Show the story of one address: lists, consent, what was sent, what came back, and why.

    Also of an address that is only suppressed, or only named by something that came back.
    """
    from newsletter.audience.address import parse_address
    from newsletter.audience.story import story_of
    from newsletter.cli.console import answer, answer_json, answer_table
    from newsletter.cli.stories import event_lines, story_lines
    from newsletter.delivery.reports import deliveries_of
    from newsletter.feedback.report_text import one_line

    workspace: Workspace = context.obj
    parsed = parse_address(address)
    with workspace.database.read() as connection:
        story = story_of(connection, parsed, workspace.keys)
        sent = deliveries_of(connection, story.subscriber) if story.subscriber else []
    if as_json:
        answer_json({**_document(story), "deliveries": [asdict(row) for row in sent]})
        return
    for line in story_lines(story, width=get_terminal_size((80, 24)).columns):
        answer(line)
    if sent:
        answer("")
        answer("campaigns, the newest first")
        answer_table(
            ("delivery", "digest", "state", "reason", "sent", "answer"),
            [
                (r.delivery, r.digest, r.state, r.reason, r.claimed_at, one_line(r.answer or "-"))
                for r in sent
            ],
        )
    for line in event_lines(story.events, width=get_terminal_size((80, 24)).columns):
        answer(line)


def _document(story: Story) -> dict[str, Any]:
    """Return the story as JSON data, with the command that lifts a suppression."""
    from newsletter.cli.stories import lifting_command

    document = asdict(story)
    if story.suppression is not None:
        document["suppression"]["lifted_by"] = lifting_command(story)
    return document


@app.command()
def unsubscribe(
    context: typer.Context,
    address: Address,
    list_name: Annotated[
        str | None, typer.Option("--list", "-l", help="Only from this list (default: from all).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Unsubscribe an address, at once, also from campaigns that are being sent."""
    from newsletter.audience.address import parse_address
    from newsletter.audience.consent import Origin
    from newsletter.audience.subscribers import find_subscriber
    from newsletter.audience.subscribers import unsubscribe as leave
    from newsletter.cli.console import answer, answer_json

    workspace: Workspace = context.obj
    parsed = parse_address(address)
    list_id = workspace.mailing_list(list_name).id if list_name else None
    with workspace.database.write() as connection:
        subscriber = find_subscriber(connection, parsed)
        left = leave(connection, subscriber.id, list_id, workspace.clock.now(), Origin("operator"))
    if as_json:
        answer_json({"address": parsed.text, "unsubscribed": left})
    else:
        answer(f"{parsed.text} left " + (f"{left} lists" if left != 1 else "1 list"))
