"""Decides what a report says of each recipient and of the whole, as pure functions (D3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from newsletter.delivery.bounce_classes import (
    BUILT_IN,
    NOBODY_THERE,
    TEMPORARY,
    UNKNOWN,
    BounceClass,
    BounceTable,
    Cause,
    Decision,
    StatusRule,
    causes_in,
    spoken_rule,
    status_in,
    status_is_vague,
)
from newsletter.feedback.dsn import StatusFields
from newsletter.feedback.plain_notices import STATUS, Told, code_in, without_advice
from newsletter.feedback.reasons import reason_of
from newsletter.feedback.report_model import Reason, RecipientResult, ReportKind, Source

_NO_FAILURE = ("delivered", "relayed", "expanded")
_OF_A_MAILBOX = (None, 501, 550, 551, 553, 556)
"""Replies that may be about a mailbox (RFC 5321 §4.2.3): no other bears a status out."""
_LATER_ONLY = ("1.1", "0.0", "2.0")
"""Subject and detail of a temporary status beside which words still tell that nobody is there."""
_PASSES = (
    Cause.MAILBOX_FULL,
    Cause.TOO_LARGE,
    Cause.EXPIRED,
    Cause.THROTTLED,
    Cause.REPUTATION,
)
_HEAVIEST = (ReportKind.HARD, ReportKind.SOFT, ReportKind.DELAYED, ReportKind.NOT_A_BOUNCE)


@dataclass(frozen=True, slots=True)
class _Said:
    """What somebody says of a recipient, and what the table makes of it."""

    decision: Decision
    status: str
    code: int | None
    words: str


def judge_fields(
    fields: StatusFields, told: Told | None, source: Source, table: BounceTable = BUILT_IN
) -> RecipientResult:
    """Return the verdict on one recipient of a status report.

    An operator's own row of the `table` decides. Else the order of belief is: what the remote host
    replied, in the field or quoted in the text for people (`told`), then the status, which the
    host that reports often makes up.
    """
    action = fields.action or _action_of(fields.status)
    if action in _NO_FAILURE:
        return _result(fields, source, ReportKind.NOT_A_BOUNCE, Reason.DELIVERED, action)
    said = _believed(fields, told, table, final=action == "failed")
    if own := _by_own_row(fields, told, code_in(fields.diagnostic), table):
        said = _Said(own, said.status, said.code, said.words)
    kind = ReportKind.DELAYED if action == "delayed" else _kind_of(said.decision.becomes)
    diagnostic = fields.diagnostic or (told.diagnostic if told else "")
    return RecipientResult(
        address=fields.final,
        original=fields.original,
        kind=kind,
        source=source,
        bounce=said.decision.becomes if kind is not ReportKind.DELAYED else None,
        reason=reason_of(said.decision, said.status, said.words),
        status=said.status or None,
        code=said.code,
        action=action or "failed",
        diagnostic=diagnostic[:500],
        remote_mta=fields.remote_mta[:255],
    )


def judge_words(
    told: Told,
    source: Source,
    table: BounceTable = BUILT_IN,
    *,
    delayed: bool,
    final: bool = False,
) -> RecipientResult:
    """Return the verdict on one recipient of whom only words tell; `final`: they say it is over."""
    decision = table.decide(told.status or None, None if told.status else told.code, told.words)
    if final and not _is_expired(told.words):
        decision = _lasting(decision, told.status, told.words)
    if told.code is None and not told.status:
        decision = _unless_advice(decision, told.words)
    return RecipientResult(
        address=told.address,
        kind=ReportKind.DELAYED if delayed else _kind_of(decision.becomes),
        source=source,
        bounce=None if delayed else decision.becomes,
        reason=reason_of(decision, told.status, told.words),
        status=told.status or None,
        code=told.code,
        action="delayed" if delayed else "failed",
        diagnostic=told.diagnostic,
    )


def heaviest(results: Sequence[RecipientResult]) -> tuple[ReportKind, Reason]:
    """Return what the whole is: the gravest of its recipients, with that one's reason."""
    for kind in _HEAVIEST:
        for result in results:
            if result.kind is kind:
                return kind, result.reason
    return ReportKind.NOT_A_BOUNCE, Reason.ORDINARY


def _by_own_row(
    fields: StatusFields, told: Told | None, code: int | None, table: BounceTable
) -> Decision | None:
    """Return what a row of the operator makes of all that is said of this recipient."""
    words = f"{fields.diagnostic} {told.words}" if told else fields.diagnostic
    status = fields.status or (told.status if told else "")
    # As everywhere in a report, an exact status is nearer to the end of it than a reply.
    return table.own(status or None, code if status_is_vague(status) else None, words)


def _believed(fields: StatusFields, told: Told | None, table: BounceTable, *, final: bool) -> _Said:
    """Return what counts, in the order of belief."""
    said = _remote_reply(fields, told, table) or _by_status(fields, told, table)
    decision = said.decision
    if fields.status.endswith(".4.7") and decision.rule is TEMPORARY:
        return replace(said, status=fields.status)
    if final and not (told is not None and _is_expired(told.words)):
        decision = _lasting(decision, said.status, said.words)
    if decision.becomes is BounceClass.HARD:
        decision = _milder(decision, fields, told, table)
    return replace(said, decision=decision)


def _remote_reply(fields: StatusFields, told: Told | None, table: BounceTable) -> _Said | None:
    """Return what the remote host replied, where its words or its status name a cause.

    The field holds the reply, or else the text for people quotes it.
    """
    for reply in (fields.diagnostic.rpartition("->")[2], fields.diagnostic):
        code, own = code_in(reply), status_in(reply) or _exact_in(reply)
        if own or table.tells(reply):
            decision = table.decide(own, code, reply)
            return _Said(decision, own or fields.status, None if own else code, reply)
    if told is None:
        return None
    code = code_in(fields.diagnostic) or told.code
    if not status_is_vague(told.status):
        decision = table.decide(told.status, code, told.words)
        return _Said(decision, told.status, None, told.words)
    if table.tells(told.words) and (told.code or status_is_vague(fields.status)):
        words = f"{fields.diagnostic} {told.words}".strip()
        decision = table.decide(None, code, words)
        if told.code is None:
            decision = _unless_advice(decision, told.words)
        return _Said(decision, fields.status or told.status, code, words)
    return None


def _by_status(fields: StatusFields, told: Told | None, table: BounceTable) -> _Said:
    """Return what the status says where the remote host named no cause.

    A reply that is not about a mailbox bears no hard status out, nor do words beside it: then
    nobody can tell.
    """
    code = code_in(fields.diagnostic)
    status = fields.status or (told.status if told else "")
    decision = table.decide(status or None, code, fields.diagnostic)
    row = spoken_rule(fields.diagnostic)
    if decision.becomes is BounceClass.HARD and row is not None:
        decision = Decision(row.becomes, row)
    elif decision.becomes is BounceClass.HARD and code not in _OF_A_MAILBOX:
        decision = Decision(UNKNOWN.becomes, UNKNOWN)
    if code is None and not fields.status and told:
        code = told.code
    return _Said(decision, status, code, fields.diagnostic)


def _unless_advice(decision: Decision, words: str) -> Decision:
    """Return that nobody can tell where a hard verdict rests on what might have happened."""
    row = spoken_rule(without_advice(words))
    if decision.becomes is not BounceClass.HARD or (row and row.becomes is BounceClass.HARD):
        return decision
    return decision if isinstance(decision.rule, StatusRule) else Decision(UNKNOWN.becomes, UNKNOWN)


def _lasting(decision: Decision, status: str, words: str) -> Decision:
    """Return what a temporary refusal means that never ended: the host said it to the last.

    Only for words by which nobody is there, with nothing beside them that passes.
    """
    if decision.rule is not TEMPORARY or status.partition(".")[2] not in ("", *_LATER_ONLY):
        return decision
    row = spoken_rule(words)
    if row is None or row.cause is not Cause.USER_UNKNOWN:
        return decision
    return Decision(row.becomes, row)


def _milder(
    decision: Decision, fields: StatusFields, told: Told | None, table: BounceTable
) -> Decision:
    """Return a milder verdict where something else in the report speaks for the reader.

    A status that names what passes, beside a reply without one; words for people that tell of a
    full mailbox, an expired queue, a rate or a list of refused addresses, and of nobody missing.
    """
    if _exact_in(fields.diagnostic) is None and not status_is_vague(fields.status):
        stated = table.decide(fields.status, None, "")
        if stated.rule.cause in _PASSES:
            return stated
    if told is None or NOBODY_THERE & causes_in(told.words):
        return decision
    row = spoken_rule(without_advice(told.words))
    return Decision(row.becomes, row) if row is not None and row.cause in _PASSES else decision


def _is_expired(words: str) -> bool:
    return Cause.EXPIRED in causes_in(words)


def _exact_in(text: str) -> str | None:
    found = STATUS.findall(text[:2000])
    return next((one for one in found if not status_is_vague(one)), None)


def _result(
    fields: StatusFields, source: Source, kind: ReportKind, reason: Reason, action: str
) -> RecipientResult:
    return RecipientResult(
        address=fields.final,
        original=fields.original,
        kind=kind,
        source=source,
        reason=reason,
        status=fields.status or None,
        action=action,
        diagnostic=fields.diagnostic[:500],
        remote_mta=fields.remote_mta[:255],
    )


def _kind_of(bounce: BounceClass) -> ReportKind:
    return ReportKind.HARD if bounce is BounceClass.HARD else ReportKind.SOFT


def _action_of(status: str) -> str:
    return "delivered" if status.startswith("2") else ""
