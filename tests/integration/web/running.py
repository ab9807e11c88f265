"""The pages on a real server on loopback, over the stage of a test; for tests of any folder."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import uvicorn
from tests.builders import KEYS, Stage

from newsletter.audience.erasing import erase_subscriber
from newsletter.audience.tokens import Purpose, TokenSigner
from newsletter.settings import Settings
from newsletter.web.app import create_app
from newsletter.web.office import Office

SIGNER = TokenSigner(KEYS)
BASE_URL = "https://news.example.org"


def some_settings(**web: Any) -> Settings:
    """Return settings of a newsletter with a public address."""
    return Settings(
        newsletter={  # type: ignore[arg-type]
            "name": "The Example",
            "base_url": BASE_URL,
            "postal_address": "1 Sample Street",
            "contact": "editor@news.example.org",
        },
        web=web,  # type: ignore[arg-type]
    )


def an_office(stage: Stage, settings: Settings, woken: Callable[[], None]) -> Office:
    """Return the office of a stage."""

    def erase(subscriber: int) -> None:
        now = stage.clock.now()
        erase_subscriber(
            stage.database,
            subscriber,
            KEYS,
            now,
            actor=f"subscriber {subscriber}",
            forget_mail=len,
        )

    return Office(
        settings=settings,
        database=stage.database,
        keys=KEYS,
        signer=SIGNER,
        clock=stage.clock,
        erase=erase,
        wake_letters=woken,
    )


@dataclass
class RunningApp:
    """The pages while they are served."""

    stage: Stage
    url: str
    client: httpx.Client
    woken: list[None] = field(default_factory=list)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Look at a page."""
        return self.client.get(path, **options)

    def post(self, path: str, data: Any = None, **options: Any) -> httpx.Response:
        """Send a form."""
        return self.client.post(path, data=data, **options)

    def one_click(self, subscriber: int = 1) -> str:
        """Return the path that stands in List-Unsubscribe of mail to somebody's address now."""
        return f"/u/{self._links(subscriber)[0]}"

    def preferences(self, subscriber: int = 1) -> str:
        """Return the path of somebody's preferences in mail to their address now."""
        return f"/p/{self._links(subscriber)[1]}"

    def _links(self, subscriber: int) -> tuple[str, str]:
        rows = self.rows(f"SELECT address_epoch FROM subscribers WHERE id = {subscriber}")
        return SIGNER.sign_links(subscriber, self.stage.list_id, rows[0][0] if rows else 0)

    def manage(self, subscriber: int = 1) -> str:
        """Ask for a fresh link, and return the path that stands in the letter."""
        asked = self.post(self.preferences(subscriber), {"act": "link"})
        assert asked.status_code == 303
        return self.letter("manage")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return what stands in the database."""
        with self.stage.database.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def status(self, subscriber: int = 1, list_id: int | None = None) -> str | None:
        """Return how somebody stands on a list."""
        number = self.stage.list_id if list_id is None else list_id
        rows = self.rows(
            "SELECT status FROM memberships"
            f" WHERE subscriber_id = {subscriber} AND list_id = {number}"
        )
        return rows[0][0] if rows else None

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return all that a page could change."""
        tables = ("subscribers", "memberships", "consents", "letters", "suppressions", "audit_log")
        return {table: self.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables}

    def letter(self, kind: str = "confirm") -> str:
        """Return the path in the newest letter of a kind."""
        return self.letters(kind)[-1]

    def letters(self, kind: str = "confirm") -> list[str]:
        """Return the paths in the letters of a kind, the oldest first."""
        purpose, page = {
            "confirm": (Purpose.CONFIRM, "c"),
            "new_address": (Purpose.NEW_ADDRESS, "n"),
            "manage": (Purpose.MANAGE, "m"),
        }[kind]
        rows = self.rows(
            f"SELECT subscriber_id, list_id, id FROM letters WHERE kind = '{kind}' ORDER BY id"
        )
        return [f"/{page}/{SIGNER.sign(purpose, *row)}" for row in rows]


@contextmanager
def running_app(
    stage: Stage, settings: Settings | None = None, **office: Any
) -> Iterator[RunningApp]:
    """Serve the pages of a stage on a free port of loopback; `office`: what is other than usual."""
    settings = settings or some_settings()
    woken: list[None] = []
    made = replace(an_office(stage, settings, lambda: woken.append(None)), **office)
    app = create_app(made)
    # Named as TCP: only then does asyncio switch off Nagle's wait of 40 ms for each answer.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    serving = uvicorn.Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            forwarded_allow_ips=list(settings.web.trusted_proxies),
        )
    )
    thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not serving.started:
            assert thread.is_alive()
            time.sleep(0.01)
        with httpx.Client(base_url=url, timeout=60) as client:
            yield RunningApp(stage, url, client, woken)
    finally:
        serving.should_exit = True
        thread.join()
        listening.close()
