"""Notices of old and odd mail systems, and in other languages: whom they name.

Written for these tests after the manner of each system, with hosts and people of our own. Many
name more than the reader: the sender, the list, a postmaster, a desk that helps.
"""

from __future__ import annotations

from tests.unit.feedback.notices import ADA, ORIGINAL, Notice, plain, report

BOTH = ("ada@example.net", "bob@example.com")
DESK = "\n\nQuestions? Write to helpdesk@mx.example.net or call us.\n-- \nsupport@example.com\n"

LIST = ORIGINAL.replace(
    "From: The Daily <daily@example.org>\n",
    "From: The Daily <editor@example.org>\nSender: daily-bounces@lists.example.org\n"
    "Reply-To: letters@example.org\nErrors-To: daily-bounces@lists.example.org\n"
    "List-Post: <mailto:daily@lists.example.org>\n",
).replace("To: ada@example.net", "To: daily@lists.example.org")
"""The message as a list sends it: its own addresses stand where a reader's might."""


def bare(
    body: str, *, sender: str = "Postmaster <postmaster@mx.example.net>", subject: str
) -> bytes:
    """Return a notice without the returned message."""
    return plain(body, sender=sender, subject=subject, original="")


OLD: tuple[Notice, ...] = (
    Notice(
        "lotus notes, because",
        plain(
            "Your message\n\n   Subject: The Daily\n\nwas not delivered to:\n\n"
            "   ada@example.net\n\nbecause:\n\n   User ada (ada@example.net) not listed in public "
            "Name & Address Book" + DESK,
            sender="Postmaster@mx.example.net",
            subject="DELIVERY FAILURE: User ada not listed in public Name & Address Book",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "domino, multiple matches",
        plain(
            "Your message\n\n  Subject: The Daily\n\nwas not delivered to:\n\n  ada@example.net\n\n"
            "because:\n\n  User ada (ada@example.net) matches more than one entry",
            subject="DELIVERY FAILURE",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "groupwise, user not found",
        plain(
            "The message that you sent was undeliverable to the following:\n"
            "\tada@example.net (user not found)\n\tbob@example.com (mailbox is full)\n\n"
            "Possibly truncated original message follows:",
            sender="<>",
            subject="Message status - undeliverable",
        ),
        "hard",
        BOTH,
    ),
    Notice(
        "groupwise, attached file",
        bare(
            "The attached file had the following undeliverable recipient(s):\n\tada@example.net\n",
            subject="Mail System Error - Returned Mail",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "mmdf, unknown user name",
        plain(
            "Your message was not delivered to the following addresses:\n\n    "
            'ada@example.net: (USER) Unknown user name in "ada@example.net"\n\n'
            "    Your message begins as follows:",
            sender="MMDF Mail System <mmdf@mx.example.net>",
            subject="Failed mail (msg.aa12345)",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "mmdf, trouble sending",
        bare(
            "Trouble sending mail to the following address: ada@example.net\n"
            '  Reason: unknown host or domain name in "ada@example.net"\n',
            sender="mmdf@mx.example.net",
            subject="Failed mail",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "smail, failed addresses",
        plain(
            "|------------------------- Message log follows: -------------------------|\n"
            " no valid recipients were found for this message\n"
            "|------------------------- Failed addresses follow: ---------------------|\n"
            " <ada@example.net> ... unknown host\n <bob@example.com> ... unknown user\n"
            "|------------------------- Message text follows: ------------------------|",
            subject="mail failed, returning to sender",
        ),
        "hard",
        BOTH,
    ),
    Notice(
        "smail 3, transport said",
        plain(
            "|------------------------- Message log follows: -------------------------|\n"
            "|------------------------- Failed addresses follow: ---------------------|\n"
            " <ada@example.net> ... transport smtp: 550 <ada@example.net>... User unknown\n"
            "|------------------------- Message text follows: ------------------------|",
            subject="mail failed, returning to sender",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "netscape, undeliverable",
        plain(
            "This Message was undeliverable due to the following reason:\n\nThe user(s) account is "
            "disabled.\n\n<ada@example.net>\n\nPlease reply to <postmaster@mx.example.net>\n"
            "if you feel this message to be in error.",
            subject="Mail System Error - Returned Mail",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "netscape, each recipient's reason",
        plain(
            "This Message was undeliverable due to the following reason:\n\nEach of the following "
            "recipients was rejected by a remote mail server.\nThe reasons given by the server are "
            "included to help you determine why\neach recipient was rejected.\n\n    Recipient: "
            "<ada@example.net>\n    Reason:    unknown user\n\n    Recipient: <bob@example.com>\n"
            "    Reason:    over quota\n\nPlease reply to Postmaster@mx.example.net\n",
            subject="Mail System Error - Returned Mail",
        ),
        "hard",
        BOTH,
    ),
    Notice(
        "compuserve, invalid receiver",
        bare(
            "Your message could not be delivered for the following reason:\n"
            "Invalid receiver address: ada@example.net\n",
            subject="Undeliverable message",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "communigate, failed to deliver",
        plain(
            "Failed to deliver to '<ada@example.net>'\nLOCAL module(account ada) reports:\n"
            " account is full (quota exceeded)\n" + DESK,
            subject="Undeliverable mail: The Daily",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "mercury, two failed",
        plain(
            "This is an automatically generated message.\n\nThe following addresses failed:\n\n"
            "ada@example.net, bob@example.com\n\nReason: no such user here\n",
            subject="Delivery failure notification",
        ),
        "hard",
        BOTH,
    ),
    Notice(
        "a table of recipients",
        bare(
            "Delivery to these recipients failed:\n\n  1. ada@example.net - User unknown\n"
            "  2. bob@example.com - User unknown\n\nContact postmaster@mx.example.net for help.\n",
            subject="Delivery failed",
        ),
        "hard",
        BOTH,
    ),
    Notice(
        "two in one sentence",
        bare(
            "Your message could not be delivered to ada@example.net and bob@example.com because "
            "the users are unknown.\n",
            subject="Undeliverable message",
        ),
        "hard",
        BOTH,
    ),
    Notice(
        "two labels",
        bare(
            "Your message could not be delivered.\n\nTo: ada@example.net\nError: User unknown\n\n"
            "To: bob@example.com\nError: User unknown\n",
            subject="Mail delivery failed",
        ),
        "hard",
        BOTH,
    ),
    Notice(
        "an address alone",
        bare("Message could not be delivered.\n\nada@example.net\n", subject="Undeliverable"),
        "soft",
        ADA,
    ),
    Notice(
        "an address alone, the reason above",
        bare("User unknown\n\nada@example.net\n\nsupport@mx.example.net\n", subject="Failed mail"),
        "hard",
        ADA,
    ),
    Notice(
        "an address in brackets, from a person's name",
        plain(
            "The following mail could not be delivered.\n\nAda Lovelace <ada@example.net>\n\n"
            "  No such user.\n",
            subject="Returned mail",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "the text tells the sender too",
        plain(
            "A message from <editor@example.org> addressed to <ada@example.net> could not be "
            "delivered: user unknown.\n\nFrom: editor@example.org\nTo: ada@example.net\n" + DESK,
            original=LIST,
        ),
        "hard",
        ADA,
    ),
    Notice(
        "the list's address leads a line",
        plain(
            "Message rejected.\n\ndaily@lists.example.org sent a message that we cannot deliver.\n"
            "Recipient ada@example.net does not exist.\n",
            original=LIST,
        ),
        "hard",
        ADA,
    ),
    Notice(
        "sender and recipient by labels",
        bare(
            "Sender: editor@example.org\nRecipient: ada@example.net\nSubject: The Daily\n\n"
            "The recipient's mailbox is full. Contact admin@mx.example.net.\n",
            sender="mailgate@mx.example.net",
            subject="Mail delivery failed",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "mail from and rcpt to",
        plain(
            "Session transcript:\n<<< 220 in.example.net\n>>> MAIL FROM:<editor@example.org>\n"
            "<<< 250 ok\n>>> RCPT TO:<ada@example.net>\n<<< 550 no such user\n"
            ">>> RCPT TO:<bob@example.com>\n<<< 550 no such user\n",
            original=LIST,
        ),
        "hard",
        BOTH,
    ),
    Notice(
        "boilerplate about whom to contact",
        plain(
            "I could not deliver your mail to the following address:\n\n  ada@example.net: mailbox "
            "not found\n\nFor help, contact admin@mx.example.net, or forward this message to "
            "helpdesk@example.com.\nDo not reply to this address, noreply@mx.example.net.\n",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "only the returned message tells, and it went to one",
        plain("Your message could not be delivered. User unknown.\n"),
        "hard",
        ADA,
    ),
    Notice(
        "an Exchange 2003 report in words",
        plain(
            "Your message did not reach some or all of the intended recipients.\n\n      Subject:\t"
            "The Daily\n      Sent:\t24.11.2026 06:00\n\nThe following recipient(s) could not be "
            "reached:\n\n      ada@example.net on 24.11.2026 06:00\n            The e-mail account "
            "does not exist at the organization this message was sent to.\n            "
            "<mx.example.net #5.1.1>",
            sender="System Administrator <postmaster@mx.example.net>",
            subject="Undeliverable: The Daily",
        ),
        "hard",
        ADA,
        "5.1.1",
    ),
    Notice(
        "Exchange Online in words",
        plain(
            "Delivery has failed to these recipients or groups:\n\nAda (ada@example.net)"
            "<mailto:ada@example.net>\nThe email address you entered couldn't be found. Please "
            "check the recipient's email address and try to resend the message. If the problem "
            "continues, please contact your helpdesk.\n\nDiagnostic information for "
            "administrators:\n\nGenerating server: EX1.example.com\n\nada@example.net\n"
            "#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n",
            sender="Microsoft Outlook <postmaster@mx.example.net>",
            subject="Undeliverable: The Daily",
        ),
        "hard",
        ADA,
        "5.1.1",
    ),
    Notice(
        "german exchange",
        plain(
            "Fehler bei der Nachrichtenzustellung an folgende Empfänger oder Verteilerlisten:\n\n"
            "ada@example.net\nDie eingegebene E-Mail-Adresse konnte nicht gefunden werden. Bitte "
            "überprüfen Sie die Adresse.\n",
            sender="Systemadministrator <postmaster@mx.example.net>",
            subject="Unzustellbar: The Daily",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "german provider, mailbox full",
        bare(
            "Die folgende Nachricht konnte nicht zugestellt werden:\n\n  An: ada@example.net\n"
            "  Von: daily@example.org\n\nGrund: Das Postfach ist voll.\n",
            subject="Nicht zustellbare Nachricht",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "french provider",
        bare(
            "Votre message n'a pas pu être remis au destinataire suivant :\n\n"
            "  ada@example.net\n\nUtilisateur inconnu\n\nPour toute question : "
            "assistance@mx.example.net\n",
            subject="Échec de la remise",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "spanish provider",
        bare(
            "No se pudo entregar su mensaje a los siguientes destinatarios:\n\n<ada@example.net>\n"
            "  El usuario no existe\n",
            subject="Mensaje no entregado",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "italian provider",
        bare(
            "Non è stato possibile consegnare il messaggio a: ada@example.net\n\nCasella piena\n",
            subject="Mancata consegna",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "portuguese provider",
        bare(
            "Sua mensagem não pôde ser entregue a:\n\nada@example.net\n\nUsuário desconhecido\n",
            subject="Mensagem não entregue",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "dutch provider",
        bare(
            "Uw bericht kon niet worden bezorgd bij:\n\n  ada@example.net\n\n"
            "  Gebruiker onbekend\n",
            subject="Onbestelbaar: The Daily",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "russian provider, mailbox full",
        plain(
            "Это письмо создано автоматически. К сожалению, Ваше письмо не может быть доставлено "
            "одному или нескольким получателям:\n\n**********************\n\n"
            "ada@example.net\nПочтовый ящик переполнен\n\n**********************\n",
            subject="Mail failure.",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "chinese provider, user not found",
        plain(
            "抱歉，您的邮件被退回来了……\n\n原邮件信息：\n  时 间：2026-11-24\n  主 题：The Daily\n"
            "  收件人：ada@example.net\n\n退信原因：\n  收件人邮箱地址不存在，邮件无法送达。\n\n"
            "建议解决方案：请联系 help@mx.example.net\n",
            subject="系统退信",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "chinese provider, too often",
        plain(
            "您发送的邮件被退回\n\n收件人：ada@example.net\n退信原因：发信频率过于频繁，"
            "对方服务器拒绝接收\n",
            subject="系统退信",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "japanese provider, unknown",
        bare(
            "下記の宛先にメールを配信できませんでした。\n\n  ada@example.net\n\n"
            "理由: 宛先のアドレスが存在しません\n",
            subject="メール配信エラー",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "korean provider",
        bare(
            "메일을 전송하지 못했습니다.\n\n받는 사람: ada@example.net\n"
            "사유: 존재하지 않는 사용자입니다. 수신자를 찾을 수 없습니다.\n",
            subject="반송된 메일",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "iCloud, in its own words",
        plain(
            "Your message to ada@example.net couldn't be delivered.\n\nada@example.net\n"
            "The recipient's mailbox is full and can't accept messages now.\n",
            sender="Mail Delivery System <MAILER-DAEMON@mx.example.net>",
            subject="Undelivered Mail Returned to Sender",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "AOL, in its own words",
        plain(
            "The original message was received at Tue, 24 Nov 2026 06:00:00 -0500\nfrom "
            "news.example.org [192.0.2.10]\n\n*** ATTENTION ***\n\nYour e-mail is being returned "
            "to you because there was a problem with its delivery.\nThe address which was "
            'undeliverable is listed in the section labeled:\n"----- The following addresses had '
            'permanent fatal errors -----".\n\n----- The following addresses had permanent fatal '
            "errors -----\n<ada@example.net>\n\n----- Transcript of session follows -----\n"
            "... while talking to air.example.net.:\n>>> RCPT To:<ada@example.net>\n"
            "<<< 550 MAILBOX NOT FOUND\n550 <ada@example.net>... User unknown\n",
            subject="Returned mail: User unknown",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "qmail, two recipients and an alias",
        plain(
            "Hi. This is the qmail-send program at mx.example.net.\nI'm afraid I wasn't able to "
            "deliver your message to the following addresses.\nThis is a permanent error; I've "
            "given up. Sorry it didn't work out.\n\n<ada@example.net>:\nuser is over quota\n\n"
            "<bob@example.com>:\nSorry, no mailbox here by that name. vpopmail (#5.1.1)\n",
            subject="failure notice",
        ),
        "hard",
        BOTH,
        "5.1.1",
    ),
    Notice(
        "exim, generated from another address",
        plain(
            "This message was created automatically by mail delivery software.\n\nA message that "
            "you sent could not be delivered to one or more of its\nrecipients. This is a "
            "permanent error. The following address(es) failed:\n\n  ada@in.example.net\n"
            "    (generated from ada@example.net)\n    mailbox is full: retry timeout exceeded\n",
        ),
        "soft",
        ("ada@in.example.net",),
    ),
    Notice(
        "a report with a group and a sender in the text",
        report(
            "Final-Recipient: rfc822; ada@example.net\nAction: failed\nStatus: 5.1.1\n\n"
            "Final-Recipient: rfc822; bob@example.com\nAction: failed\nStatus: 5.1.1\n",
            words="From editor@example.org to daily@lists.example.org\n" + DESK,
            original=LIST,
        ),
        "hard",
        BOTH,
        "5.1.1",
    ),
    Notice(
        "an automatic notice of a closed account",
        bare(
            "This is an automatic reply. The account ada@example.net has been closed.\n"
            "Please use another address.\n",
            sender="MAILER-DAEMON@mx.example.net",
            subject="Returned mail: account closed",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "a recipient in quotes",
        bare(
            'Mail to "ada@example.net" could not be delivered: no such mailbox\n',
            subject="Undeliverable mail",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "a user by local part alone",
        plain(
            "Message not delivered to the following:\n\n"
            "    ada    No matches to nameserver query\n",
            subject="Message not delivered",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "automatically generated, of no cause",
        plain(
            "This notice was automatically generated. The mail to ada@example.net failed.\n",
            subject="Delivery failure",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "short",
        bare(
            "ada@example.net\nunknown user\n",
            sender="MAILER-DAEMON@mx.example.net",
            subject="Undeliverable",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "root",
        bare(
            "ada@example.net\nunknown user\n",
            sender="root@mx.example.net",
            subject="Returned mail: User unknown",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "to-from",
        bare(
            "Your mail to ada@example.net from editor@example.org could not be "
            "delivered: mailbox full\n",
            subject="Mail failure",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "v5",
        plain(
            "   ----- Transcript of session follows -----\n550 ada@example.net... User "
            "unknown\n\n   ----- Unsent message follows -----",
            subject="Returned mail: User unknown",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "v5b",
        plain(
            "   ----- Transcript of session follows -----\n421 in.example.net (tcp)... "
            "Deferred: Connection timed out during user open with in.example.net\n\n   "
            "----- Recipients of this delivery -----\nBounced, cannot deliver:\n   "
            "ada@example.net\n\n   ----- Unsent message follows -----",
            subject="Returned mail: Cannot send message for 3 days",
        ),
        "soft",
        ADA,
    ),
    Notice("imail", plain("unknown user: ada\n", subject="Undeliverable Mail"), "hard", ADA),
    Notice(
        "dot",
        bare(
            "We could not deliver to the address below.\n\n   ada@example.net.\n\nThe "
            "account does not exist.\n",
            subject="Delivery failed",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "sentence",
        bare("Sorry, no user ada@example.net here.\n", subject="Returned mail"),
        "hard",
        ADA,
    ),
    Notice(
        "two forms",
        bare(
            "These could not be reached:\n<ada@example.net>: unknown user\n"
            "bob@example.com... unknown user\n",
            subject="Returned mail",
        ),
        "hard",
        BOTH,
    ),
    Notice(
        "comma to",
        bare(
            "Not delivered.\nTo: ada@example.net, bob@example.com\nReason: unknown user\n",
            subject="Undelivered mail",
        ),
        "hard",
        BOTH,
    ),
    Notice(
        "and",
        bare(
            "Recipients: ada@example.net and bob@example.com\nReason: unknown user\n",
            subject="Undelivered mail",
        ),
        "hard",
        BOTH,
    ),
    Notice(
        "semi",
        bare(
            "Failed recipients:\nada@example.net;\nbob@example.com;\nReason: unknown user\n",
            subject="Undelivered mail",
        ),
        "hard",
        BOTH,
    ),
    Notice(
        "list to",
        plain(
            "I was unable to deliver your message. User unknown.\n",
            original=LIST.replace("id 4F2;", "id 4F2 for <ada@example.net>;"),
        ),
        "hard",
        ADA,
    ),
    Notice(
        "display",
        bare(
            'The following recipients could not be reached:\n\n  "Lovelace, Ada" '
            "<ada@example.net>\n     Unknown recipient\n",
            subject="Undeliverable",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "mailto",
        bare(
            "Delivery failed to [ada@example.net](mailto:ada@example.net): mailbox full\n",
            subject="Undeliverable",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "html",
        bare(
            "<html><body><p>Your message to <a "
            'href="mailto:ada@example.net">ada@example.net</a> could not be '
            "delivered.</p><p>Reason: User unknown</p><p>Contact <a "
            'href="mailto:support@x.example">support@x.example</a></p></body></html>',
            subject="Undeliverable",
        ).replace(b"text/plain", b"text/html"),
        "hard",
        ADA,
    ),
    Notice(
        "trailing desk",
        bare(
            "ada@example.net: User unknown\n\nIf you have a problem, mail\n"
            "postmaster@mx.example.net\nadmin@mx.example.net\n",
            subject="Undeliverable",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "your message sender label",
        bare(
            "Message-ID: <1234.7.aa@example.org>\nSubject: The Daily\nFrom: "
            "editor@example.org\nTo: ada@example.net\n\nThe above message could not be "
            "delivered, mailbox is full.\n",
            subject="Undeliverable",
        ),
        "soft",
        ADA,
    ),
    Notice(
        "return path in text",
        bare(
            "Return-Path: editor@example.org\nRecipient: ada@example.net\nStatus: "
            "failed, user unknown\n",
            subject="Undeliverable",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "x-failed two",
        plain(
            "This message was created automatically by mail delivery software.\n\n  "
            "ada@example.net\n    Unrouteable address\n  bob@example.com\n    mailbox "
            "full\n",
            headers="X-Failed-Recipients: ada@example.net,\n bob@example.com\n",
        ),
        "hard",
        BOTH,
    ),
    Notice(
        "numbered",
        bare(
            "Could not deliver:\n1) ada@example.net - no such user\n2) bob@example.com "
            "- mailbox full\n",
            subject="Undeliverable",
        ),
        "hard",
        BOTH,
    ),
    Notice(
        "table",
        bare(
            "Recipient                 Reason\n------------------------------------\n"
            "ada@example.net           User unknown\nbob@example.com           User "
            "unknown\n",
            subject="Undeliverable",
        ),
        "hard",
        BOTH,
    ),
    Notice(
        "failed to:",
        bare(
            "Your e-mail could not be sent to: ada@example.net; bob@example.com\nThe "
            "users are unknown: no such user\n",
            subject="Undeliverable",
        ),
        "hard",
        BOTH,
    ),
    Notice(
        "autoreply-like",
        bare(
            "I'm sorry, the mailbox ada@example.net no longer exists. Contact "
            "info@example.net instead.\n",
            sender="postmaster@mx.example.net",
            subject="Undeliverable mail",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "moved to",
        bare(
            "ada@example.net is unknown here. Their new address is ada.l@example.com.\n",
            sender="postmaster@mx.example.net",
            subject="Undeliverable mail",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "sent by sender",
        bare(
            "The message you, editor@example.org, sent to ada@example.net was not "
            "delivered: user unknown\n",
            subject="Undeliverable",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "mdaemon",
        bare(
            "The attached message had PERMANENT fatal delivery errors!\n\nAfter one or "
            "more unsuccessful delivery attempts the attached message has\nbeen "
            "removed from the mail queue on this server.\n\n------ Session transcript "
            "follows ------\n\n<-- 220 in.example.net\n--> EHLO news.example.org\n<-- "
            "250 ok\n--> MAIL From:<editor@example.org>\n<-- 250 ok\n--> RCPT "
            "To:<ada@example.net>\n<-- 550 no such user here\n--> QUIT\n",
            sender="MDaemon@mx.example.net",
            subject="Permanent Delivery Failure",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "postfix fields in text",
        plain('<ada@example.net> (expanded from <ada@lists.example.net>): unknown user: "ada"\n'),
        "hard",
        ADA,
    ),
    Notice(
        "generated to you",
        bare(
            "Hello daily@example.org,\n\nyour message to ada@example.net bounced.\nNo "
            "such user.\n\nRegards,\nThe team at example.com <team@example.com>\n",
            subject="Mail bounced: undeliverable",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "japanese docomo",
        bare(
            "次のあて先へのメッセージはエラーのため送信できませんでした。\n\nada@example.net\n\n送信先メールアドレスが見つかりません。\n",
            subject="配信不能",
            sender="MAILER-DAEMON@mx.example.net",
        ),
        "hard",
        ADA,
    ),
    Notice(
        "chinese 163",
        plain(
            "抱歉，您的邮件被退回来了\n收信人ada@example.net，邮箱空间已满，"
            "请联系 admin@mx.example.net\n",
            subject="系统退信",
        ),
        "soft",
        ADA,
    ),
)
