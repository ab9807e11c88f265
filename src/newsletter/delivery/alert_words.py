"""The words of alerts: what happened, what it means for the readers, and what to type now.

Pure: who raises them stands where the trouble is met.
"""

from __future__ import annotations

from datetime import datetime

from newsletter.delivery.alerts import Alert, AlertKind


def campaign_paused(
    campaign: int,
    *,
    digest: str,
    mailing_list: str,
    reason: str,
    waiting: int,
    recipients: int,
    expires_at: datetime,
    at: datetime,
) -> Alert:
    """Tell that a campaign paused by itself (D7); each such pause is told anew.

    `waiting`: how many of its recipients have no outcome yet.
    """
    return Alert(
        AlertKind.CAMPAIGN_PAUSED,
        key=f"campaign {campaign} paused {at.isoformat()}",
        subject=f"Campaign {campaign} paused: {digest} to {mailing_list}",
        body=alert_body(
            f"Campaign {campaign}, '{digest}' to '{mailing_list}', paused by itself at {_day(at)}.",
            f"Why: {reason}",
            f"What it means: {waiting} of its {recipients} recipients have not got it. They wait, "
            "nobody is lost, and who has got it does not get it again. What has not left by "
            f"{_day(expires_at)} is not sent any more.",
            "What to do: look at what came back, and correct the cause. Then let the campaign go "
            "on, or end it for good.",
            commands=(
                f"newsletter campaigns report {campaign}",
                f"newsletter campaigns resume {campaign}",
                f"newsletter campaigns cancel {campaign}",
            ),
        ),
        campaign=campaign,
    )


def domain_held(domain: str, *, until: datetime, reason: str, campaign: int, at: datetime) -> Alert:
    """Tell that a remote domain refuses us as a whole and is left alone (D6)."""
    return Alert(
        AlertKind.DOMAIN_HELD,
        key=f"domain {domain[:150]} held {at.isoformat()}",
        subject=f"Domain held: {domain}",
        body=alert_body(
            f"{domain} refuses our mail as a whole. Since {_day(at)} it is left alone, until "
            f"{_day(until)}.",
            f"Its answer: {reason}",
            "What it means: nobody was suppressed and nobody is lost, for the refusal is about us "
            f"and not about the readers. What campaign {campaign} has for {domain} waits until "
            "then, as long as the campaign has not expired. All other domains go on.",
            "What to do: look up what the answer names (a block list, a policy, SPF, DKIM or "
            "DMARC) and correct the cause. After that, or after the hold, send what waits.",
            commands=(
                "newsletter doctor",
                "newsletter domains list",
                f"newsletter domains release {domain}",
                f"newsletter campaigns resume {campaign}",
            ),
        ),
        campaign=campaign,
    )


def unknown_waits(campaign: int, *, unknown: int, recipients: int) -> Alert:
    """Tell that deliveries whose answer was lost wait for the operator's word (G8, H10)."""
    return Alert(
        AlertKind.UNKNOWN_WAITS,
        key=f"campaign {campaign} has {unknown} unknown",
        subject=f"Campaign {campaign}: {unknown} deliveries are unknown",
        body=alert_body(
            f"Campaign {campaign} is through, but for {unknown} of its {recipients} deliveries "
            "the answer was lost.",
            "What it means: these readers may have got it, or not. They get nothing more of it by "
            "themselves, so that nobody gets it twice.",
            "What to do: decide for all of them, or for each one by what the provider's log says.",
            commands=(
                f"newsletter campaigns report {campaign}",
                f"newsletter campaigns resolve {campaign} --help",
            ),
        ),
        campaign=campaign,
    )


def sent_elsewhere(campaign: int, *, digest: str, mailing_list: str, readers: int) -> Alert:
    """Tell that news came of messages that this database has not sent; once for a campaign.

    `readers`: of how many readers so far.
    """
    return Alert(
        AlertKind.SENT_ELSEWHERE,
        key=f"campaign {campaign} sent elsewhere",
        subject=f"Campaign {campaign}: sent by another copy of the database?",
        body=alert_body(
            f"News came of messages of campaign {campaign}, '{digest}' to '{mailing_list}', that "
            f"were never sent from here: of {readers} readers so far.",
            "What it means: another copy of this database sends too, or one did before this one "
            "was restored. These readers may have got the digest already. The news is kept, and "
            "the campaign goes on as it is: whoever waits is sent to.",
            "What to do: pause the campaign while you look. End the other copy. Then let the "
            "campaign go on, or end it for good.",
            commands=(
                f"newsletter campaigns pause {campaign}",
                f"newsletter campaigns report {campaign}",
                f"newsletter campaigns resume {campaign}",
                f"newsletter campaigns cancel {campaign}",
            ),
        ),
        campaign=campaign,
    )


def held_by_a_fault(
    key: str, label: str, *, problem: str, campaign: int | None, at: datetime
) -> Alert:
    """Tell that the program failed at one thing, which waits; once a day for each place."""
    return Alert(
        AlertKind.FAULT,
        key=f"fault {key} {problem} {at:%Y-%m-%d}",
        subject=f"On hold after a fault: {label}",
        body=alert_body(
            f"The program failed while it worked on {label}, at {_day(at)}: {problem}.",
            "What it means: this one waits, and is tried again after a while. Everything else goes "
            "on. Nobody was lost, and nobody gets anything twice.",
            "What to do: look for 'held_by_a_fault' in the log, where the whole trace stands. If "
            "it is about a digest or a setting, correct that; the next try takes it up. Please "
            "report the trace, for the program should have said what is wrong.",
            commands=("newsletter doctor", "newsletter verify"),
        ),
        campaign=campaign,
    )


def kept_waiting(
    key: str, label: str, *, problem: str, campaign: int | None, at: datetime
) -> Alert:
    """Tell that one thing waits for an operator, who alone can mend it; once a day."""
    return Alert(
        AlertKind.FAULT,
        key=f"waits {key} {problem[:100]} {at:%Y-%m-%d}",
        subject=f"On hold: {label}",
        body=alert_body(
            f"{label[:1].upper()}{label[1:]} waits since {_day(at)}: {problem}",
            "What it means: this one waits until that is mended. Everything else goes on.",
            "What to do: correct the cause. The next try takes it up by itself.",
            commands=("newsletter doctor",),
        ),
        campaign=campaign,
    )


def trial() -> Alert:
    """Return an alert that tells of nothing: the operator tries the ways."""
    return Alert(
        AlertKind.TEST,
        key="test",
        subject="This is a test",
        body=alert_body(
            "Somebody typed 'newsletter alerts test'. Nothing is wrong: alerts reach you by "
            "this way."
        ),
    )


def alert_body(*paragraphs: str, commands: tuple[str, ...] = ()) -> str:
    """Return the body of an alert: paragraphs, each in one line, and the commands at its end."""
    # Answers of servers come in: they make no paragraphs of their own.
    parts = [" ".join(paragraph.split()) for paragraph in paragraphs]
    if commands:
        parts.append("\n".join(f"    {command}" for command in commands))
    return "\n\n".join(parts) + "\n"


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
