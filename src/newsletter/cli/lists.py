"""`newsletter lists`: named audiences, each with its own sender and words."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from newsletter.cli.options import Json
from newsletter.cli.workspace import Workspace
from newsletter.errors import AudienceError

app = typer.Typer(help="Lists: create, list, show, update, form.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Short name, such as daily.")]
Title = Annotated[str | None, typer.Option(help="What readers see, such as 'The Daily'.")]
FromName = Annotated[str | None, typer.Option(help="Display name of the sender.")]
FromEmail = Annotated[str | None, typer.Option(help="Address of the sender.")]
ReplyTo = Annotated[str | None, typer.Option(help="Where replies go.")]
Language = Annotated[str | None, typer.Option(help="Language tag, such as en or pt-BR.")]
Timezone = Annotated[str | None, typer.Option(help="IANA zone, such as Europe/Paris.")]
Reason = Annotated[str | None, typer.Option(help="Why the reader gets it; shown in the footer.")]
Public = Annotated[
    bool | None,
    typer.Option("--public/--private", help="Whether anybody may ask to join it by its page."),
]
ListId = Annotated[str | None, typer.Option(help="RFC 2919 List-Id; keep it stable.")]


@app.command()
def create(
    context: typer.Context,
    name: Name,
    title: Title = None,
    from_name: FromName = None,
    from_email: FromEmail = None,
    reply_to: ReplyTo = None,
    language: Language = None,
    timezone: Timezone = None,
    reason: Reason = None,
    list_id: ListId = None,
    public: Public = None,
    as_json: Json = False,
) -> None:
    """Create a list; what is not given comes from the settings."""
    from newsletter.audience.lists import create_list

    workspace: Workspace = context.obj
    with workspace.database.write() as connection:
        created = create_list(
            connection,
            workspace.clock.now(),
            name=name,
            title=title or name.replace("-", " ").title(),
            base_url=workspace.settings.newsletter.base_url,
            actor=workspace.actor,
            from_name=from_name,
            from_email=from_email,
            reply_to=reply_to,
            language=language,
            timezone=timezone,
            reason=reason,
            list_id=list_id,
            public=public,
        )
    _print(workspace, created.name, as_json=as_json)


@app.command()
def update(
    context: typer.Context,
    name: Name,
    title: Title = None,
    from_name: FromName = None,
    from_email: FromEmail = None,
    reply_to: ReplyTo = None,
    language: Language = None,
    timezone: Timezone = None,
    reason: Reason = None,
    list_id: ListId = None,
    public: Public = None,
    as_json: Json = False,
) -> None:
    """Change what is given of a list; campaigns already frozen keep what they had."""
    from newsletter.audience.lists import update_list

    given = {
        "title": title,
        "from_name": from_name,
        "from_email": from_email,
        "reply_to": reply_to,
        "language": language,
        "timezone": timezone,
        "reason": reason,
        "list_id": list_id,
        "public": public,
    }
    workspace: Workspace = context.obj
    with workspace.database.write() as connection:
        update_list(
            connection,
            workspace.clock.now(),
            name,
            {key: value for key, value in given.items() if value is not None},
            actor=workspace.actor,
        )
    _print(workspace, name, as_json=as_json)


@app.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List the lists with their numbers of subscribers."""
    from newsletter.audience.lists import count_by_status, list_lists
    from newsletter.cli.console import answer_json, answer_table, say

    workspace: Workspace = context.obj
    with workspace.database.read() as connection:
        rows = [
            {**asdict(found), **count_by_status(connection, found.id)}
            for found in list_lists(connection)
        ]
    if as_json:
        answer_json(rows)
    elif rows:
        columns = ("name", "title", "public", "active", "pending", "paused", "unsubscribed")
        answer_table(columns, [[_word(row[column]) for column in columns] for row in rows])
    else:
        say("no lists yet: newsletter lists create NAME")


@app.command()
def show(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Show one list: its sender, its words, its subscribers by status.

    Of the active ones, `suppressed` get nothing.
    """
    _print(context.obj, name, as_json=as_json)


def _print(workspace: Workspace, name: str, *, as_json: bool) -> None:
    from newsletter.audience.lists import count_by_status, count_suppressed
    from newsletter.cli.console import answer, answer_json

    found = workspace.mailing_list(name)
    with workspace.database.read() as connection:
        document: dict[str, Any] = {**asdict(found), **count_by_status(connection, found.id)}
        document["suppressed"] = count_suppressed(connection, workspace.keys, found.id)
    if as_json:
        answer_json(document)
        return
    for key, value in document.items():
        if value is not None:
            answer(f"{key.replace('_', ' '):<14}{_word(value)}")


def _word(value: object) -> object:
    return ("no", "yes")[value] if isinstance(value, bool) else value


@app.command()
def form(context: typer.Context, name: Name) -> None:
    """Print a list's sign-up form as plain HTML, to put into any page of yours."""
    from newsletter.cli.console import answer
    from newsletter.web.embedding import embed_form

    workspace: Workspace = context.obj
    general = workspace.settings.newsletter
    mailing_list = workspace.mailing_list(name)
    if not mailing_list.public:
        raise AudienceError(
            f"list '{name}' is private: nobody can join it by a form",
            fix=f"newsletter lists update {name} --public",
        )
    answer(embed_form(mailing_list, general.base_url, general.name, general.language).rstrip())
