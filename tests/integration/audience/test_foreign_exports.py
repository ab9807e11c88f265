"""Exports of other programs, as they lay them out: who may be mailed comes, nobody else does."""

from __future__ import annotations

import io
import json
import re

import pytest
from tests.builders import KEYS
from tests.integration.audience.conftest import Importer

from newsletter.audience.address import parse_address
from newsletter.audience.bounce_pauses import SOFT_BOUNCES
from newsletter.audience.consent import Origin
from newsletter.audience.exports import export_csv, export_jsonl
from newsletter.audience.story import Story, story_of
from newsletter.audience.subscribers import find_subscriber, unsubscribe
from newsletter.audience.suppressions import SuppressionReason, add_suppression
from newsletter.errors import ImportRefused

_MAILCHIMP = (
    "Email Address,First Name,Last Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,"
    "GMTOFF,DSTOFF,TIMEZONE,CC,REGION,"
)
_MAILCHIMP_ROW = "{},Ida,Holm,2,,,2021-03-04 05:06:07,,1,2,europe/oslo,no,03,"

EXPORTS = {
    "listmonk": (
        "uuid,email,name,attributes,status,created_at,updated_at\n"
        'u1,in1@example.org,Ida,"{""city"": ""Oslo"", ""score"": 7}",enabled,2024-01-01,\n'
        "u2,out1@example.org,Bo,{},blocklisted,2024-01-01,2024-01-01\n"
        "u3,out2@example.org,Cy,{},disabled,2024-01-01,2024-01-01\n"
    ),
    "mailchimp": (
        f"{_MAILCHIMP}LAST_CHANGED,LEID,EUID,NOTES,TAGS\n"
        f'{_MAILCHIMP_ROW.format("in1@example.org")}2021-03-04,1,e,,"""beta"",""long reads"""\n'
    ),
    "mailchimp unsubscribed": (
        f"{_MAILCHIMP}UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,"
        "UNSUB_REASON_OTHER,LEID,EUID,NOTES,TAGS\n"
        f"{_MAILCHIMP_ROW.format('out1@example.org')}2022-01-02 03:04:05,News,c1,NORMAL,,1,e,,\n"
    ),
    "mailchimp cleaned": (
        f"{_MAILCHIMP}CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID,LEID,EUID,NOTES,TAGS\n"
        f"{_MAILCHIMP_ROW.format('out1@example.org')}2022-01-02 03:04:05,News,c1,1,e,,\n"
    ),
    "ghost": (
        "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,"
        "deleted_at,labels,tiers\n"
        '1,in1@example.org,Ida,,true,false,,2024-01-01T00:00:00.000Z,,"vip,beta",\n'
        "2,out1@example.org,Bo,,false,true,cus_1,2024-01-01T00:00:00.000Z,,,\n"
        "3,out2@example.org,Cy,,true,false,,2024-01-01T00:00:00.000Z,2024-02-01T00:00:00.000Z,,\n"
    ),
    "substack": (
        "email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at\n"
        "in1@example.org,false,,other,false,2024-01-01T00:00:00.000Z,\n"
        "in2@example.org,true,2027-01-01T00:00:00.000Z,yearly,false,2024-01-01,2024-01-02\n"
        "out1@example.org,true,,monthly,true,2024-01-01T00:00:00.000Z,\n"
    ),
    "beehiiv": (
        "Email,Status,Created At,Unsubscribed At,Referral Code,Tier\n"
        "in1@example.org,active,2024-01-01 10:00:00 UTC,,abc,free\n"
        "out1@example.org,inactive,2024-01-01 10:00:00 UTC,2024-02-01 10:00:00 UTC,abc,free\n"
        "out2@example.org,pending,2024-01-01 10:00:00 UTC,,abc,free\n"
        "out3@example.org,validating,2024-01-01 10:00:00 UTC,,abc,free\n"
        "out4@example.org,needs_attention,2024-01-01 10:00:00 UTC,,abc,free\n"
        "out5@example.org,invalid,2024-01-01 10:00:00 UTC,,abc,free\n"
    ),
    "buttondown": (
        "email,notes,metadata,tags,subscriber_type,source,creation_date,bounce_date\n"
        'in1@example.org,,"{""city"": ""Oslo""}",vip,regular,organic,2024-01-01,2024-02-02\n'
        "in2@example.org,,{},,premium,organic,2024-01-01,\n"
        "in3@example.org,,{},,past_due,organic,2024-01-01,\n"
        "out1@example.org,,{},,unactivated,organic,2024-01-01,\n"
        "out2@example.org,,{},,unsubscribed,organic,2024-01-01,\n"
        "out3@example.org,,{},,undeliverable,organic,2024-01-01,\n"
        "out4@example.org,,{},,complained,organic,2024-01-01,\n"
        "out5@example.org,,{},,removed,organic,2024-01-01,\n"
        "out6@example.org,,{},,blocked,organic,2024-01-01,\n"
    ),
    "buttondown today": (
        "id,creation_date,email_address,type,tags\n"
        "s1,2024-01-01,in1@example.org,regular,\n"
        "s2,2024-01-01,out1@example.org,unsubscribed,\n"
        "s3,2024-01-01,out2@example.org,undeliverable,\n"
    ),
    "brevo": (
        "CONTACT ID;EMAIL;FIRSTNAME;LASTNAME;SMS;EMAIL_BLOCKLISTED;SMS_BLOCKLISTED;ADDED_TIME\n"
        "1;in1@example.org;Ida;Holm;4790000000;false;true;01-02-2024\n"
        "2;out1@example.org;Bo;;;true;false;01-02-2024\n"
    ),
    "brevo channels": (
        "CONTACT ID,EMAIL,FIRSTNAME,_SUBSCRIBED,_BLOCKLISTED\n"
        '1,in1@example.org,Ida,"email_marketing, sms",\n'
        "2,out1@example.org,Bo,,email_marketing\n"
    ),
    "phplist": (
        "email\tconfirmed\tblacklisted\toptedin\tbouncecount\tentered\thtmlemail\tdisabled\n"
        "in1@example.org\t1\t0\t0\t1\t2024-01-01 10:00:00\t1\t0\n"
        "out1@example.org\t0\t0\t0\t0\t2024-01-01 10:00:00\t1\t0\n"
        "out2@example.org\t1\t1\t0\t0\t2024-01-01 10:00:00\t1\t0\n"
        "out3@example.org\t1\t0\t0\t0\t2024-01-01 10:00:00\t1\t1\n"
    ),
    "phplist in words": (
        "Email,Is the email of this user confirmed,Is this user blacklisted,"
        "Did this user manually confirm,Number of bounces on this user,Send this user HTML emails,"
        "Is this account disabled?\n"
        "in1@example.org,1,0,0,2,1,0\nout1@example.org,0,0,0,0,1,0\nout2@example.org,1,1,0,0,1,0\n"
    ),
    "mailtrain": (
        "email,first_name,last_name,tz,status,created\n"
        "in1@example.org,Ida,Holm,Europe/Oslo,1,2024-01-01\n"
        "out1@example.org,Bo,,,2,2024-01-01\n"
        "out2@example.org,Cy,,,3,2024-01-01\n"
        "out3@example.org,Di,,,4,2024-01-01\n"
    ),
    "mailtrain in words": (
        "Email,Status\nin1@example.org,subscribed\nout1@example.org,unsubscribed\n"
        "out2@example.org,bounced\nout3@example.org,complained\nout4@example.org,blacklisted\n"
    ),
    "keila": (
        "Email,First name,Last name,Data,Status\n"
        'in1@example.org,Ida,Holm,"{""city"": ""Oslo"", ""likes"": [""tea"", ""go""]}",active\n'
        "out1@example.org,Bo,,{},unsubscribed\n"
        "out2@example.org,Cy,,,unreachable\n"
    ),
    "mailerlite": (
        "Email,Name,Status,Subscribed,Opens,Clicks,Location\n"
        "in1@example.org,Ida,Active,2024-01-01 10:00:00,3,1,Oslo\n"
        "out1@example.org,Bo,Unsubscribed,2024-01-01 10:00:00,3,1,Oslo\n"
        "out2@example.org,Cy,Unconfirmed,2024-01-01 10:00:00,3,1,Oslo\n"
        "out3@example.org,Di,Bounced,2024-01-01 10:00:00,3,1,Oslo\n"
        "out4@example.org,Ed,Junk,2024-01-01 10:00:00,3,1,Oslo\n"
    ),
    "kit": (
        "first_name,email,status,created_at,tags\n"
        'Ida,in1@example.org,active,2024-01-01 10:00:00 UTC,"vip, beta"\n'
        "Bo,out1@example.org,inactive,2024-01-01 10:00:00 UTC,\n"
        "Cy,out2@example.org,cancelled,2024-01-01 10:00:00 UTC,\n"
        "Di,out3@example.org,bounced,2024-01-01 10:00:00 UTC,\n"
        "Ed,out4@example.org,complained,2024-01-01 10:00:00 UTC,\n"
    ),
    "kit with states": (
        "email,state\nin1@example.org,active\nout1@example.org,cancelled\nout2@example.org,bounced\n"
    ),
    "klaviyo": (
        "Email,First Name,Email Marketing Consent,Email Suppressions\n"
        "in1@example.org,Ida,SUBSCRIBED,[]\n"
        "out1@example.org,Bo,NEVER_SUBSCRIBED,[]\n"
        "out2@example.org,Cy,SUBSCRIBED,HARD_BOUNCE\n"
    ),
    "hubspot": (
        "Record ID,Email,Unsubscribed from all email,Email hard bounce reason,"
        "Marketing contact status\n"
        "1,in1@example.org,,,Marketing contact\n2,out1@example.org,true,,Marketing contact\n"
        "3,out2@example.org,,Unknown user,Marketing contact\n"
        "4,out3@example.org,,,Non-marketing contact\n"
    ),
    "sendy": (
        "Name,Email,Last activity,Unsubscribed,Bounced,Soft bounced,Complaint,Confirmed\n"
        "Ida,in1@example.org,x,0,0,0,0,1\nBo,out1@example.org,x,1,0,0,0,1\n"
        "Cy,out2@example.org,x,0,1,0,0,1\nDi,out3@example.org,x,0,0,0,1,1\n"
        "Ed,out4@example.org,x,0,0,0,0,0\n"
    ),
    "civicrm": (
        "Email,Do Not Email,No Bulk Emails (User Opt Out),On Hold\n"
        "in1@example.org,,,\nout1@example.org,1,,\nout2@example.org,,1,\nout3@example.org,,,1\n"
    ),
}


@pytest.mark.parametrize("system", EXPORTS)
def test_who_may_be_mailed_there_comes_and_nobody_else(importer: Importer, system: str) -> None:
    report, refusals = importer.take(EXPORTS[system])

    came = [str(row[0]) for row in importer.rows("SELECT address FROM subscribers ORDER BY 1")]
    there = set(re.findall(r"\w+@example\.org", EXPORTS[system]))
    assert came == sorted(address for address in there if address.startswith("in"))
    assert len(refusals) == len(there) - len(came)
    assert all(refusal.problem.startswith("not added: ") for refusal in refusals)
    assert sum(report.kept_away.values()) == len(refusals)


def story(importer: Importer, address: str) -> Story:
    with importer.stage.database.read() as connection:
        return story_of(connection, parse_address(address), KEYS)


def test_mailchimps_tags_zones_and_names_are_understood(importer: Importer) -> None:
    report, _ = importer.take(EXPORTS["mailchimp"])

    ida = story(importer, "in1@example.org")
    assert (ida.name, ida.timezone) == ("Ida Holm", "Europe/Oslo")
    assert list(ida.tags) == ["beta", "long reads"]
    assert report.warnings == ()


@pytest.mark.parametrize(
    "name",
    [
        *("unsubscribed_members_export_1a2b.csv", "cleaned_email_audience_export_1a2b.csv"),
        *("nonsubscribed_members_export_1a2b.csv", "suppression_bounces.csv", "Blocklist 2024.csv"),
    ],
)
def test_a_file_named_for_people_who_left_lets_nobody_in(importer: Importer, name: str) -> None:
    report, refusals = importer.take("Email Address\na@example.org\n", name=name)

    assert (report.counts["added"], report.counts["refused"]) == (0, 1)
    assert "the file's name says" in refusals[0].problem


@pytest.mark.parametrize("name", ["subscribed_members_export_1a2b.csv", "cleanroom.csv"])
def test_other_names_say_nothing(importer: Importer, name: str) -> None:
    assert importer.take("email\na@example.org\n", name=name)[0].counts["added"] == 1


@pytest.mark.parametrize("system", ["listmonk", "keila", "buttondown"])
def test_attributes_that_are_kept_together_are_taken_apart(importer: Importer, system: str) -> None:
    importer.take(EXPORTS[system])

    attributes = story(importer, "in1@example.org").attributes
    assert attributes["city"] == "Oslo"
    assert not {"data", "attributes", "metadata"} & set(attributes)


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ('"""beta"",""long reads"""', ["beta", "long reads"]),
        ('"""beta"", ""long reads"""', ["beta", "long reads"]),
        ('"[""beta"", ""long reads""]"', ["beta", "long reads"]),
        ("\"['beta', 'long reads']\"", ["beta", "long reads"]),
        ('"beta, long reads"', ["beta", "long reads"]),
        ("beta; 5 o'clock", ["5 o'clock", "beta"]),
        ('"{beta,""long reads""}"', ["beta", "long reads"]),
        ('"a ""b"" c"', ['a "b" c']),
        ("[]", []),
    ],
)
def test_tags_are_read_without_the_quotes_around_them(
    importer: Importer, cell: str, tags: list[str]
) -> None:
    importer.take(f"email,tags\na@example.org,{cell}\n")

    assert list(story(importer, "a@example.org").tags) == tags


@pytest.mark.parametrize(
    ("zone", "language", "read"),
    [
        ("europe/paris", "EN", ("Europe/Paris", "en")),
        ("AMERICA/NEW_YORK", "en_US", ("America/New_York", "en-US")),
        ("America/New York", "en-us", ("America/New_York", "en-US")),
        ("utc", "ZH_hans_cn", ("UTC", "zh-Hans-CN")),
        ("Europe/Paris", "pt_BR.UTF-8", ("Europe/Paris", "pt-BR")),
        ("America/Port-au-Prince", "de-1996", ("America/Port-au-Prince", "de-1996")),
    ],
)
def test_zones_and_languages_are_read_in_any_case(
    importer: Importer, zone: str, language: str, read: tuple[str, str]
) -> None:
    importer.take(f"email,TIMEZONE,lang\na@example.org,{zone},{language}\n")

    assert importer.rows("SELECT timezone, language FROM subscribers") == [read]


def test_a_column_that_sounds_like_it_is_pointed_at_and_can_be_mapped(importer: Importer) -> None:
    data = "email,Opt-out mark 7\na@example.org,no idea\nb@example.org,opted out\n"
    report, refusals = importer.take(data, dry_run=True)

    assert any("'Opt-out mark 7' may say who must not be mailed" in w for w in report.warnings)
    assert [r.row for r in refusals] == [3]
    mapped, _ = importer.take(data, mapping={"status": "Opt-out mark 7"})
    assert mapped.counts["added"] == 0


def test_a_column_about_something_else_is_an_attribute_by_its_name(importer: Importer) -> None:
    importer.take("email,attributes.status,attributes.disabled\na@example.org,gold,yes\n")

    assert story(importer, "a@example.org").attributes == {"status": "gold", "disabled": "yes"}


# ---------------------------------------------------------------- our own


def _people_of_every_kind(importer: Importer) -> None:
    stage, now = importer.stage, importer.stage.clock.now()
    names = ("fine", "left", "hard", "cross", "soft")
    importer.take("email,city,tags\n" + "".join(f"{n}@example.org,Cork,vip\n" for n in names))
    with stage.database.write() as connection:
        left = find_subscriber(connection, parse_address("left@example.org"))
        unsubscribe(connection, left.id, None, now, Origin("page"))
        for name, reason in (
            ("hard", SuppressionReason.HARD_BOUNCE),
            ("cross", SuppressionReason.COMPLAINT),
        ):
            address = parse_address(f"{name}@example.org")
            add_suppression(connection, KEYS, address, reason, now, actor="me")
        connection.exec_driver_sql(
            f"UPDATE memberships SET status = 'paused', paused_because = '{SOFT_BOUNCES}'"
            " WHERE subscriber_id = (SELECT id FROM subscribers WHERE address LIKE 'soft@%')"
        )


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_tells_whom_nobody_may_mail_and_lets_none_of_them_in_again(
    importer: Importer, tmp_path_factory: pytest.TempPathFactory, form: str
) -> None:
    from tests.builders import Stage

    _people_of_every_kind(importer)
    text = io.StringIO()
    with importer.stage.database.read() as connection:
        export = export_csv if form == "csv" else export_jsonl
        export(connection, KEYS, importer.stage.list_id, text)
    again, _ = importer.take(text.getvalue(), name=f"people.{form}")
    elsewhere = Importer(Stage(tmp_path_factory.mktemp("other"), importer.stage.clock, readers=0))
    report, refusals = elsewhere.take(text.getvalue(), name=f"people.{form}")

    if form == "jsonl":
        found = {row["email"]: row for row in map(json.loads, text.getvalue().splitlines())}
        told = {
            address.partition("@")[0]: (row["status"], row["suppressed"], row["bounced"])
            for address, row in found.items()
        }
        assert told == {
            "fine": ("active", None, None),
            "left": ("unsubscribed", None, None),
            "hard": ("suppressed", "hard_bounce", "hard"),
            "cross": ("suppressed", "complaint", None),
            "soft": ("paused", None, "soft"),
        }
    else:
        assert (
            "email,name,timezone,language,tags,status,suppressed,bounced,since,city"
            in (text.getvalue().splitlines()[0])
        )
        assert "hard@example.org,,,,vip,suppressed,hard_bounce,hard," in text.getvalue()
    assert (again.counts["unchanged"], again.counts["suppressed"]) == (2, 2)
    assert (report.counts["added"], len(refusals)) == (1, 4)
    with elsewhere.stage.database.read() as connection:
        fine = story_of(connection, parse_address("fine@example.org"), KEYS)
    assert (list(fine.tags), fine.attributes) == (["vip"], {"city": "Cork"})
    elsewhere.stage.database.close()


def test_attributes_called_like_a_status_come_back_as_they_were(importer: Importer) -> None:
    importer.take(
        "email,attributes.state,attributes.disabled,attributes.suppressed\na@example.org,removed,1,x\n"
    )
    text = io.StringIO()
    with importer.stage.database.read() as connection:
        export_csv(connection, KEYS, importer.stage.list_id, text)

    report, _ = importer.take(text.getvalue())

    assert "attributes.state,attributes.disabled,attributes.suppressed" in text.getvalue()
    assert (report.counts["unchanged"], report.warnings) == (1, ())


# ---------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    "text",
    [
        '[{"email": "a@example.org", "status": "active"}, '
        '{"email": "b@example.org", "status": "gone"}]',
        '{"email": "a@example.org", "status": "active"}\n'
        '\n{"email": "b@example.org", "status": "x"}\n',
        '{"members": [{"email": "a@example.org", "subscribed": true, "status": "free",'
        ' "labels": [{"name": "vip"}]}, {"email": "b@example.org", "subscribed": false}],'
        ' "meta": {"pagination": {"page": 1}}}',
        '{\n "data": [{"email": "a@example.org"}]\n}\n{\n "data": [{"email": "b@example.org",'
        ' "blacklisted": 1}]\n}',
        '\ufeff[{"email": "a@example.org", "x": null},\n'
        ' {"email": "b@example.org", "unsubscribed_at": 1714988400}]',
    ],
)
def test_json_is_read_as_a_table(importer: Importer, text: str) -> None:
    report, refusals = importer.take(text, name="people.json")

    assert (report.rows, report.counts["added"], len(refusals)) == (2, 1, 1)
    assert importer.rows("SELECT address FROM subscribers") == [("a@example.org",)]
    assert refusals[0].row == (3 if text.startswith('{"email"') else 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[{"email": "a@example.org"}', "no JSON from here on"),
        ('{"email": "a@example.org"}\n{"email": ', "no JSON from here on"),
        ("[1, 2]", "an entry is no object"),
        ("[]", "there are no entries"),
        ("[" * 100_000, "no JSON from here on"),
        ('[{"name": "Ida"}]', "there is no column of addresses; found: name; expected one of"),
        ("[\n{},\n{\n", "no JSON from here on"),
    ],
)
def test_json_that_is_none_is_refused_with_its_place(
    importer: Importer, text: str, words: str
) -> None:
    with pytest.raises(ImportRefused, match=words) as caught:
        importer.take(text, name="people.json")

    assert caught.value.fix
    assert importer.rows("SELECT count(*) FROM subscribers") == [(0,)]


def test_a_file_without_headings_says_so_and_shows_no_address(importer: Importer) -> None:
    with pytest.raises(ImportRefused, match="holds an address and no headings") as caught:
        importer.take("ada@example.org,Ada\nbo@example.org,Bo\n")

    assert "ada" not in str(caught.value)
