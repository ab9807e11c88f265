"""`newsletter serve`: pages, letters, feedback, schedules and sending, until it is told to stop.

Started in this order: letters, alerts, feedback, campaigns, schedules, pages. A signal lets the
pages finish their requests and the campaigns what is on the wire; schedules end before the rest.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from newsletter.cli.workspace import Workspace
from newsletter.errors import ConfigurationError, Place

if TYPE_CHECKING:
    from newsletter.cli.background import Background
    from newsletter.settings import Settings
    from newsletter.web.office import Office

HOUSEKEEPING_SECONDS = 600.0


def serve(
    context: typer.Context,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on (default: web.host).")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0: any free one.")
    ] = None,
    send: Annotated[
        bool, typer.Option("--send/--no-send", help="Send the campaigns that are due.")
    ] = True,
    schedule: Annotated[
        bool, typer.Option("--schedule/--no-schedule", help="Fire what schedules make due.")
    ] = True,
) -> None:
    """Do all of it: show the public pages, fire schedules, send campaigns and letters.

    Runs until SIGTERM or Ctrl-C, then finishes the requests under way and what is on the wire,
    within 30 seconds; a second Ctrl-C cuts it off. It may be ended and started at any moment, and
    any number may share a database.
    """
    from newsletter.cli.background import Background
    from newsletter.cli.console import say
    from newsletter.cli.page_server import Ending, PageServer, listen, url_of
    from newsletter.logs import get_logger
    from newsletter.web.app import create_app

    workspace: Workspace = context.obj
    settings = workspace.settings
    proxies = _checked_proxies(settings)
    # What is missing or wrong is told before anything is begun.
    _ = workspace.database, workspace.keys, workspace.provider
    listening = listen(
        settings.web.host if host is None else host, settings.web.port if port is None else port
    )
    ending = Ending()
    with listening, ending.taking_signals(), ExitStack() as running:
        background = Background(workspace, running, send=send, schedule=schedule)
        ending.add(background.end_soon, background.end_now)
        background.start()
        office = _office(workspace, background)
        server = PageServer(create_app(office), proxies, ending)
        running.enter_context(_housekeeping(office.housekeeping))
        for line in _doubts(settings):
            say(f"warning: {line}")
        url = url_of(listening)
        get_logger("serve").info("serve_started", url=url, sends=send, schedules=schedule)
        say(f"listening on {url}; Ctrl-C stops")
        server.run(sockets=[listening])
        background.end()
    get_logger("serve").info("serve_ended")
    say("stopped")


def _office(workspace: Workspace, background: Background) -> Office:
    from newsletter.audience.erasing import erase_subscriber
    from newsletter.delivery.faults import Faults, Thing
    from newsletter.web.office import Office

    database, keys, clock = workspace.database, workspace.keys, workspace.clock
    faults = Faults(database, clock)

    def erase(subscriber: int) -> None:
        actor = f"subscriber {subscriber}"
        erase_subscriber(
            database,
            subscriber,
            keys,
            clock.now(),
            actor=actor,
            forget_mail=workspace.forget_mail,
        )

    def housekeeping() -> None:
        from newsletter.audience.privacy import forget_unconfirmed
        from newsletter.storage.scrubbing import scrub, scrub_is_due

        before = clock.now() - workspace.settings.web.forget_unconfirmed
        forgetting = Thing("job", "unconfirmed", "forgetting who never confirmed")
        with faults.holding(forgetting), database.write() as connection:
            forget_unconfirmed(connection, before)
        with faults.holding(Thing("job", "scrubbing", "scrubbing the database of erased people")):
            if scrub_is_due(database):
                scrub(database)

    return Office(
        settings=workspace.settings,
        database=database,
        keys=keys,
        signer=workspace.signer,
        clock=clock,
        erase=erase,
        wake_letters=background.wake_letters,
        housekeeping=housekeeping,
        wake_feedback=background.wake_feedback,
        classify=workspace.bounce_table.classify,
        vitals=background.vitals,
    )


def _checked_proxies(settings: Settings) -> list[str]:
    """Return the trusted proxies; a name or a slip would be trusted by nobody, `*` everybody."""
    for proxy in settings.web.trusted_proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError as error:
            raise ConfigurationError(
                f"'web.trusted_proxies' holds '{proxy}': {error}",
                where=Place(settings.file),
                fix='name addresses or networks: ["127.0.0.1", "10.0.0.0/8"]',
            ) from None
    return list(settings.web.trusted_proxies)


def _doubts(settings: Settings) -> Iterator[str]:
    """Say what looks wrong about the public address, which every link leads to."""
    parts = urlsplit(settings.newsletter.base_url)
    host = parts.hostname or ""
    if parts.scheme != "https":
        yield "newsletter.base_url is not https: mail programs do not offer one-click without it"
    domain = ".".join(host.rsplit(".", 2)[-2:])
    if host in _LOCAL or domain in _SAMPLES or host.endswith((".example", ".invalid", ".test")):
        yield f"newsletter.base_url names {host}: links in real mail would lead nowhere"


_SAMPLES = frozenset({"example.com", "example.net", "example.org"})
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


@contextmanager
def _housekeeping(work: Callable[[], None]) -> Iterator[None]:
    """Call `work` every few minutes in the background; what it cannot do now, it does then."""
    from newsletter.logs import get_logger, trace_of

    ended = threading.Event()

    def run() -> None:
        while not ended.wait(HOUSEKEEPING_SECONDS):
            try:
                work()
            except Exception as error:  # noqa: BLE001 - the pages go on; the next round tries again
                problem, trace = type(error).__name__, trace_of(error)
                get_logger("serve").warning("housekeeping_failed", problem=problem, trace=trace)

    thread = threading.Thread(target=run, name="housekeeping")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
