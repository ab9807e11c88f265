"""Notices in the ways of speaking of many mail systems, written for these tests.

Each has a name, a mail, and what a person would say of it. The wording follows what the systems
are documented to write, with hosts and people of our own.
"""

from __future__ import annotations

from typing import NamedTuple

ORIGINAL = """\
Return-Path: <b+7-1234-0123456789abcdef0123@bounces.example.org>
Received: from news.example.org (news.example.org [192.0.2.10])
    by mx.example.net with ESMTP id 4F2; Tue, 24 Nov 2026 06:00:01 +0000
From: The Daily <daily@example.org>
To: ada@example.net
Subject: The Daily of Tuesday
Message-ID: <1234.7.00112233445566aa@example.org>
Date: Tue, 24 Nov 2026 06:00:00 +0000

Good morning.
"""


class Notice(NamedTuple):
    """One mail and what it says: kind, recipients, status (None where it gives none)."""

    name: str
    mail: bytes
    kind: str
    recipients: tuple[str, ...]
    status: str | None = None


def plain(
    body: str,
    *,
    sender: str = "Mail Delivery Subsystem <MAILER-DAEMON@mx.example.net>",
    subject: str = "Returned mail",
    headers: str = "",
    original: str = ORIGINAL,
) -> bytes:
    """Return a mail of one text part, with the returned message below."""
    return (
        f"Return-Path: <>\nFrom: {sender}\nTo: daily@example.org\nSubject: {subject}\n{headers}"
        f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
        f"{body}\n\n{original}"
    ).encode()


def report(
    fields: str,
    *,
    words: str = "Your message was not delivered.",
    subject: str = "Delivery status",
    original: str = ORIGINAL,
) -> bytes:
    """Return a multipart/report (RFC 6522) with these delivery status fields."""
    return (
        "From: MAILER-DAEMON@mx.example.net\nTo: daily@example.org\n"
        f"Subject: {subject}\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="frontier"\n\n'
        f"--frontier\nContent-Type: text/plain; charset=utf-8\n\n{words}\n\n"
        "--frontier\nContent-Type: message/delivery-status\n\n"
        f"Reporting-MTA: dns; mx.example.net\nOriginal-Envelope-Id: 7-1234\n\n{fields}\n"
        f"--frontier\nContent-Type: message/rfc822\n\n{original}\n--frontier--\n"
    ).encode()


def failed(status: str, diagnostic: str, *, action: str = "failed", whom: str = "ada") -> str:
    """Return the fields of one recipient."""
    return (
        f"Final-Recipient: rfc822; {whom}@example.net\nAction: {action}\nStatus: {status}\n"
        f"Remote-MTA: dns; in.example.net\nDiagnostic-Code: smtp; {diagnostic}\n"
    )


ADA = ("ada@example.net",)
_QMAIL = (
    "Hi. This is the qmail-send program at mx.example.net.\nI'm afraid I wasn't able to deliver "
    "your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it "
    "didn't work out.\n\n<ada@example.net>:\n{}\n\n--- Below this line is a copy of the message.\n"
)
_EXIM = (
    "This message was created automatically by mail delivery software.\n\nA message that you sent "
    "could not be delivered to one or more of its\nrecipients. This is a permanent error. The "
    "following address(es) failed:\n\n  ada@example.net\n{}\n\n"
    "------ This is a copy of the message, including all the headers. ------\n"
)

NOTICES: tuple[Notice, ...] = (
    Notice(
        "qmail, no mailbox",
        plain(_QMAIL.format("Sorry, no mailbox here by that name. (#5.1.1)")),
        "hard",
        ADA,
        "5.1.1",
    ),
    Notice(
        "qmail, the remote host said no",
        plain(
            _QMAIL.format(
                "192.0.2.9 does not like recipient.\nRemote host said: 550 unknown user\n"
                "Giving up on 192.0.2.9."
            ),
            subject="failure notice",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "qmail, no such host",
        plain(_QMAIL.format("Sorry, I couldn't find any host named example.net. (#5.1.2)")),
        "hard",
        ADA,
        "5.1.2",
    ),
    Notice(
        "qmail, in the queue too long",
        plain(
            _QMAIL.format(
                "I'm not going to try again; this message has been in the queue too long.\n"
                "192.0.2.9 does not like recipient.\n"
                "Remote host said: 450 4.2.1 mailbox temporarily disabled"
            )
        ),
        "soft",
        ADA,
        "4.2.1",
    ),
    Notice(
        "qmail, over quota",
        plain(_QMAIL.format("The users mailfolder is over the allowed quota (size). (#5.2.2)")),
        "soft",
        ADA,
        "5.2.2",
    ),
    Notice(
        "exim, unrouteable",
        plain(_EXIM.format("    Unrouteable address"), headers="Auto-Submitted: auto-replied\n"),
        "hard",
        ADA,
    ),
    Notice(
        "exim, retry timeout",
        plain(_EXIM.format("    retry timeout exceeded")),
        "soft",
        ADA,
    ),
    Notice(
        "exim, blocked",
        plain(
            _EXIM.format(
                "    host in.example.net [192.0.2.9]\n    SMTP error from remote mail server after "
                "RCPT TO:<ada@example.net>:\n    550 Service unavailable; client [192.0.2.10] "
                "blocked using dnsbl.example.com"
            ),
            headers="X-Failed-Recipients: ada@example.net\n",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "exim, warning",
        plain(
            "This message was created automatically by mail delivery software.\nA message that you "
            "sent has not yet been delivered to one or more of its\nrecipients after more than 24 "
            "hours on the queue on mx.example.net.\n\nThe address to which the message has not yet "
            "been delivered is:\n\n  ada@example.net\n    Delay reason: Connection timed out\n\n"
            "No action is required on your part. Delivery attempts will continue for some time.",
            subject="Warning: message 1xYz delayed 24 hours",
            headers="Auto-Submitted: auto-replied\n",
            original="",
        ),
        "delayed",
        ADA,
    ),
    Notice(
        "postfix, text only, two recipients",
        plain(
            "This is the mail system at host mx.example.net.\n\nI'm sorry to have to inform you "
            "that your message could not\nbe delivered to one or more recipients.\n\n"
            "<ada@example.net>: host in.example.net[192.0.2.9] said: 550 5.1.1\n"
            "    <ada@example.net>: Recipient address rejected: User unknown (in reply to\n"
            "    RCPT TO command)\n\n<bob@example.net>: host in.example.net[192.0.2.9] said: 552\n"
            "    5.2.2 Mailbox full (in reply to RCPT TO command)"
        ),
        "hard",
        ("ada@example.net", "bob@example.net"),
        "5.1.1",
    ),
    Notice(
        "sendmail transcript",
        plain(
            "The original message was received at Tue, 24 Nov 2026\nfrom localhost\n\n"
            "   ----- The following addresses had permanent fatal errors -----\n<ada@example.net>\n"
            "\n   ----- Transcript of session follows -----\n... while talking to in.example.net:\n"
            ">>> RCPT To:<ada@example.net>\n<<< 550 5.1.1 <ada@example.net>... User unknown\n"
            "550 <ada@example.net>... User unknown\n\n   ----- Unsent message follows -----"
        ),
        "hard",
        ADA,
        "5.1.1",
    ),
    Notice(
        "sendmail warning",
        plain(
            "    **********************************************\n    **      THIS IS A WARNING "
            "MESSAGE ONLY      **\n    **  YOU DO NOT NEED TO RESEND YOUR MESSAGE  **\n\n   ----- "
            "Transcript of session follows -----\n451 <ada@example.net>... in.example.net: Name "
            "server timeout\nWarning: message still undelivered after 4 hours\nWill keep trying "
            "until message is 5 days old",
            subject="Warning: could not send message for past 4 hours",
        ),
        "delayed",
        ADA,
    ),
    Notice(
        "courier",
        plain(
            "This is a delivery status notification from mx.example.net,\nrunning the Courier mail "
            "server, version 0.65.2.\n\nThe original message was received on Tue, 24 Nov 2026\n\n"
            "UNDELIVERABLE MAIL\n\nYour message to the following recipients cannot be delivered:\n"
            "\n<ada@example.net>:\n    in.example.net [192.0.2.9]:\n>>> RCPT TO:<ada@example.net>\n"
            "<<< 550 5.1.1 <ada@example.net>... User Unknown"
        ),
        "hard",
        ADA,
        "5.1.1",
    ),
    Notice(
        "old exchange",
        plain(
            "Your message\n\n  To:      ada@example.net\n  Subject: The Daily\n  Sent:    24 Nov"
            " 2026\n\ndid not reach the following recipient(s):\n\nada@example.net on Tue, 24 Nov "
            "2026 06:00:01 +0000\n    The recipient name is not recognized\n\tThe MTS-ID of the "
            "original message is: c=us;a= ;p=org;l=EX-1\n    MSEXCH:IMS:ORG:SITE:EX 0 (000C05A6) "
            "Unknown Recipient",
            sender="System Administrator <postmaster@example.net>",
            subject="Undeliverable: The Daily of Tuesday",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "gmx and 1&1",
        plain(
            "This message was created automatically by mail delivery software.\n\nA message that "
            "you sent could not be delivered to\none or more of its recipients. This is a permanent"
            ' error.\nThe following address failed:\n\n"ada@example.net":\nSMTP error from remote '
            "server after RCPT command:\nhost: in.example.net\n5.1.1 <ada@example.net>... User "
            "Unknown\n\n--- The header of the original message is following. ---",
        ),
        "hard",
        ADA,
        "5.1.1",
    ),
    Notice(
        "1&1, for the following reason",
        plain(
            "This message was created automatically by mail delivery software.\n\nA message that "
            "you have sent could not be delivered to one or more\nof its recipients.\n\nThe "
            "following addresses failed:\n\n   <ada@example.net>\n\nFor the following reason:\n\n"
            "Mail size limit exceeded. For explanation visit\nhttp://postmaster.example.com/"
        ),
        "soft",
        ADA,
    ),
    Notice(
        "notes",
        plain(
            "------- Failure Reasons  --------\n\nUser not listed in public Name & Address Book\n"
            "ada@example.net\n\n------- Returned Message --------",
            sender="postmaster@example.net",
            subject="Undeliverable message",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "messaging server, text only",
        plain(
            "This report relates to a message you sent with the following header fields:\n\n  "
            "Message-id: <1@example.org>\n  To: ada@example.net\n\nYour message cannot be "
            "delivered to the following recipients:\n\n  Recipient address: "
            "ada@example.net\n  Reason: Remote SMTP server has rejected address\n  "
            "Diagnostic code: smtp;550 5.1.1 <ada@example.net>... "
            "User Unknown\n  Remote system: dns;in.example.net",
            subject="Delivery Notification: Delivery has failed",
            sender="Internet Mail Delivery <postmaster@example.net>",
        ),
        "hard",
        ADA,
        "5.1.1",
    ),
    Notice(
        "SMTP server rejected recipient, in brackets",
        plain(
            "We had trouble delivering your message. Full details follow:\n\nSubject: 'The Daily'\n"
            "Date: 'Tue, 24 Nov 2026'\n\n1 error(s):\n\nSMTP Server <in.example.net> rejected "
            "recipient <ada@example.net> (Error following RCPT command). It responded as follows: "
            "[550 5.1.1 unknown user]",
            subject="There was an error sending your mail",
        ),
        "hard",
        ADA,
        "5.1.1",
    ),
    Notice(
        "does not have an account here",
        plain(
            "Unable to deliver message to the following address(es).\n\n<ada@example.net>:\nThis "
            "user doesn't have an example.net account (ada@example.net) [0]",
            subject="Delivery failure",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "server failed with",
        plain(
            "Unable to deliver message to: <ada@example.net>\nDelivery failed for the following "
            "reason:\nServer in.example.net[192.0.2.9] failed with: 550 <ada@example.net> No such "
            "user here\n\nThis has been a permanent failure.  No further delivery attempts will be "
            "made.",
            subject="Message delivery failed",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "could not be delivered because of",
        plain(
            "Your message:\n   From:    daily@example.org\n   Subject: The Daily\nCould not be "
            "delivered because of\n\n550 5.1.1 User unknown\n\nThe following recipients were "
            "affected: \n   ada@example.net\n\nAdditional Information\n==================",
            subject="Undeliverable Mail",
        ),
        "hard",
        ADA,
        "5.1.1",
    ),
    Notice(
        "addresses had delivery problems",
        plain(
            "This is an automatic reply from the mail filter.\n\n--- The following addresses had "
            "delivery problems ---\n\n<ada@example.net>   (User unknown ada@example.net)\n",
            subject="Delivery problem",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "sent and received",
        plain(
            "Sent >>> RCPT TO:<ada@example.net>\nReceived <<< 550 5.1.1 <ada@example.net>... user "
            "unknown\n\nUnable to deliver message to <ada@example.net>\n\n"
            "************ Original mail follows ************",
            sender='"Mail gateway" <gateway@example.net>',
            subject="Mail could not be delivered",
        ),
        "hard",
        ADA,
        "5.1.1",
    ),
    Notice(
        "attempts to send follow",
        plain(
            "Your message could not be sent.\nA transcript of the attempts to send the message "
            "follows.\nThe number of attempts made: 1\nAddressed To: ada@example.net\n\nTue 24 Nov "
            "2026\nFailed to send to identified host,\nada@example.net: [192.0.2.9], 550 "
            " ada@example.net... No such user\n--- Message non-deliverable.",
            subject="Message could not be delivered",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "unknown user, nothing else",
        plain(
            "Unknown user: ada@example.net\n\nOriginal message follows.",
            sender="Postmaster <postmaster@example.net>",
            subject="Undeliverable Mail",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "allowed size",
        plain(
            "User mailbox exceeds allowed size: ada@example.net\n\nOriginal message follows.",
            sender="Postmaster <postmaster@example.net>",
            subject="Undeliverable Mail",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "their mailbox is full",
        plain(
            "Your mail sent on: Tue, 24 Nov 2026 06:00:00 +0000\n\n    Could not be delivered to: "
            "<ada@example.net>\n    As their mailbox is full.\n",
            sender="no-reply@app.example.net",
            subject="Mail System Error - Returned Mail",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "mobile gateway",
        plain(
            "Message details:\n  Subject: The Daily\n  RCPT TO: ada@example.net\n  MAIL FROM: "
            "daily@example.org\n\nError: 550 - Requested action not taken: no such user here\n",
            sender="post_master@example.net",
            subject="Undeliverable Message",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "each recipient was rejected",
        plain(
            "The user(s) account is disabled.\n\n<ada@example.net>: 550 user unknown (in reply to "
            "RCPT TO command)\n",
            sender="Postmaster@example.net",
            subject="Mail System Error - Returned Mail",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "yahoo",
        plain(
            "Sorry, we were unable to deliver your message to the following address.\n\n"
            "<ada@example.net>:\nRemote host said: 550 5.1.1 The email account that you tried to "
            "reach does not exist [RCPT_TO]\n\n--- Below this line is a copy of the message.",
            sender="MAILER-DAEMON@example.com",
            subject="Failure Notice",
        ),
        "hard",
        ADA,
        "5.1.1",
    ),
    Notice(
        "gmail, delayed",
        plain(
            "This is an automatically generated Delivery Status Notification\n\nTHIS IS A WARNING "
            "MESSAGE ONLY.\n\nYOU DO NOT NEED TO RESEND YOUR MESSAGE.\n\nDelivery to the following "
            "recipient has been delayed:\n\n     ada@example.net\n\nMessage will be retried for 2 "
            "more day(s)\n\n----- Original message -----",
            subject="Delivery Status Notification (Delay)",
        ),
        "delayed",
        ADA,
    ),
    Notice(
        "russian",
        plain(
            "К сожалению, Ваше письмо не может быть доставлено одному или нескольким "
            "получателям:\n\n  ada@example.net\n    пользователь не найден",
            subject="Ваше сообщение не доставлено",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "chinese",
        plain("您的邮件无法投递：\n\n  ada@example.net\n    收件人邮箱不存在", subject="系统退信"),
        "hard",
        ADA,
    ),
    Notice(
        "japanese, mailbox full",
        plain(
            "次の宛先へ配信できませんでした。\n\n<ada@example.net>\n"
            "メールボックスの容量が超過しています",
            subject="配信エラー",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "german",
        plain(
            "Ihre Nachricht konnte nicht zugestellt werden:\n\n<ada@example.net>: Empfänger "
            "unbekannt",
            subject="Unzustellbar: The Daily",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "activehunter",
        plain(
            "  ----- The following addresses had permanent fatal errors -----\n\n"
            ">>> ada@example.net <ada@example.net>\n\n   ----- original message -----\n\n"
            "550 sorry, no mailbox here by that name (#5.1.1 - chkusr)",
            subject="Delivery failure",
        ),
        "hard",
        ADA,
        "5.1.1",
    ),
    Notice(
        "james",
        plain(
            "Hi. This is the James mail server at mx.example.net.\nI'm afraid I wasn't able to "
            "deliver your message to the following addresses.\nThis is a permanent error; I've "
            "given up. Below I include the list of\nrecipients and the reason why I was unable to "
            "deliver your message.\n\nFailed recipient(s):\nada@example.net\n\nError message:\n"
            "550 - Requested action not taken: no such user here",
            sender="postmaster@example.net",
            subject="[BOUNCE]",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "server message",
        plain(
            "-------server message\n550 5.1.1 unknown user <ada@example.net>\n\n"
            "-------original mail info",
            sender="Mailer Daemon <postmaster@example.net>",
            subject="failure notice",
        ),
        "hard",
        ADA,
        "5.1.1",
    ),
    Notice(
        "sendmail, remote protocol error",
        plain(
            "   ----- Transcript of session follows -----\nWhile talking to in.example.net:\n>>> "
            "RCPT To:<ada@example.net>\n<<< 550 User unknown\n554 <ada@example.net>... Remote "
            "protocol error\n\n   ----- Unsent message follows -----",
            subject="Returned mail: Remote protocol error",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "gmail, address not found",
        report(
            failed("5.1.1", "550-5.1.1 The email account that you tried to reach does not exist."),
            words="** Address not found **\n\nYour message wasn't delivered to ada@example.net "
            "because the address couldn't be found.",
        ),
        "hard",
        ADA,
        "5.1.1",
    ),
    Notice(
        "a group that may not exist",
        plain(
            "Hello daily@example.org,\n\nWe're writing to let you know that the group you tried to "
            "contact (readers) may not exist, or you may not have permission to post "
            "messages to it.\n",
            subject="Delivery Status Notification (Failure)",
            headers="X-Failed-Recipients: readers@example.net\n",
        ),
        "soft",
        ("readers@example.net",),
    ),
    Notice(
        "the reason in the subject",
        plain("\n", subject="DELIVERY FAILURE: User ada (ada@example.net) not listed in Directory"),
        "hard",
        ADA,
    ),
    Notice(
        "delivery failed after many attempts",
        plain(
            "Delivery failed 20 attempts: ada@example.net\n\nOriginal message follows.",
            sender="Postmaster <postmaster@example.net>",
            subject="Undeliverable Mail",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "outlook, delivery failed",
        plain(
            "This is an automatically generated Delivery Status Notification.\n\nDelivery to the "
            "following recipients failed.\n\n       ada@example.net\n",
            sender="postmaster@example.net",
            subject="Delivery Status Notification (Failure)",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "a list manager refuses",
        plain(
            "You are not a member of this mailing list <readers@example.net>, so your message was "
            "rejected.\n",
            sender="readers-admin@example.net (list manager)",
            subject="Your message was rejected",
        ),
        "soft",
        ("readers@example.net",),
    ),
    Notice(
        "status part without a recipient",
        report("Action: failed\nStatus: 5.1.1\n", words="<ada@example.net>: unknown user"),
        "hard",
        ADA,
        "5.1.1",
    ),
    Notice(
        "status part, local recipient",
        report(
            "Final-Recipient: LOCAL;<ada>\nOriginal-Recipient: rfc822;ada@example.net\n"
            "Action: failed\nStatus: 5.1.1\n"
        ),
        "hard",
        ADA,
        "5.1.1",
    ),
    Notice(
        "status part of RFC 6533",
        report(failed("5.1.1", "550 unknown")).replace(
            b"message/delivery-status", b"message/global-delivery-status"
        ),
        "hard",
        ADA,
        "5.1.1",
    ),
    Notice(
        "french exchange",
        plain(
            "Échec de la remise pour ces destinataires ou groupes :\n\nada@example.net<mailto:"
            "ada@example.net>\nL'adresse de messagerie que vous avez entrée est introuvable.",
            sender="postmaster@example.net",
            subject="Non remis : The Daily",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "markup only",
        plain(
            "<html><head><style>p {}</style></head><body><p>Your message could not be delivered to"
            "</p><p>ada@example.net</p><p>550 5.2.2 Mailbox full</p></body></html>",
            subject="Undeliverable",
        ).replace(b"text/plain", b"text/html"),
        "soft",
        ADA,
        "5.2.2",
    ),
    Notice(
        "status part, hard", report(failed("5.1.1", "550 5.1.1 User unknown")), "hard", ADA, "5.1.1"
    ),
    Notice(
        "status part, full", report(failed("5.2.2", "552 5.2.2 Over quota")), "soft", ADA, "5.2.2"
    ),
    Notice(
        "status part, expired in the queue",
        report(failed("4.4.7", "delivery time expired")),
        "soft",
        ADA,
        "4.4.7",
    ),
    Notice(
        "status part, generic, the diagnostic tells",
        report(failed("5.0.0", "550 No such user here")),
        "hard",
        ADA,
        "5.0.0",
    ),
    Notice(
        "status part, generic, the text tells",
        report(
            failed("5.0.0", "x").replace("Diagnostic-Code: smtp; x\n", ""),
            words="<ada@example.net>: mailbox not found",
        ),
        "hard",
        ADA,
        "5.0.0",
    ),
    Notice(
        "status part, blocked",
        report(failed("5.7.1", "554 5.7.1 User unknown or blocked")),
        "soft",
        ADA,
        "5.7.1",
    ),
    Notice(
        "status part, made up from a bare 550",
        report(failed("5.1.1", "550 blocked using dnsbl.example.com")),
        "soft",
        ADA,
        "5.1.1",
    ),
    Notice(
        "status part, delayed",
        report(failed("4.4.1", "connection timed out", action="delayed")),
        "delayed",
        ADA,
        "4.4.1",
    ),
    Notice(
        "status part, delivered",
        report(failed("2.0.0", "250 ok", action="delivered")),
        "not_a_bounce",
        (),
    ),
    Notice(
        "status part, relayed",
        report(failed("2.1.5", "250 ok", action="relayed")),
        "not_a_bounce",
        (),
    ),
    Notice(
        "status part, expanded",
        report(failed("2.1.5", "250 ok", action="expanded")),
        "not_a_bounce",
        (),
    ),
    Notice(
        "status part, three recipients",
        report(
            failed("4.2.2", "452 4.2.2 full")
            + "\n"
            + failed("5.1.1", "550 5.1.1 unknown", whom="bob")
            + "\n"
            + failed("2.0.0", "250 ok", action="delivered", whom="cleo")
        ),
        "hard",
        ("ada@example.net", "bob@example.net"),
        "5.1.1",
    ),
    Notice(
        "status part, recipients without a blank line between",
        report(failed("5.1.1", "550 unknown") + failed("5.1.1", "550 unknown", whom="bob")),
        "hard",
        ("ada@example.net", "bob@example.net"),
        "5.1.1",
    ),
)


def complaint(kind: str, *, extra: str = "Original-Rcpt-To: ada@example.net\n") -> bytes:
    """Return an abuse report (RFC 5965) of a kind."""
    return (
        "From: <feedback@example.net>\nTo: abuse@example.org\nSubject: FW: The Daily\n"
        "MIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nThis is an abuse report.\n\n"
        f"--b\nContent-Type: message/feedback-report\n\nFeedback-Type: {kind}\n"
        f"User-Agent: Loop/1.0\nVersion: 1\nOriginal-Mail-From: <daily@example.org>\n{extra}\n"
        f"--b\nContent-Type: message/rfc822\n\n{ORIGINAL}\n--b--\n"
    ).encode()


def reply(*, subject: str = "Re: The Daily", headers: str = "", body: str = "I am away.") -> bytes:
    """Return a mail of a reader or of their machine."""
    return (
        "From: Ada <ada@example.net>\nTo: daily@example.org\n"
        f"Subject: {subject}\n{headers}\n{body}\n"
    ).encode()
