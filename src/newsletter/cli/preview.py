"""`newsletter preview`: a local page that shows a digest as readers get it, while it is written."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.options import OptionalListName, Yes, confirm
from newsletter.cli.workspace import Workspace
from newsletter.errors import NewsletterError, UsageError

if TYPE_CHECKING:
    from newsletter.storage.database import Database
    from newsletter.web.preview.looks import Look
    from newsletter.web.preview.showing import Showcase

DEFAULT_PORT = 8010


def preview(
    context: typer.Context,
    digest: Annotated[
        str, typer.Argument(metavar="[DIGEST]", help="A file, a slug or date, or 'latest'.")
    ] = "latest",
    list_name: OptionalListName = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port; 0: any free one.")
    ] = DEFAULT_PORT,
    open_browser: Annotated[
        bool | None,
        typer.Option("--open/--no-open", help="Open it in the browser (default: on a desktop)."),
    ] = None,
    address: Annotated[
        str | None, typer.Option("--as", metavar="ADDRESS", help="As this subscriber gets it.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Show a digest in the browser as readers will get it, and follow each change of it.

    Phone and desktop, light and dark, as text, without images, as any subscriber, with the findings
    beside it. Changes nothing and sends nothing; runs until Ctrl-C.
    """
    import socket

    from newsletter.cli.console import answer, say
    from newsletter.cli.page_server import Ending, PageServer, listen, url_of
    from newsletter.delivery.preparing import is_loopback
    from newsletter.web.preview.app import create_preview
    from newsletter.web.preview.guarding import host_check, new_path

    workspace: Workspace = context.obj
    showcase = _showcase(workspace, digest, list_name, address)
    if not is_loopback(host):
        say(f"warning: on {host} others in the network can reach it; its path is the only secret")
        confirm("Show the preview to the network?", yes=yes)
    path = new_path()
    machine = socket.gethostname()
    listening = listen(host, port)
    ending = Ending()
    with listening, ending.taking_signals():
        made = create_preview(
            showcase, workspace.clock, path=path, is_ours=host_check(host, machine)
        )
        ending.add(made.end, made.end)
        server = PageServer(made.app, [], ending)
        address_shown = _reachable(url_of(listening), machine)
        answer(f"{address_shown}/{path}/")
        sys.stdout.flush()
        say("shows only, sends nothing; Ctrl-C ends it")
        if _wants_browser() if open_browser is None else open_browser:
            import webbrowser

            webbrowser.open(f"{address_shown}/{path}/")
        server.run(sockets=[listening])
    say(f"the preview at {address_shown} has ended")


def _showcase(
    workspace: Workspace, digest: str, list_name: str | None, address: str | None
) -> Showcase:
    from newsletter.digest.library import LATEST, find_digest
    from newsletter.settings import load_settings
    from newsletter.web.preview.showing import GIVEN, Showcase

    settings = workspace.settings
    library = settings.path(settings.newsletter.digests)
    found = find_digest(digest, library)
    start, given = found.name, None
    if digest.strip().casefold() == LATEST:
        start = LATEST
    elif found.resolve().parent != library:
        start, given = GIVEN, found
    database = _database(workspace, needed=bool(list_name or address))
    look = _start(database, start, list_name, address)
    return Showcase(
        partial(load_settings, settings.file),
        workspace.clock,
        database,
        start=look,
        given=given,
        pages=workspace.archive_url if database is not None else None,
    )


def _database(workspace: Workspace, *, needed: bool) -> Database | None:
    """Open the database for lists and readers; a digest can be looked at without one as well."""
    from sqlalchemy import make_url

    from newsletter.cli.console import say

    settings = workspace.settings
    if needed:
        return workspace.database
    url = settings.database.url
    if url.startswith("sqlite:") and not (settings.root / (make_url(url).database or "")).is_file():
        return None
    try:
        return workspace.database
    except NewsletterError as error:
        say(f"warning: without lists and subscribers: {error}")
        return None


def _start(
    database: Database | None, digest: str, list_name: str | None, address: str | None
) -> Look:
    """Return the look the preview begins with; raises for a list or a reader that is not there."""
    from newsletter.audience.address import parse_address
    from newsletter.audience.lists import get_list, list_lists
    from newsletter.web.preview.looks import Look
    from newsletter.web.preview.readers import number_of

    look = Look(digest=digest, mailing_list=list_name or "")
    if database is None or not (list_name or address):
        return look
    with database.read() as connection:
        lists = [get_list(connection, list_name)] if list_name else list_lists(connection)
        if address is None:
            return look
        if len(lists) != 1:
            raise UsageError("--as needs the list the reader is on", fix="add --list NAME")
        number = number_of(connection, lists[0], parse_address(address))
    return Look(digest=digest, mailing_list=lists[0].name, reader=str(number))


def _reachable(url: str, machine: str) -> str:
    """Return the URL as it is opened: listening everywhere, this machine's name."""
    for everywhere in ("//0.0.0.0:", "//[::]:"):
        url = url.replace(everywhere, f"//{machine}:")
    return url


def _wants_browser() -> bool:
    """Tell whether somebody sits before a screen here; a browser in a terminal is none."""
    screen = sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    return screen and sys.stdout.isatty() and "SSH_CONNECTION" not in os.environ
