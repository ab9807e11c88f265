"""Says what events a mail makes, for each recipient it speaks of; a pure table over reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from newsletter.delivery.bounce_classes import BounceClass
from newsletter.feedback.events import Arrival, EventKind, Provenance
from newsletter.feedback.matching import Match, Proof
from newsletter.feedback.report_model import Reason, RecipientResult, Report, ReportKind

_K = EventKind
_CUT = 500


@dataclass(frozen=True, slots=True)
class MailEvent:
    """An event as a mail tells it, before anybody decided whether it is believed."""

    kind: EventKind
    match: Match
    address: str = ""
    bounce: BounceClass | None = None
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    def arrival(
        self, name: str, *, at: datetime, believed: bool, detail: Mapping[str, Any]
    ) -> Arrival:
        """Return it as it is stored; `detail` comes on top of its own."""
        return Arrival(
            id=name,
            at=at,
            kind=self.kind,
            provenance=Provenance.MAIL,
            delivery=self.match.delivery,
            subscriber=self.match.subscriber if self.match.delivery is None else None,
            address=self.address,
            bounce=self.bounce,
            reason=self.reason,
            believed=believed,
            detail={**self.detail, **detail},
        )


def events_of(report: Report, matches: Sequence[Match], *, wish: bool) -> list[MailEvent]:
    """Return the events of a report, one for each recipient, or one where it names nobody.

    `wish`: its subject is a signed link to leave, whatever else the mail looks like (C6). Their
    number and order depend on the mail alone, so that they are known again.
    """
    if wish:
        detail = _detail(report, None, matches[0])
        kind, reason = _K.UNSUBSCRIBED, Reason.UNSUBSCRIBE.value
        return [MailEvent(kind, matches[0], reason=reason, detail=detail)]
    results: Sequence[RecipientResult | None] = report.recipients or (None,)
    return list(_events(report, zip(results, matches, strict=True)))


def _events(
    report: Report, pairs: Iterator[tuple[RecipientResult | None, Match]]
) -> Iterator[MailEvent]:
    for result, match in pairs:
        bounce = _bounce_of(report, result)
        kind = _kind_of(report, result, bounce)
        if kind is None:
            continue
        ordinary = report.reason is Reason.ORDINARY
        yield MailEvent(
            kind=kind,
            match=match if not ordinary else Match(why="it tells of nothing that we know"),
            address=_printable(match.address if match.proof else result.address if result else ""),
            bounce=bounce,
            reason=(result.reason if result else report.reason).value,
            detail=_detail(report, result, match),
        )


def _bounce_of(report: Report, result: RecipientResult | None) -> BounceClass | None:
    if result is not None:
        return result.bounce
    if report.kind is ReportKind.HARD:
        return BounceClass.HARD
    return BounceClass.SOFT if report.kind is ReportKind.SOFT else None


def _kind_of(
    report: Report, result: RecipientResult | None, bounce: BounceClass | None
) -> EventKind | None:
    kind = result.kind if result else report.kind
    if kind in (ReportKind.HARD, ReportKind.SOFT):
        return _K.BLOCKED if bounce is BounceClass.BLOCKED else _K.BOUNCED
    if kind is ReportKind.DELAYED:
        return _K.DEFERRED
    if kind is ReportKind.AUTOREPLY:
        return _K.REPLIED
    if kind is ReportKind.COMPLAINT:
        if report.reason is Reason.UNSUBSCRIBE:
            return _K.UNSUBSCRIBED
        return _K.COMPLAINED if report.from_the_reader else _K.OTHER
    if report.delivered:
        return _K.DELIVERED
    return _K.OTHER if report.reason is Reason.ORDINARY else None


def _detail(report: Report, result: RecipientResult | None, match: Match) -> dict[str, Any]:
    told: dict[str, Any] = {
        "proof": match.proof.label,
        "why": match.why,
        "evidence": ", ".join(report.evidence),
        "reporting_mta": report.reporting_mta,
    }
    if result is not None:
        told |= {
            "address": result.address,
            "status": result.status,
            "code": result.code,
            "action": result.action,
            "diagnostic": result.diagnostic,
            "remote_mta": result.remote_mta,
        }
    if match.proof is not Proof.NONE and match.list_id is not None:
        told["list"] = match.list_id
    return {
        name: _printable(value) if isinstance(value, str) else value
        for name, value in told.items()
        if value not in (None, "")
    }


def _printable(text: str) -> str:
    # PostgreSQL takes no NUL in JSON, and no terminal should be steered by what others wrote.
    return "".join(letter if letter.isprintable() else " " for letter in text[:_CUT])
