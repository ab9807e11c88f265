"""Says what a mail that came back is: the entry to the parser of bounces, complaints and replies.

Everything it reads may be forged or broken: it never raises, looks at a bounded part of the mail,
and changes nothing. Whose delivery it was, and what follows, is decided elsewhere (D8, D9).

The order of questions is that of certainty: fields of a complaint, fields of a status report, a
provider's notification, a wish to leave, words for people, an automatic reply. The rules are about
standards and ways of speaking; none knows a host or a person by name, and a test holds them to it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from newsletter.delivery.bounce_classes import BUILT_IN, BounceTable
from newsletter.feedback.addresses import addresses_in, is_of_a_system
from newsletter.feedback.arf import Feedback, read_feedback
from newsletter.feedback.autoreplies import reply_evidence
from newsletter.feedback.dsn import StatusReport, read_status
from newsletter.feedback.identifiers import (
    arrived_at,
    find_identifiers,
    sent_by,
    subject_token,
    went_to,
)
from newsletter.feedback.notifications import read_notification
from newsletter.feedback.plain_notices import Told, tell
from newsletter.feedback.plain_patterns import (
    DAEMONS,
    DELAYS,
    FAILURE_SUBJECTS,
    FINALS,
    NOTICES,
    compiled,
    is_reply,
    speaks,
)
from newsletter.feedback.reading import Mail, read_mail
from newsletter.feedback.report_model import Reason, RecipientResult, Report, ReportKind, Source
from newsletter.feedback.verdicts import heaviest, judge_fields, judge_words
from newsletter.whole_words import whole_words

_UNSUBSCRIBE = re.compile(r"\W{0,5}(please )?(unsubscribe|opt[ -]?out|leave)( me)?\W{0,5}", 2)
_STATISTICS = whole_words([r"report[ -]domain:.{1,300}submitter:|tlsrpt|tls reports?"])
_DOMAINS = re.compile(r"@[^\s<>\",;]{1,255}")
_NULL_PATHS = ("<>", "<mailer-daemon>", "mailer-daemon", "")


def parse_bounce(data: bytes, table: BounceTable = BUILT_IN) -> Report:
    """Return what a mail says, by RFC 3464, RFC 5965, RFC 3834 and the words of older systems.

    `data` is the mail as it came; a leading mbox line does no harm. At most 512 kB are read.
    `table` tells what a status and words mean (D3).
    """
    mail = read_mail(data)
    return replace(
        _judged(mail, table), subject_token=subject_token(mail), written_at=_date_of(mail)
    )


def _judged(mail: Mail, table: BounceTable) -> Report:
    feedback = read_feedback(mail)
    if feedback is not None:
        return _complaint(mail, feedback)
    if _STATISTICS.search(f"{mail.headers.first('subject')} {mail.headers.first('content-type')}"):
        return _report(mail, ReportKind.NOT_A_BOUNCE, Reason.STATISTICS, "an aggregate report")
    return (
        _by_fields(mail, table)
        or _by_notification(mail, table)
        or _by_wish(mail)
        or _by_words(mail, table)
        or _by_reply(mail)
        or _report(mail, ReportKind.NOT_A_BOUNCE, Reason.ORDINARY, "nothing tells of a failure")
    )


def _date_of(mail: Mail) -> datetime | None:
    """Return the Date of a mail (RFC 5322 §3.6.1); one without a zone is taken for UTC."""
    try:
        at = parsedate_to_datetime(mail.headers.first("date"))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _complaint(mail: Mail, feedback: Feedback) -> Report:
    kind = ReportKind.COMPLAINT
    if feedback.reason is Reason.NOT_SPAM:
        kind = ReportKind.NOT_A_BOUNCE
    source = Source.FEEDBACK_PART if feedback.named_in_report else Source.RETURNED
    results = tuple(
        RecipientResult(address=one, kind=kind, source=source, reason=feedback.reason)
        for one in feedback.recipients
    )
    if kind is ReportKind.NOT_A_BOUNCE:
        results = ()
    return Report(
        kind=kind,
        reason=feedback.reason,
        recipients=results,
        identifiers=find_identifiers(mail, sender=feedback.original_sender),
        evidence=("feedback fields" if mail.feedback else "the form of a complaint",),
        truncated=mail.truncated,
    )


def _by_fields(mail: Mail, table: BounceTable) -> Report | None:
    """Read the status part; where there is none, the same fields in the text."""
    status, evidence = read_status("\n\n".join(mail.statuses)), "a status part"
    if not status.recipients and _is_from_a_system(mail):
        status, evidence = read_status(mail.notice, only_with_recipient=True), "fields in the text"
    if not status.recipients:
        return None
    failing = [one for one in status.recipients if one.final]
    named = tuple(dict.fromkeys(one.final for one in failing))
    told = {
        one.address.lower(): one
        for one in tell(mail.notice, ours=arrived_at(mail) | sent_by(mail), named=named)
    }
    results = [
        judge_fields(one, told.get(one.final.lower()), Source.STATUS_PART, table) for one in failing
    ]
    if not results:
        # The fields name nobody: they judge, and the text tells whom.
        whom = _told(mail)
        judged = judge_fields(status.recipients[0], whom[0], Source.STATUS_PART, table)
        results = [_readdressed(judged, one, _source_of(mail)) for one in whom]
    return _verdict(mail, results, status, evidence)


def _verdict(
    mail: Mail, results: list[RecipientResult], status: StatusReport, evidence: str
) -> Report:
    kind, reason = heaviest(results)
    delivered = bool(results) and all(one.action == "delivered" for one in results)
    if kind is not ReportKind.NOT_A_BOUNCE:
        results = [one for one in results if one.kind is not ReportKind.NOT_A_BOUNCE]
    else:
        results = []
    return Report(
        kind=kind,
        reason=reason,
        recipients=tuple(results),
        identifiers=find_identifiers(mail, envelope_id=status.envelope_id),
        reporting_mta=status.reporting_mta[:255],
        evidence=(evidence,),
        truncated=mail.truncated,
        delivered=delivered,
    )


def _readdressed(result: RecipientResult, told: Told, source: Source) -> RecipientResult:
    return RecipientResult(
        address=told.address,
        kind=result.kind,
        source=source,
        bounce=result.bounce,
        reason=result.reason,
        status=result.status,
        code=result.code,
        action=result.action,
        diagnostic=result.diagnostic or told.diagnostic,
        remote_mta=result.remote_mta,
    )


def _by_notification(mail: Mail, table: BounceTable) -> Report | None:
    found = read_notification(mail.notice)
    if found is None:
        return None
    if found.complaint is not None:
        return _complaint(mail, Feedback(found.complaint, found.complainants, named_in_report=True))
    results = [judge_fields(one, None, Source.NOTIFICATION, table) for one in found.statuses]
    return _verdict(mail, results, StatusReport(), "a provider's notification")


def _by_wish(mail: Mail) -> Report | None:
    """Read the mail that a List-Unsubscribe address gets (RFC 2369 §3.2)."""
    if not _UNSUBSCRIBE.fullmatch(mail.headers.first("subject")) or _is_from_a_system(mail):
        return None
    found = [
        RecipientResult(
            address=address,
            kind=ReportKind.COMPLAINT,
            source=Source.HEADER,
            reason=Reason.UNSUBSCRIBE,
        )
        for address in addresses_in(mail.headers.first("from"))[:1]
    ]
    return _report(mail, ReportKind.COMPLAINT, Reason.UNSUBSCRIBE, "a wish to leave", found)


def _by_words(mail: Mail, table: BounceTable) -> Report | None:
    """Read mail of systems without fields; what people write about bounces is none."""
    failed = mail.headers.all("x-failed-recipients")
    if not failed and not _is_notice(mail):
        return None
    told = _told(mail)
    text = f"{mail.headers.first('subject')}\n{mail.notice}"
    final = speaks(FINALS, text)
    delayed = speaks(DELAYS, text) and not final
    source = _source_of(mail)
    results = [judge_words(one, source, table, delayed=delayed, final=final) for one in told]
    kind, reason = heaviest(results)
    return _report(mail, kind, reason, "words of a mail system", results)


def _told(mail: Mail) -> list[Told]:
    """Return what the text says of whom: named by a header, by the text, by what was returned."""
    named = tuple(addresses_in(" ".join(mail.headers.all("x-failed-recipients"))))
    text = mail.notice if mail.notice.strip() else mail.headers.first("subject")
    ours = arrived_at(mail) | sent_by(mail)
    told = tell(text, ours=ours, named=named)
    addressed = went_to(mail)
    if _is_nameless(told) and addressed and addressed.lower() not in ours:
        told = tell(text, ours=ours, named=(addressed,))
    if _is_nameless(told):
        # Some write the failed recipient where others write where the mail arrived.
        got = " ".join(mail.headers.all("to") + mail.headers.all("from"))
        told = tell(text, ours=frozenset(one.lower() for one in addresses_in(got)), named=named)
    if _is_nameless(told) and addressed:
        told = tell(text, ours=ours, named=(addressed,))
    if not any(one.status or BUILT_IN.tells(one.words) for one in told):
        # Some put the reason into the subject alone.
        spoken = tell(mail.headers.first("subject"), ours=ours, named=("",))[0]
        if BUILT_IN.tells(spoken.words):
            told = [
                Told(one.address, "", one.code, spoken.words, spoken.diagnostic) for one in told
            ]
    return told


def _is_nameless(told: list[Told]) -> bool:
    return len(told) == 1 and not told[0].address


def _source_of(mail: Mail) -> Source:
    if mail.headers.all("x-failed-recipients"):
        return Source.HEADER
    return Source.TEXT if addresses_in(mail.notice) else Source.RETURNED


def _is_from_a_system(mail: Mail) -> bool:
    """Return whether the envelope or the sender is that of a machine that reports (RFC 3464 §2)."""
    sender = mail.headers.first("from")
    path = "return-path" in mail.headers.fields
    null = path and mail.headers.first("return-path").strip().lower() in _NULL_PATHS
    report = mail.headers.first("content-type").lower().startswith("multipart/report")
    by_address = any(is_of_a_system(one) for one in addresses_in(sender))
    return _is_a_daemon(mail) or by_address or null or report


def _is_a_daemon(mail: Mail) -> bool:
    """Return whether the sender is called what mail systems are called."""
    returns = "mailer-daemon" in mail.headers.first("return-path").lower()
    sender = _DOMAINS.sub("@", mail.headers.first("from")[:300])
    return returns or compiled(DAEMONS).search(sender) is not None


def _is_notice(mail: Mail) -> bool:
    """Return whether a system without fields tells of a failure.

    It takes one of each: something of a system about the envelope, and something of a failure in
    the words. A person who forwards a bounce has the second only.
    """
    subject = mail.headers.first("subject")
    told = not is_reply(subject) and compiled(FAILURE_SUBJECTS).search(subject) is not None
    system = _is_from_a_system(mail)
    if is_reply(subject) and not system:
        return False
    words = speaks(NOTICES, mail.notice)
    shown = BUILT_IN.tells(mail.notice) or bool(mail.returned)
    if reply_evidence(mail) and not (told or (words and mail.returned)):
        return False
    if _is_a_daemon(mail):
        return told or words
    if system:
        return (told and (words or shown)) or (words and shown)
    named = bool(tell(mail.notice, ours=arrived_at(mail) | sent_by(mail))[0].address)
    return told and words and (shown or named)


def _by_reply(mail: Mail) -> Report | None:
    evidence = reply_evidence(mail)
    if not evidence:
        return None
    found = [
        RecipientResult(
            address=address, kind=ReportKind.AUTOREPLY, source=Source.HEADER, reason=Reason.VACATION
        )
        for address in addresses_in(mail.headers.first("from"))[:1]
    ]
    return _report(mail, ReportKind.AUTOREPLY, Reason.VACATION, evidence, found)


def _report(
    mail: Mail,
    kind: ReportKind,
    reason: Reason,
    evidence: str,
    results: list[RecipientResult] | None = None,
) -> Report:
    return Report(
        kind=kind,
        reason=reason,
        recipients=tuple(results or ()),
        identifiers=find_identifiers(mail),
        evidence=(evidence,),
        truncated=mail.truncated,
    )
