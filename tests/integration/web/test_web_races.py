"""Leaving by the pages while a campaign is sent: unsubscribe beats the queue (C9), nobody is lost.

On both databases, by the system's clock; the provider is held back where a moment matters.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from tests.builders import KEYS, Stage
from tests.fakes.provider import ScriptedProvider
from tests.integration.web.running import RunningApp, running_app, some_settings

from newsletter.clock import SystemClock
from newsletter.delivery.invariants import verify_invariants
from newsletter.errors import TryAgainLater
from newsletter.providers.base import Envelope, OutcomeKind

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]

READERS = 240
BATCH = 12
THREADS = 8
PATIENCE = 30.0
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
BUTTON = {"leave": "list"}


@pytest.fixture(params=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    url = "sqlite:///ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("server_url")
    made = Stage(tmp_path, SystemClock(), readers=READERS, url=url)  # type: ignore[arg-type]
    yield made
    made.database.close()


@pytest.fixture
def app(stage: Stage) -> Iterator[RunningApp]:
    limits = {"per_network": 10_000, "overall": 10_000}
    with running_app(stage, some_settings(limits=limits)) as running:
        yield running


def broken(stage: Stage) -> list[tuple[str, tuple[str, ...], str | None]]:
    """Return the invariants that do not hold."""
    verdicts = verify_invariants(stage.database, KEYS, stage.clock.now())
    return [(v.name, v.examples, v.note) for v in verdicts if not v.ok]


def reasons(app: RunningApp, campaign: int) -> Counter[str]:
    """Count why deliveries of a campaign were skipped."""
    rows = app.rows(
        f"SELECT reason FROM deliveries WHERE campaign_id = {campaign} AND reason IS NOT NULL"
    )
    return Counter(reason for (reason,) in rows)


def claims(app: RunningApp, campaign: int) -> dict[int, datetime]:
    """Return when each reader's delivery was claimed."""
    rows = app.rows(
        "SELECT subscriber_id, claimed_at FROM deliveries"
        " JOIN attempts ON attempts.id = deliveries.attempt_id"
        f" WHERE deliveries.campaign_id = {campaign}"
    )
    return {subscriber: _instant(at) for subscriber, at in rows}


def _instant(stored: datetime | str) -> datetime:
    if isinstance(stored, str):
        return datetime.fromisoformat(stored).replace(tzinfo=UTC)
    return stored.astimezone(UTC)


@dataclass
class HeldBack:
    """A script of a provider that stops at one envelope until the test says go on."""

    at: int
    held: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    count: int = 0

    def __call__(self, _envelope: Envelope) -> OutcomeKind:
        self.count += 1
        if self.count == self.at:
            self.held.set()
            assert self.go.wait(PATIENCE)
        return OutcomeKind.ACCEPTED


def in_the_background(*works: Callable[[], object]) -> Callable[[], None]:
    """Start each in a thread of its own; what is returned waits for them and raises their error."""
    raised: list[BaseException] = []

    def go(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            raised.append(error)

    threads = [threading.Thread(target=go, args=(work,)) for work in works]
    for thread in threads:
        thread.start()

    def join() -> None:
        for thread in threads:
            thread.join()
        if raised:
            raise raised[0]

    return join


def each_by_several(
    app: RunningApp, visit: Callable[[httpx.Client, int], None], readers: list[int]
) -> Callable[[], None]:
    """Let threads with a connection each visit for all readers, the work dealt out in turn."""

    def run(hand: list[int]) -> None:
        with httpx.Client(base_url=app.url, timeout=PATIENCE) as client:
            for reader in hand:
                visit(client, reader)

    hands = [readers[n::THREADS] for n in range(THREADS)]
    return in_the_background(*[lambda hand=hand: run(hand) for hand in hands])


def handed(provider: ScriptedProvider) -> list[int]:
    return [envelope.delivery.subscriber for envelope in provider.handed]


def test_who_leaves_by_any_page_between_freeze_and_claim_gets_nothing(app: RunningApp) -> None:
    stage = app.stage
    campaign = stage.freeze()
    until = (stage.clock.now() + timedelta(days=30)).date().isoformat()

    answers = [
        app.post(app.one_click(1), ONE_CLICK),
        app.post(app.one_click(2), files={"List-Unsubscribe": (None, "One-Click")}),
        app.post(app.one_click(3), {"leave": "list"}),
        app.post(app.one_click(4), {"leave": "all"}),
        app.post(app.preferences(5), {"act": "save"}),
        app.post(app.preferences(6), {"act": "pause", "until": until}),
        app.post(f"{app.manage(7)}/delete", {"act": "delete", "sure": "yes"}),
    ]
    provider = ScriptedProvider(batch_limit=BATCH)
    stage.sender(provider).run(campaign)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 303, 303, 200]
    assert sorted(handed(provider)) == list(range(8, READERS + 1))
    assert stage.totals(campaign) == {"accepted": READERS - 7, "skipped": 7}
    assert reasons(app, campaign) == {"unsubscribed": 5, "paused": 1, "gone": 1}
    assert broken(stage) == []


def test_who_leaves_while_others_are_being_sent_to_gets_nothing(app: RunningApp) -> None:
    stage = app.stage
    campaign = stage.freeze()
    script = HeldBack(at=BATCH + 2)
    provider = ScriptedProvider(script, batch_limit=BATCH)
    join = in_the_background(lambda: stage.sender(provider).run(campaign))

    assert script.held.wait(PATIENCE)
    claimed, waiting = BATCH + 5, 2 * BATCH + 1
    clicked = [app.post(app.one_click(n), ONE_CLICK).status_code for n in (1, claimed, waiting)]
    erased = [
        app.post(f"{app.manage(n)}/delete", {"act": "delete", "sure": "yes"}).status_code
        for n in (2, claimed + 1, waiting + 1)
    ]
    script.go.set()
    join()

    assert clicked == erased == [200, 200, 200]
    # What was claimed before may still be on its way; whoever was not is skipped.
    assert sorted({*range(1, READERS + 1)} - {*handed(provider)}) == [waiting, waiting + 1]
    assert len(provider.handed) == READERS - 2
    assert reasons(app, campaign) == {"unsubscribed": 1, "gone": 1}
    assert stage.totals(campaign) == {"accepted": READERS - 2, "skipped": 2}
    assert broken(stage) == []


def test_when_everybody_leaves_during_a_send_each_has_mail_or_left_before_the_claim(
    app: RunningApp,
) -> None:
    stage = app.stage
    campaign = stage.freeze()
    answered: dict[int, datetime] = {}
    many = threading.Event()

    def leave(client: httpx.Client, reader: int) -> None:
        form = ONE_CLICK if reader % 3 else BUTTON
        answer = client.post(app.one_click(reader), data=form)
        assert answer.status_code == 200
        answered.setdefault(reader, datetime.now(UTC))
        if len(answered) >= READERS // 4:
            many.set()

    def script(_envelope: Envelope) -> OutcomeKind:
        # Neither side may be over before the other has begun.
        if len(provider.handed) == 2 * BATCH:
            join.append(each_by_several(app, leave, order))
        if len(provider.handed) == READERS // 3:
            assert many.wait(PATIENCE)
        time.sleep(0.001)
        return OutcomeKind.ACCEPTED

    join: list[Callable[[], None]] = []
    order = list(range(1, READERS + 1)) * 2
    random.Random(5).shuffle(order)
    provider = ScriptedProvider(script, batch_limit=BATCH)
    stage.sender(provider).run(campaign)
    join[0]()

    totals, claimed = stage.totals(campaign), claims(app, campaign)
    assert len(answered) == READERS
    assert set(handed(provider)) == claimed.keys()
    assert len(provider.handed) == len(claimed), "nobody twice"
    assert [n for n, at in claimed.items() if at > answered[n]] == []
    assert totals == {"accepted": len(claimed), "skipped": READERS - len(claimed)}
    assert reasons(app, campaign) == {"unsubscribed": READERS - len(claimed)}
    assert 2 * BATCH <= len(claimed) < READERS
    stands = app.rows("SELECT status, count(*) FROM memberships GROUP BY status")
    assert stands == [("unsubscribed", READERS)]
    assert broken(stage) == []


def test_clicks_at_the_same_moment_are_one_withdrawal(app: RunningApp) -> None:
    statuses: list[int] = []
    together = threading.Barrier(THREADS)

    def click_all(form: dict[str, str]) -> None:
        with httpx.Client(base_url=app.url, timeout=PATIENCE) as client:
            for reader in range(1, 41):
                together.wait(PATIENCE)
                statuses.append(client.post(app.one_click(reader), data=form).status_code)

    forms = [ONE_CLICK, BUTTON] * (THREADS // 2)
    in_the_background(*[lambda form=form: click_all(form) for form in forms])()

    withdrawn = app.rows(
        "SELECT subscriber_id, count(*) FROM consents WHERE act = 'withdrawn'"
        " GROUP BY subscriber_id HAVING count(*) > 1"
    )
    assert set(statuses) == {200}
    assert withdrawn == []
    assert broken(app.stage) == []


@pytest.mark.heavy
def test_erasing_and_clicking_at_the_same_moment_forgets_the_reader(app: RunningApp) -> None:
    stage = app.stage
    campaign = stage.freeze()
    provider = ScriptedProvider(batch_limit=BATCH)
    readers = list(range(1, 61))
    statuses: Counter[int] = Counter()

    def leave(client: httpx.Client, reader: int) -> None:
        statuses[client.post(app.one_click(reader), data=ONE_CLICK).status_code] += 1

    def erase(client: httpx.Client, reader: int) -> None:
        form = {"act": "delete", "sure": "yes"}
        answer = client.post(f"{fresh[reader]}/delete", data=form)
        statuses[answer.status_code] += 1

    def send() -> None:
        with suppress(TryAgainLater):
            stage.sender(provider).run(campaign)

    fresh = {reader: app.manage(reader) for reader in readers}
    both = [each_by_several(app, visit, readers) for visit in (leave, erase)]
    sending = in_the_background(send)
    for join in (*both, sending):
        join()
    stage.sender(provider).run(campaign)

    assert statuses.keys() <= {200, 410}, statuses
    assert app.rows("SELECT count(*) FROM memberships WHERE subscriber_id <= 60") == [(0,)]
    assert app.rows("SELECT count(*) FROM consents WHERE subscriber_id <= 60") == [(0,)]
    assert sum(stage.totals(campaign).values()) == READERS
    assert max(Counter(handed(provider)).values()) == 1
    assert broken(stage) == []


def at_the_same_moment(app: RunningApp, path: str, form: dict[str, str]) -> Counter[int]:
    """Send a form from all threads at once; returns how often each status was answered."""
    statuses: Counter[int] = Counter()
    together = threading.Barrier(THREADS)

    def press() -> None:
        with httpx.Client(base_url=app.url, timeout=PATIENCE) as client:
            together.wait(PATIENCE)
            statuses[client.post(path, data=form).status_code] += 1

    in_the_background(*[press] * THREADS)()
    return statuses


def test_of_several_who_confirm_at_the_same_moment_one_does(app: RunningApp) -> None:
    app.post("/subscribe/daily", {"email": "asks@example.org"})
    reader = READERS + 1

    statuses = at_the_same_moment(app, app.letter(), {"act": "confirm"})

    granted = f"SELECT count(*) FROM consents WHERE subscriber_id = {reader} AND act = 'granted'"
    assert statuses == {200: 1, 410: THREADS - 1}
    assert app.status(reader) == "active"
    assert app.rows(granted) == [(1,)]
    assert broken(app.stage) == []


def test_of_two_new_addresses_confirmed_at_the_same_moment_one_is_taken(app: RunningApp) -> None:
    manage = app.manage(1)
    new = ("first@example.net", "second@example.net")
    for address in new:
        app.post(manage, {"act": "address", "email": address})
    statuses: list[int] = []
    together = threading.Barrier(2)

    def press(path: str) -> None:
        with httpx.Client(base_url=app.url, timeout=PATIENCE) as client:
            together.wait(PATIENCE)
            statuses.append(client.post(path, data={"act": "confirm"}).status_code)

    in_the_background(*[lambda path=path: press(path) for path in app.letters("new_address")])()

    ((address, epoch),) = app.rows("SELECT address, address_epoch FROM subscribers WHERE id = 1")
    assert sorted(statuses) == [200, 410]
    assert address in new
    assert epoch > 0
    assert len(app.rows("SELECT id FROM letters WHERE kind = 'moved'")) == 1


def test_fresh_links_asked_for_at_the_same_moment_are_one_letter(app: RunningApp) -> None:
    statuses = at_the_same_moment(app, app.preferences(2), {"act": "link"})

    assert statuses == {303: THREADS}
    assert len(app.letters("manage")) == 1
