"""The states of deliveries and campaigns, and the only table of moves between them.

The diagram in `docs/states.md` is drawn from these tables; a test holds the two together.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

from newsletter.errors import DeliveryError


class DeliveryState(IntEnum):
    """Where one subscriber of one campaign stands; stored as its number, ordered as in D1."""

    PENDING = 0
    CLAIMED = 1
    DEFERRED = 2
    UNKNOWN = 3
    REJECTED = 4
    SKIPPED = 5
    EXPIRED = 6
    ACCEPTED = 7
    DELIVERED = 8
    BOUNCED = 9
    COMPLAINED = 10

    @property
    def label(self) -> str:
        """Its name as people see it."""
        return self.name.lower()


class Move(StrEnum):
    """What may happen to a delivery, or to a letter."""

    CLAIM = "claim"
    ACCEPT = "accept"
    REJECT = "reject"
    DEFER = "defer"
    RETURN = "return"
    LOSE = "lose"
    SKIP = "skip"
    EXPIRE = "expire"
    RETRY = "retry"
    PROVE = "prove"
    DELIVER = "deliver"
    BOUNCE = "bounce"
    COMPLAIN = "complain"


CAUSES: dict[Move, str] = {
    Move.CLAIM: "a worker takes it, to send it now",
    Move.ACCEPT: "the provider says that it took it, or an operator does",
    Move.REJECT: "the provider refuses it for good, or an operator says so",
    Move.DEFER: "the provider asks for another try, or its domain is held",
    Move.RETURN: "nothing of it left: its worker gives it back",
    Move.LOSE: "its answer was lost",
    Move.SKIP: "its reader must not have it any more, or the campaign is cancelled",
    Move.EXPIRE: "its time is over",
    Move.RETRY: "it goes out once more, by the policy or an operator",
    Move.PROVE: "an event or a late answer shows that the provider took it",
    Move.DELIVER: "an event shows that it reached the reader's server",
    Move.BOUNCE: "an event shows that it came back",
    Move.COMPLAIN: "the reader calls it spam",
}
"""What lets a move happen."""


_S = DeliveryState

PROOFS = {
    _S.ACCEPTED: Move.PROVE,
    _S.DELIVERED: Move.DELIVER,
    _S.BOUNCED: Move.BOUNCE,
    _S.COMPLAINED: Move.COMPLAIN,
}
"""The moves that come of evidence, by where they lead.

Only what was handed over once can be proven: an event about a row that was never claimed tells of
another message than ours, and the row goes on as it is.
"""

_BY_SENDING = {
    (_S.PENDING, Move.CLAIM): _S.CLAIMED,
    (_S.PENDING, Move.DEFER): _S.DEFERRED,
    (_S.PENDING, Move.SKIP): _S.SKIPPED,
    (_S.PENDING, Move.EXPIRE): _S.EXPIRED,
    (_S.DEFERRED, Move.CLAIM): _S.CLAIMED,
    (_S.DEFERRED, Move.SKIP): _S.SKIPPED,
    (_S.DEFERRED, Move.EXPIRE): _S.EXPIRED,
    (_S.CLAIMED, Move.ACCEPT): _S.ACCEPTED,
    (_S.CLAIMED, Move.REJECT): _S.REJECTED,
    (_S.CLAIMED, Move.DEFER): _S.DEFERRED,
    (_S.CLAIMED, Move.RETURN): _S.PENDING,
    (_S.CLAIMED, Move.LOSE): _S.UNKNOWN,
    (_S.UNKNOWN, Move.ACCEPT): _S.ACCEPTED,
    (_S.UNKNOWN, Move.REJECT): _S.REJECTED,
    (_S.UNKNOWN, Move.RETRY): _S.PENDING,
}

# Evidence may come before the answer is recorded, and long after: while a second try waits, or
# after the time of the campaign. It only ever leads further.
_BY_PROOF = {
    (state, move): proven
    for state in DeliveryState
    for proven, move in PROOFS.items()
    if state < proven
}

MOVES: dict[tuple[DeliveryState, Move], DeliveryState] = {**_BY_SENDING, **_BY_PROOF}
"""Every legal move of deliveries and letters; what is not here does not happen."""

READY = (_S.PENDING, _S.DEFERRED)
"""States a worker may claim."""

UNSETTLED = (_S.PENDING, _S.CLAIMED, _S.DEFERRED, _S.UNKNOWN)
"""States that keep a campaign from being finished."""


def before(move: Move) -> tuple[DeliveryState, ...]:
    """Return the states from which a move is legal, for the WHERE of its statement."""
    return tuple(state for (state, m) in MOVES if m is move)


def proven(state: DeliveryState, proof: DeliveryState) -> DeliveryState:
    """Return where evidence takes a delivery that was handed over: to what it proves, or nowhere.

    `proof` is the state that the evidence shows: `accepted` or a later one.
    """
    return MOVES.get((state, PROOFS[proof]), state)


class CampaignStatus(StrEnum):
    """Where a campaign stands."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    PAUSED = "paused"
    HELD = "held"
    SENT = "sent"
    CANCELLED = "cancelled"
    FAILED = "failed"


_C = CampaignStatus

CAMPAIGN_MOVES: dict[tuple[CampaignStatus, str], CampaignStatus] = {
    (_C.SCHEDULED, "start"): _C.SENDING,
    (_C.SCHEDULED, "pause"): _C.PAUSED,
    (_C.SCHEDULED, "cancel"): _C.CANCELLED,
    (_C.SENDING, "pause"): _C.PAUSED,
    (_C.SENDING, "cancel"): _C.CANCELLED,
    (_C.SENDING, "finish"): _C.SENT,
    (_C.PAUSED, "resume"): _C.SENDING,
    (_C.PAUSED, "cancel"): _C.CANCELLED,
    (_C.PAUSED, "finish"): _C.SENT,
    # A copy of the database: what it was about to send waits for the operator (G19).
    (_C.SCHEDULED, "hold"): _C.HELD,
    (_C.SENDING, "hold"): _C.HELD,
    (_C.PAUSED, "hold"): _C.HELD,
    (_C.HELD, "resume"): _C.SENDING,
    (_C.HELD, "cancel"): _C.CANCELLED,
    # A retry of unknown deliveries opens a finished campaign again.
    (_C.SENT, "reopen"): _C.SENDING,
}

FINISHED = (_C.SENT, _C.CANCELLED, _C.FAILED)


def next_status(campaign: int, status: CampaignStatus, word: str) -> CampaignStatus:
    """Return where a word leads a campaign; raises `DeliveryError` when it leads nowhere."""
    try:
        return CAMPAIGN_MOVES[status, word]
    except KeyError:
        allowed = sorted(w for (s, w) in CAMPAIGN_MOVES if s is status and w in _OPERATOR_WORDS)
        raise DeliveryError(
            f"campaign {campaign} is {status}; it cannot {word}",
            fix=f"possible now: {', '.join(allowed)}" if allowed else "nothing is left to do",
        ) from None


_OPERATOR_WORDS = ("pause", "resume", "cancel")
