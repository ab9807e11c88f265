"""Decides what a report says of each recipient and of the whole, as pure functions (D3)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from newsletter.delivery.bounce_classes import (
    BUILT_IN,
    BounceClass,
    BounceTable,
    Decision,
    classes_in,
    status_is_vague,
)
from newsletter.feedback.dsn import StatusFields
from newsletter.feedback.plain_notices import STATUS, Told
from newsletter.feedback.reasons import reason_of
from newsletter.feedback.report_model import Reason, RecipientResult, ReportKind, Source

_NO_FAILURE = ("delivered", "relayed", "expanded")
_CODE = re.compile(r"\s*(?:\S{1,255} )?([245]\d\d)(?=[ \t-]|$)", re.ASCII)
_HEAVIEST = (ReportKind.HARD, ReportKind.SOFT, ReportKind.DELAYED, ReportKind.NOT_A_BOUNCE)


def judge_fields(
    fields: StatusFields, told: Told | None, source: Source, table: BounceTable = BUILT_IN
) -> RecipientResult:
    """Return the verdict on one recipient of a status report.

    An operator's own row of the `table` decides, else the status. Where it is generic the
    diagnostic does, then what the text for people (`told`) says of this recipient.
    """
    action = fields.action or _action_of(fields.status)
    diagnostic = fields.diagnostic or (told.diagnostic if told else "")
    code = _code_in(fields.diagnostic)
    if action in _NO_FAILURE:
        return _result(fields, source, ReportKind.NOT_A_BOUNCE, Reason.DELIVERED, action)
    status, words, best_code = _best(fields, told, code, table)
    own = _by_own_row(fields, told, code, table) or table.own(status or None, best_code, words)
    bounce = own.becomes if own else table.classify(status or None, best_code, words)
    if own is None and _was_guessed(fields, bounce):
        bounce = classes_in(fields.diagnostic)[0]
        words = fields.diagnostic
    kind = _kind_of(bounce)
    if action == "delayed":
        kind = ReportKind.DELAYED
    return RecipientResult(
        address=fields.final,
        original=fields.original,
        kind=kind,
        source=source,
        bounce=bounce if kind is not ReportKind.DELAYED else None,
        reason=reason_of(bounce, status, words),
        status=status or None,
        code=best_code,
        action=action or "failed",
        diagnostic=diagnostic[:500],
        remote_mta=fields.remote_mta[:255],
    )


def judge_words(
    told: Told, source: Source, table: BounceTable = BUILT_IN, *, delayed: bool
) -> RecipientResult:
    """Return the verdict on one recipient of whom only words tell."""
    bounce = table.classify(told.status or None, None if told.status else told.code, told.words)
    return RecipientResult(
        address=told.address,
        kind=ReportKind.DELAYED if delayed else _kind_of(bounce),
        source=source,
        bounce=None if delayed else bounce,
        reason=reason_of(bounce, told.status, told.words),
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


def _best(
    fields: StatusFields, told: Told | None, code: int | None, table: BounceTable
) -> tuple[str, str, int | None]:
    """Return the most exact status with the words and the reply that go with it."""
    if not status_is_vague(fields.status):
        return fields.status, fields.diagnostic, None
    said = [one for one in STATUS.findall(fields.diagnostic[:2000]) if not status_is_vague(one)]
    if said:
        return said[0], fields.diagnostic, None
    if table.classes_in(fields.diagnostic) or told is None:
        return fields.status, fields.diagnostic, code
    if told.status and not status_is_vague(told.status):
        return told.status, told.words, None
    words = (
        f"{fields.diagnostic} {told.words}" if table.classes_in(told.words) else fields.diagnostic
    )
    return fields.status or told.status, words, code or (None if fields.status else told.code)


def _was_guessed(fields: StatusFields, bounce: BounceClass) -> bool:
    """Return whether the reporting MTA made up a hard status, and the reply tells otherwise.

    Old systems turn any 550 without an enhanced code into 5.1.1. Where the reply has words, none
    of which say that nobody is there, the words are nearer to the truth than the guess; this only
    ever makes a verdict milder.
    """
    if bounce is not BounceClass.HARD or STATUS.search(fields.diagnostic[:2000]):
        return False
    spoken = classes_in(fields.diagnostic)
    return bool(spoken) and BounceClass.HARD not in spoken


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


def _code_in(diagnostic: str) -> int | None:
    found = _CODE.match(diagnostic)
    return int(found[1]) if found else None
