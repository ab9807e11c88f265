"""`newsletter serve`: the public pages, and the letters they ask for, until it is told to stop."""

from __future__ import annotations

import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from newsletter.cli.workspace import Workspace
from newsletter.errors import ConfigurationError, NewsletterError, Place

if TYPE_CHECKING:
    import uvicorn

    from newsletter.settings import Settings
    from newsletter.web.office import Office

HOUSEKEEPING_SECONDS = 600.0
GRACE_SECONDS = 5
"""How long requests under way may take once the process is told to stop."""
CONNECTIONS = 2000
LONGEST_HEAD = 16 * 1024
"""Bytes of a request's line and header fields."""


def serve(
    context: typer.Context,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on (default: web.host).")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0: any free one.")
    ] = None,
) -> None:
    """Show the public pages: subscribe, confirm, preferences, unsubscribe, archive.

    Runs until SIGTERM or Ctrl-C, then finishes the requests under way.
    """
    from newsletter.cli.alerts import alert_carrier
    from newsletter.cli.console import say
    from newsletter.cli.feedback_running import feedback_running
    from newsletter.cli.letters import letter_post
    from newsletter.web.app import create_app

    workspace: Workspace = context.obj
    settings = workspace.settings
    proxies = _checked_proxies(settings)
    # What is missing or wrong is told before anything is begun.
    _ = workspace.database, workspace.keys, workspace.provider
    listening = _listen(
        settings.web.host if host is None else host, settings.web.port if port is None else port
    )
    with (
        listening,
        letter_post(workspace) as post,
        alert_carrier(workspace) as alerts,
        feedback_running(workspace, alerts.wake) as wake_feedback,
    ):
        office = _office(workspace, post.wake, wake_feedback)
        server = _server(create_app(office), proxies)
        with _housekeeping(office.housekeeping), _stopped_by_signals(server):
            for line in _doubts(settings):
                say(f"warning: {line}")
            say(f"listening on {_url(listening)}; Ctrl-C stops")
            server.run(sockets=[listening])
    say("stopped")


def _office(
    workspace: Workspace, wake_letters: Callable[[], None], wake_feedback: Callable[[], None]
) -> Office:
    from newsletter.audience.erasing import erase_subscriber
    from newsletter.web.office import Office

    database, keys, clock = workspace.database, workspace.keys, workspace.clock

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
        with database.write() as connection:
            forget_unconfirmed(connection, before)
        if scrub_is_due(database):
            scrub(database)

    return Office(
        settings=workspace.settings,
        database=database,
        keys=keys,
        signer=workspace.signer,
        clock=clock,
        erase=erase,
        wake_letters=wake_letters,
        housekeeping=housekeeping,
        wake_feedback=wake_feedback,
        classify=workspace.bounce_table.classify,
    )


def _server(app: object, proxies: list[str]) -> uvicorn.Server:
    import uvicorn

    return uvicorn.Server(
        uvicorn.Config(
            app,  # type: ignore[arg-type] # FastAPI's own type of an ASGI application
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="on",
            # Paths hold tokens: no line for each request, here or anywhere.
            access_log=False,
            log_config=None,
            log_level="critical",
            server_header=False,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=GRACE_SECONDS,
            h11_max_incomplete_event_size=LONGEST_HEAD,
        )
    )


@contextmanager
def _stopped_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """Let SIGTERM and SIGINT end the server well; it raises them again once it has ended."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    earlier = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _listen(host: str, port: int) -> socket.socket:
    """Open the listening socket; raises `NewsletterError` when that fails."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _no_listening(host, port, error) from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        # Before the URL is said: who reads it may come at once.
        listening.listen(CONNECTIONS)
    except OSError as error:
        listening.close()
        raise _no_listening(host, port, error) from None
    return listening


def _no_listening(host: str, port: int, error: OSError) -> NewsletterError:
    return NewsletterError(
        f"cannot listen on {host} port {port}: {error.strerror or error}",
        fix="end what uses it, or choose another with --host and --port",
    )


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


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
    from newsletter.logs import get_logger

    ended = threading.Event()

    def run() -> None:
        while not ended.wait(HOUSEKEEPING_SECONDS):
            try:
                work()
            except Exception as error:  # noqa: BLE001 - the pages go on; the next round tries again
                get_logger("serve").warning("housekeeping_failed", error=type(error).__name__)

    thread = threading.Thread(target=run, name="housekeeping")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
