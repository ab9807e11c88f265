"""SendGrid's own suppressions, read page by page and deleted by address; nothing of what follows.

Every call may be repeated: reading changes nothing, and a deletion twice is a deletion.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote, urlencode

from sendgrid import SendGridAPIClient

from newsletter.clock import Clock
from newsletter.errors import ConfigurationError, Place
from newsletter.providers.base import AccountProblem, Unavailable
from newsletter.providers.factory import sendgrid_key
from newsletter.providers.sendgrid import HOSTS
from newsletter.providers.sendgrid_answers import Answer, Refused, judge
from newsletter.providers.sendgrid_http import AnswerLost, NotSent, NotTrusted, Transport
from newsletter.settings import ProviderName, SendgridPart, Settings

PAGE = 200
"""Entries of one page. The API allows 500; with long reasons those would exceed what is read of
an answer."""
PATIENCE = 120.0
"""Seconds that all calls of one client together wait because the API asks them to."""
REPEATS = 2
"""So often a call is made again whose answer was lost, or that met a fault of the API."""
REPEAT_AFTER = 1.0

# No database takes NUL or half a character, and no line of a log the others.
_UNFIT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class SuppressionList(StrEnum):
    """The lists of addresses to which SendGrid sends nothing, by the names of its API."""

    BOUNCES = "bounces"
    BLOCKS = "blocks"
    INVALID = "invalid_emails"
    COMPLAINTS = "spam_reports"
    UNSUBSCRIBES = "unsubscribes"


@dataclass(frozen=True, slots=True)
class Entry:
    """One address on a list; `status` (RFC 3463) and `reason` where the list has them."""

    address: str
    created: datetime
    status: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in the API's order; `unread` counts those that make no sense."""

    entries: tuple[Entry, ...]
    unread: int = 0


class SendgridSuppressions:
    """Reads and deletes; used by one thread.

    All methods raise `AccountProblem` (the key, the account, the host) and `Unavailable`. `wait`
    sleeps so many seconds; throttled calls wait until the reset that the API names, as long as
    `patience` seconds last.
    """

    def __init__(
        self,
        settings: SendgridPart,
        clock: Clock,
        *,
        api_key: str,
        wait: Callable[[float], object] = time.sleep,
        patience: float = PATIENCE,
    ) -> None:
        if not (api_key.isascii() and api_key.isprintable()):
            raise ConfigurationError(
                "SendGrid's key holds characters that no header takes", fix="copy the key anew"
            )
        host = settings.host or HOSTS[settings.region]
        self._clock = clock
        self._wait = wait
        self._patience = patience
        self._transport = Transport(host, settings.timeout.total_seconds())
        # The official client's authorization and user agent. Its calls would log addresses.
        self._headers: dict[str, str] = dict(
            SendGridAPIClient(api_key, host=host).client.request_headers
        )

    def pages(
        self, which: SuppressionList, *, since: datetime | None, until: datetime
    ) -> Iterator[Page]:
        """Yield a list's entries of a time, both ends included; `since` None: from the first.

        The end of the time keeps the pages in place while new entries come.
        """
        times = {"end_time": int(until.timestamp())}
        if since is not None:
            times["start_time"] = int(since.timestamp())
        offset, before = 0, b""
        while True:
            query = urlencode({**times, "limit": PAGE, "offset": offset})
            answer = self._call("GET", f"/v3/suppression/{which}?{query}")
            found = _array(answer)
            if found and answer.body == before:
                raise AccountProblem(
                    f"SendGrid answers every page of '{which}' with the same entries",
                    fix="check 'delivery.sendgrid.host'",
                )
            yield _page(found)
            if len(found) < PAGE:
                return
            offset, before = offset + PAGE, answer.body

    def delete(self, which: SuppressionList, address: str) -> bool:
        """Take an address off a list; returns False where the API says that it was not on it."""
        answer = self._call("DELETE", f"/v3/suppression/{which}/{quote(address, safe='')}")
        return answer.status != 404

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _call(self, method: str, target: str) -> Answer:
        repeats = 0
        while True:
            try:
                answer = self._once(method, target)
            except Unavailable:
                if repeats == REPEATS:
                    raise
                repeats += 1
                self._wait(REPEAT_AFTER)
                continue
            try:
                return self._judged(answer, method)
            except Unavailable as away:
                if away.retry_after > self._patience:
                    raise
                self._patience -= away.retry_after
                self._wait(away.retry_after)

    def _once(self, method: str, target: str) -> Answer:
        """Make one call; raises `Unavailable` for what a repetition may mend at once."""
        try:
            told = self._transport.call(method, target, self._headers, None)
        except (NotSent, AnswerLost) as error:
            raise Unavailable(f"SendGrid cannot be reached: {error}") from None
        except NotTrusted as error:
            raise AccountProblem(
                f"the TLS certificate of SendGrid's host does not verify: {error}",
                fix="correct 'delivery.sendgrid.host', or what stands between us and it",
            ) from None
        if told.status >= 500:
            raise Unavailable(f"SendGrid is in trouble ({told.status})")
        headers = {name.lower(): value for name, value in told.info().items()}
        return Answer(told.status, headers, told.read())

    def _judged(self, answer: Answer, method: str) -> Answer:
        """Return an answer that is one; raises what the refusals of the send API raise (F6)."""
        if answer.status in ((200,) if method == "GET" else (204, 200, 404)):
            return answer
        try:
            verdict = judge(answer, 0, sandbox=False, now=self._clock.now())
        except AccountProblem as refused:
            fix = (refused.fix or "").replace("'Mail Send'", "'Suppressions'")
            raise AccountProblem(refused.problem, fix=fix, code=answer.status) from None
        words = verdict.words if isinstance(verdict, Refused) else verdict.detail
        raise AccountProblem(
            f"SendGrid refuses the call ({answer.status}): {words}",
            fix="check 'delivery.sendgrid.host' and the account",
            code=answer.status,
        )


def open_suppressions(
    settings: Settings, clock: Clock, *, wait: Callable[[float], object] = time.sleep
) -> SendgridSuppressions:
    """Build the client that the settings ask for; opens no connection yet.

    Raises `ConfigurationError` when the provider is another, or the key is missing.
    """
    part = settings.delivery.sendgrid
    if settings.delivery.provider is not ProviderName.SENDGRID:
        raise ConfigurationError(
            f"the provider is '{settings.delivery.provider}'; only SendGrid keeps suppressions "
            "of its own",
            where=Place(settings.file),
            fix='nothing to do; or set delivery.provider = "sendgrid"',
        )
    return SendgridSuppressions(part, clock, api_key=sendgrid_key(settings), wait=wait)


def _array(answer: Answer) -> list[Any]:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise Unavailable("SendGrid's answer is no list, or was cut off")
    return found


def _page(found: list[Any]) -> Page:
    read = [_entry(one) for one in found]
    entries = tuple(one for one in read if one is not None)
    return Page(entries, unread=len(read) - len(entries))


def _entry(told: object) -> Entry | None:
    if not isinstance(told, Mapping):
        return None
    address, created = _text(told.get("email")).strip(), told.get("created")
    if not address or isinstance(created, bool) or not isinstance(created, int | float):
        return None
    try:
        at = datetime.fromtimestamp(int(created), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return Entry(address, at, _text(told.get("status")), _text(told.get("reason")))


def _text(value: object) -> str:
    return _UNFIT.sub(" ", value) if isinstance(value, str) else ""
