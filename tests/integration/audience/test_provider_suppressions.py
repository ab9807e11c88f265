"""Files of suppressions as providers write them: each address once, with the right reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from tests.builders import KEYS
from tests.integration.audience.conftest import Importer

from newsletter.audience.address import parse_address
from newsletter.audience.suppressions import (
    SuppressionReason,
    list_suppressions,
    suppression_of,
)
from newsletter.errors import ImportRefused

TEN = datetime(2024, 5, 17, 10, tzinfo=UTC)
_HARD, _COMPLAINT, _MANUAL = "hard_bounce", "complaint", "manual"


def reasons(importer: Importer) -> dict[str, str]:
    found = {}
    with importer.stage.database.read() as connection:
        for number in range(1, 10):
            address = parse_address(f"p{number}@example.org")
            if reason := suppression_of(connection, KEYS, address):
                found[f"p{number}"] = reason
    return found


_SENDGRID_BOUNCES = (
    "status,reason,email,created\n"
    '5.1.1,"550 5.1.1 <p1@example.org>: no such user here",p1@example.org,1715940000\n'
    '4.2.2,"452 4.2.2 mailbox over its quota",p2@example.org,1715940000\n'
    '5.7.1,"550 5.7.1 message refused: listed at a blocklist",p3@example.org,1715940000\n'
    "5.0.0,550 cannot say,p4@example.org,1715940000\n"
)

FILES: dict[str, tuple[str, str, dict[str, str]]] = {
    "sendgrid bounces": (
        "suppression_bounces.csv",
        _SENDGRID_BOUNCES,
        {"p1": _HARD, "p2": _MANUAL, "p3": _MANUAL, "p4": _MANUAL},
    ),
    "sendgrid bounces under another name": (
        "export.csv",
        _SENDGRID_BOUNCES,
        {"p1": _HARD, "p3": _MANUAL, "p4": _MANUAL},
    ),
    "sendgrid blocks": ("suppression_blocks.csv", _SENDGRID_BOUNCES, {}),
    "sendgrid invalid": (
        "suppression_invalid_emails.csv",
        "reason,email,created\n"
        "Mail domain mentioned in email address is unknown,p1@example.org,1715940000\n",
        {"p1": _HARD},
    ),
    "sendgrid spam reports": (
        "suppression_spam_reports.csv",
        "ip,email,created\n192.0.2.7,p1@example.org,1715940000\n",
        {"p1": _COMPLAINT},
    ),
    "sendgrid unsubscribes": (
        "suppression_global_unsubscribes.csv",
        "email,created\np1@example.org,1715940000\n",
        {"p1": _MANUAL},
    ),
    "sendgrid group, by its interface": (
        "group.json",
        '["p1@example.org", "p2@example.org"]',
        {"p1": _MANUAL, "p2": _MANUAL},
    ),
    "sendgrid bounces, by its interface": (
        "bounces.json",
        '[{"created": 1715940000, "email": "p1@example.org", "status": "5.1.1",'
        ' "reason": "550 5.1.1 user unknown"}]',
        {"p1": _HARD},
    ),
    "mailgun bounces": (
        "example.org-bounces.csv",
        "address,code,error,created_at\n"
        'p1@example.org,550,No such mailbox,"Fri, 17 May 2024 10:00:00 UTC"\n'
        "p2@example.org,605,Not delivering to previously bounced address,2024-05-17 10:00:00\n",
        {"p1": _HARD, "p2": _HARD},
    ),
    "mailgun complaints": (
        "complaints.csv",
        'address,created_at\np1@example.org,"Fri, 17 May 2024 10:00:00 UTC"\n',
        {"p1": _COMPLAINT},
    ),
    "mailgun unsubscribes": (
        "unsubscribes.json",
        '{"items": [{"address": "p1@example.org", "tags": ["*"],'
        ' "created_at": "Fri, 17 May 2024 10:00:00 UTC"}], "paging": {"next": "https://x"}}',
        {"p1": _MANUAL},
    ),
    "mailgun bounces, by its interface": (
        "mailgun.json",
        '{"items": [{"address": "p1@example.org", "code": "550", "error": "No such mailbox",'
        ' "created_at": "Fri, 17 May 2024 10:00:00 UTC", "MessageHash": "aa"}]}',
        {"p1": _HARD},
    ),
    "postmark": (
        "postmark.csv",
        "EmailAddress,SuppressionReason,Origin,CreatedAt\n"
        "p1@example.org,HardBounce,Recipient,2024-05-17T06:00:00-04:00\n"
        "p2@example.org,SpamComplaint,Recipient,2024-05-17T06:00:00-04:00\n"
        "p3@example.org,ManualSuppression,Customer,2024-05-17T06:00:00-04:00\n",
        {"p1": _HARD, "p2": _COMPLAINT, "p3": _MANUAL},
    ),
    "postmark dump": (
        "dump.json",
        '{"Suppressions": [{"EmailAddress": "p1@example.org", "SuppressionReason": "HardBounce",'
        ' "Origin": "Recipient", "CreatedAt": "2024-05-17T06:00:00-04:00"},'
        ' {"EmailAddress": "p2@example.org", "SuppressionReason": "ManualSuppression",'
        ' "Origin": "Admin", "CreatedAt": "2024-05-17T06:00:00-04:00"}]}',
        {"p1": _HARD, "p2": _MANUAL},
    ),
    "ses": (
        "ses.json",
        '{"SuppressedDestinationSummaries": [{"EmailAddress": "p1@example.org",'
        ' "Reason": "BOUNCE", "LastUpdateTime": "2024-05-17T10:00:00.000000+00:00"},'
        ' {"EmailAddress": "p2@example.org", "Reason": "COMPLAINT",'
        ' "LastUpdateTime": 1715940000.0}], "NextToken": "abc"}',
        {"p1": _HARD, "p2": _COMPLAINT},
    ),
    "ses table": (
        "ses.csv",
        "Email address,Suppression reason,Last update time\n"
        'p1@example.org,Bounce,"May 17, 2024 10:00"\n'
        'p2@example.org,Complaint,"May 17, 2024 10:00"\n',
        {"p1": _HARD, "p2": _COMPLAINT},
    ),
    "ses, as it takes them": (
        "bulk.csv",
        "p1@example.org,BOUNCE\np2@example.org,COMPLAINT\n",
        {"p1": _HARD, "p2": _COMPLAINT},
    ),
    "ses, one object a line": (
        "bulk.jsonl",
        '{"emailAddress": "p1@example.org", "reason": "BOUNCE"}\n'
        '{"emailAddress": "p2@example.org", "reason": "COMPLAINT"}\n',
        {"p1": _HARD, "p2": _COMPLAINT},
    ),
    "sparkpost": (
        "sparkpost.csv",
        "recipient,type,source,description,subaccount_id,created,updated\n"
        "p1@example.org,non_transactional,Bounce Rule,550 5.1.1 user unknown,,"
        "2024-05-17T10:00:00+00:00,2024-05-18T10:00:00+00:00\n"
        "p2@example.org,transactional,Spam Complaint,,,2024-05-17T10:00:00+00:00,\n"
        "p3@example.org,non_transactional,List Unsubscribe,,,2024-05-17T10:00:00+00:00,\n"
        "p4@example.org,non_transactional,Manually Added,asked on paper,,2024-05-17T10:00:00Z,\n",
        {"p1": _HARD, "p2": _COMPLAINT, "p3": _MANUAL, "p4": _MANUAL},
    ),
    "sparkpost, as it takes them": (
        "template.csv",
        "recipient,transactional,non_transactional,description,subaccount_id\n"
        "p1@example.org,false,true,asked on paper,0\np2@example.org,true,false,,0\n"
        "p3@example.org,false,false,,0\n",
        {"p1": _MANUAL, "p2": _MANUAL},
    ),
    "sparkpost, by its interface": (
        "sparkpost.json",
        '{"results": [{"recipient": "p1@example.org", "type": "non_transactional",'
        ' "non_transactional": true, "source": "Bounce Rule", "description": "550: gone",'
        ' "created": "2024-05-17T10:00:00+00:00"}], "links": [{"href": "/x"}], "total_count": 1}',
        {"p1": _HARD},
    ),
    "mailjet": (
        "mailjet.json",
        '{"Count": 3, "Data": [{"Email": "p1@example.org", "IsExcludedFromCampaigns": true,'
        ' "IsSpamComplaining": false, "ExclusionFromCampaignsUpdatedAt": "2024-05-17T10:00:00Z"},'
        ' {"Email": "p2@example.org", "IsExcludedFromCampaigns": true, "IsSpamComplaining": true},'
        ' {"Email": "p3@example.org", "IsExcludedFromCampaigns": false,'
        ' "IsSpamComplaining": false}], "Total": 3}',
        {"p1": _MANUAL, "p2": _COMPLAINT},
    ),
    "mailjet table": (
        "exclusion list.csv",
        "Email,Date,Reason\np1@example.org,17/05/2024 10:00,Excluded\n",
        {"p1": _MANUAL},
    ),
    "brevo": (
        "brevo.csv",
        "Email;Reason;Blocked date\n"
        "p1@example.org;Hard bounced;17/05/2024\np2@example.org;Unsubscribed via email;17.5.2024\n"
        "p3@example.org;Blocklisted;17-05-2024\np4@example.org;Flagged as spam;17/05/2024\n",
        {"p1": _HARD, "p2": _MANUAL, "p3": _MANUAL, "p4": _COMPLAINT},
    ),
    "brevo, by its interface": (
        "brevo.json",
        '{"contacts": [{"email": "p1@example.org", "senderEmail": "news@example.org", "reason":'
        ' {"code": "hardBounce", "message": "Hard bounced"}, "blockedAt": "2024-05-17T10:00:00Z"},'
        ' {"email": "p2@example.org", "senderEmail": "", "reason": {"code":'
        ' "contactFlaggedAsSpam", "message": "x"}, "blockedAt": "2024-05-17T10:00:00Z"},'
        ' {"email": "p3@example.org", "senderEmail": "", "reason": {"code": "unsubscribedViaMA",'
        ' "message": "x"}, "blockedAt": "2024-05-17T10:00:00Z"}], "count": 3}',
        {"p1": _HARD, "p2": _COMPLAINT, "p3": _MANUAL},
    ),
    "brevo contacts": (
        "contacts.csv",
        "EMAIL;EMAIL_BLOCKLISTED\np1@example.org;true\np2@example.org;false\n",
        {"p1": _MANUAL},
    ),
    "mailchimp cleaned": (
        "cleaned_members_export_1a2b.csv",
        "Email Address,First Name,CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,LEID\n"
        "p1@example.org,Ida,2024-05-17 10:00:00,News,1\n",
        {"p1": _HARD},
    ),
    "mailchimp unsubscribed": (
        "unsubscribed_members_export_1a2b.csv",
        "Email Address,UNSUB_TIME,UNSUB_REASON\n"
        "p1@example.org,2024-05-17 10:00:00,SPAM\np2@example.org,2024-05-17 10:00:00,NORMAL\n",
        {"p1": _MANUAL, "p2": _MANUAL},
    ),
    "mandrill": (
        "mandrill.csv",
        "email,reason,detail,created_at,expires_at,last_event_at,expires_at,subaccount\n"
        "p1@example.org,hard-bounce,550 5.1.1 gone,2024-05-17 10:00:00.5,x,,x,\n"
        "p2@example.org,soft-bounce,,2024-05-17 10:00:00.5,x,,x,\n"
        "p3@example.org,spam,,2024-05-17 10:00:00.5,x,,x,\n"
        "p4@example.org,unsub,,2024-05-17 10:00:00.5,x,,x,\n",
        {"p1": _HARD, "p3": _COMPLAINT, "p4": _MANUAL},
    ),
    "a list of answers": (
        "list.csv",
        "p1@example.org;550 5.1.1 unknown user\np2@example.org;421 4.7.0 try later\n",
        {"p1": _HARD},
    ),
    "a plain list": (
        "stop.txt",
        "p1@example.org\np2@example.org\n",
        {"p1": _MANUAL, "p2": _MANUAL},
    ),
    "statuses": (
        "people.csv",
        "email,status\np1@example.org,active\np2@example.org,unsubscribed\n"
        "p3@example.org,Bounced\np4@example.org,complained\np5@example.org,gold\np6@example.org,\n",
        {"p2": _MANUAL, "p3": _HARD, "p4": _COMPLAINT, "p5": _MANUAL, "p6": _MANUAL},
    ),
}


@pytest.mark.parametrize("system", FILES)
def test_each_address_is_suppressed_for_what_the_provider_says(
    importer: Importer, system: str
) -> None:
    name, text, wanted = FILES[system]

    report, refusals = importer.take_suppressions(text, name)

    assert reasons(importer) == wanted
    assert report.refused == 0
    assert report.added == sum(report.reasons.values()) == len(wanted)
    assert len(refusals) == sum(report.left_out.values()) == report.rows - report.added


@pytest.mark.parametrize(
    "system",
    [
        *("sendgrid bounces", "mailgun bounces", "mailgun unsubscribes", "postmark", "ses"),
        *("ses table", "sparkpost", "mailchimp cleaned", "mandrill", "brevo, by its interface"),
    ],
)
def test_dates_are_the_providers(importer: Importer, system: str) -> None:
    name, text, _ = FILES[system]
    report, _ = importer.take_suppressions(text, name)

    with importer.stage.database.read() as connection:
        found = {row.at for row in list_suppressions(connection, limit=10)}
    assert {at.replace(microsecond=0) for at in found} == {TEN}
    assert not any("date" in warning for warning in report.warnings)


def test_what_passes_is_told_by_row_and_kept_away_on_demand(importer: Importer) -> None:
    text = _SENDGRID_BOUNCES
    report, refusals = importer.take_suppressions(text, "suppression_blocks.csv")

    assert (report.added, report.refused, report.left_out) == (0, 0, {"passing": 4})
    assert [(r.row, r.code) for r in refusals] == [(n, "passing") for n in (2, 3, 4, 5)]
    assert "--reason manual" in refusals[0].problem
    assert "p1@example.org" not in refusals[0].problem
    again, none = importer.take_suppressions(
        text, "suppression_blocks.csv", default=SuppressionReason.MANUAL
    )
    assert (again.added, none) == (4, [])


def test_answers_that_settle_nothing_are_notes_without_the_address(importer: Importer) -> None:
    report, _ = importer.take_suppressions(_SENDGRID_BOUNCES, "suppression_bounces.csv")

    with importer.stage.database.read() as connection:
        notes = {row.note for row in list_suppressions(connection, limit=10)}
    assert "550 5.1.1 <…>: no such user here" in notes
    assert any("3 rows have a server's answer" in warning for warning in report.warnings)
    importer.stage.database.close()
    for file in importer.stage.folder.glob("ledger.db*"):
        assert b"p1@example" not in file.read_bytes()


def test_a_reason_can_be_stated_for_files_that_name_none(importer: Importer) -> None:
    importer.take_suppressions("email\np1@example.org\n", default=SuppressionReason.COMPLAINT)
    importer.take_suppressions(
        "email,reason\np2@example.org,hard bounce\n",
        default=SuppressionReason.COMPLAINT,
    )

    assert reasons(importer) == {"p1": _COMPLAINT, "p2": _HARD}


def test_the_gravest_row_of_an_address_counts(anywhere: Importer) -> None:
    report, _ = anywhere.take_suppressions(
        "email,reason\np1@example.org,unsubscribed\nP1@example.org,spam complaint\n"
        "p1@example.org,hard bounce\np2@example.org,manual\n",
    )

    assert (report.added, report.duplicate) == (2, 2)
    assert report.reasons == {"complaint": 1, "manual": 1}
    assert reasons(anywhere) == {"p1": _COMPLAINT, "p2": _MANUAL}


def test_a_list_of_allowed_addresses_is_refused(importer: Importer) -> None:
    with pytest.raises(ImportRefused, match="may be mailed") as caught:
        importer.take_suppressions(
            "value,type\np1@example.org,address\n", "example.org-whitelist.csv"
        )

    assert caught.value.fix
    assert reasons(importer) == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.csv", "who,why\nIda,left\n"),
        ("x.json", json.dumps([{"who": "Ida", "why": "left"}])),
    ],
)
def test_an_unknown_layout_names_the_columns_found_and_those_expected(
    importer: Importer, name: str, text: str
) -> None:
    with pytest.raises(ImportRefused) as caught:
        importer.take_suppressions(text, name)

    assert "found: who, why; expected one of: email, email address, recipient" in str(caught.value)
    assert "--map email=COLUMN" in str(caught.value.fix)


def test_unknown_reasons_suppress_and_are_told(importer: Importer) -> None:
    report, refusals = importer.take_suppressions(
        "email,reason\np1@example.org,phase of the moon\np2@example.org,ask p9@example.org\n",
    )

    assert reasons(importer) == {"p1": _MANUAL, "p2": _MANUAL}
    assert refusals == []
    assert "unknown reason 'phase of the moon' in 1 rows" in " ".join(report.warnings)
    assert "p9@" not in " ".join(report.warnings)


def test_our_own_export_as_json_comes_back(importer: Importer) -> None:
    import io

    from newsletter.audience.suppression_files import export_jsonl

    importer.take_suppressions(
        "email,reason,at\np1@example.org,spam,2024-05-17\np2@example.org,gdpr,\n"
    )
    text = io.StringIO()
    with importer.stage.database.read() as connection:
        export_jsonl(connection, text)
        before = list_suppressions(connection, limit=10)
    with importer.stage.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM suppressions")

    report, _ = importer.take_suppressions(text.getvalue(), "suppressions.jsonl")

    assert report.added == 2
    with importer.stage.database.read() as connection:
        assert list_suppressions(connection, limit=10) == before
