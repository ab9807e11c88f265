"""Headings and cells of other programs: only what is known to let in lets anybody in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.audience.headings import plain_words
from newsletter.audience.status_columns import (
    ANY_STATUS,
    Outcome,
    StatusReader,
    may_be_status,
    says,
    status_column,
    unsure_column,
)
from newsletter.audience.status_words import COLUMNS, MAY_BE_MAILED, Away, by_heading, headings_of

COMES = {Outcome.COMES, Outcome.NOTHING}


def outcome(heading: str, cell: str) -> Outcome:
    column = status_column(heading)
    assert column is not None, heading
    return says(column, cell).outcome


@pytest.mark.parametrize(
    ("heading", "comes", "stays"),
    [
        ("subscribed_to_emails", "TRUE", "false"),
        ("blacklisted", "0", "1"),
        ("EMAIL_BLOCKLISTED", "false", "true"),
        ("optout", "", "1"),
        ("opt_out", "no", "yes"),
        ("do_not_email", "0", "1"),
        ("Do not contact", "", "x"),
        ("email_status", "active", "cleaned"),
        ("cleaned", "", "2024-01-02 03:04:05"),
        ("Subscription status", "Subscribed", "Never subscribed"),
        ("unsubscribed_at", "", "2024-05-07T10:00:00Z"),
        ("unsubscribed_at", "0000-00-00 00:00:00", "1714988400"),
        ("Unsubscribe Date", "NULL", "7.5.2024"),
        ("bounced", "0", "3"),
        ("Email Marketing Consent", "SUBSCRIBED", "NEVER_SUBSCRIBED"),
        ("Accepts Email Marketing", "yes", "no"),
        ("disabled", "0", "1"),
        ("confirmed", "1", "0"),
        ("confirmed_at", "2024-05-07", ""),
        ("email_verified_at", "2024-05-07 10:00:00", ""),
        ("deleted", "f", "t"),
        ("deleted_at", "null", "2024-05-07"),
        ("HasOptedOutOfEmail", "false", "true"),
        ("Email Opt Out", "0", "1"),
        ("Unsubscribed from all email", "", "true"),
        ("IsExcludedFromCampaigns", "false", "true"),
        ("IsSpamComplaining", "false", "true"),
        ("Is the email of this user confirmed", "1", "0"),
        ("Is this subscriber blacklisted", "0", "1"),
        ("on_hold", "", "1"),
        ("_BLOCKLISTED", "", "email_marketing"),
        ("_SUBSCRIBED", "email_marketing, sms", "no"),
        ("MailStatus", "active", "Undeliverable"),
        ("Subscribed", "2023-01-05 10:11:12", "no"),
        ("newsletter", "yes", "no"),
        ("type", "customer", "unsubscribed"),
        ("state", "Ohio", "cancelled"),
        ("subscriber_type", "churned", "complained"),
        ("Suppressions", "[]", "HARD_BOUNCE"),
    ],
)
def test_a_column_lets_in_and_keeps_away(heading: str, comes: str, stays: str) -> None:
    assert outcome(heading, comes) in COMES
    assert outcome(heading, stays) not in COMES


@pytest.mark.parametrize("cell", ["gold", "", "maybe", "2", "actif", "null", "0", "-"])
def test_a_word_that_nobody_knows_lets_nobody_in(cell: str) -> None:
    assert outcome("status", cell) not in COMES
    assert outcome("subscribed", cell) not in COMES


@pytest.mark.parametrize(
    "heading",
    [
        *("active_subscription", "CONFIRM_TIME", "OPTIN_TIME", "OPTIN_IP", "bouncecount"),
        *("Number of bounces on this subscriber", "Did this subscriber manually confirm"),
        *("commenting_disabled", "bounce_date", "subscribed_at", "Subscribed date", "LAST_CHANGED"),
        *("unsubscribe_url", "SMS_BLOCKLISTED", "order status", "Favourite topic", "note", "city"),
        *("complimentary_plan", "subscription id", "optedin", "htmlemail"),
    ],
)
def test_what_sounds_like_it_and_says_nothing_is_left_alone(heading: str) -> None:
    assert status_column(heading) is None
    assert not may_be_status(heading)


@pytest.mark.parametrize("heading", ["Opt-out reason code 7", "gdpr consent", "mail consent B"])
def test_what_only_sounds_like_it_is_pointed_at(heading: str) -> None:
    assert status_column(heading) is None
    assert may_be_status(heading)


@pytest.mark.parametrize(
    ("heading", "stays", "comes"),
    [
        ("gdpr consent", "no", "yes"),
        ("opt-in for partners", "0", "1"),
        ("blacklisted by us", "yes", "no"),
        ("bounced at trial", "true", ""),
        ("bounced at trial", "unsubscribed", "Cork"),
    ],
)
def test_a_plain_no_keeps_away_also_where_the_column_is_not_known(
    heading: str, stays: str, comes: str
) -> None:
    column = unsure_column(heading)

    assert may_be_status(heading)
    assert says(column, stays).outcome is Outcome.STAYS
    assert says(column, comes).outcome in COMES


def test_a_mapped_column_may_hold_words_or_yes_and_no() -> None:
    words = ("active", "yes", "1", "unsubscribed", "no", "gold", "")

    told = [says(ANY_STATUS, word).outcome for word in words]

    assert told[:3] == [Outcome.COMES] * 3
    assert not set(told[3:]) & COMES


def test_the_strictest_of_several_columns_counts_and_names_itself() -> None:
    headings = ("status", "blacklisted", "subscribed_to_emails")
    columns = [
        (at, name, found) for at, name in enumerate(headings) if (found := status_column(name))
    ]
    reader = StatusReader(columns)

    assert reader.of(["active", "0", "true"]).outcome is Outcome.COMES
    stays = reader.of(["active", "1", "true"])
    assert (stays.away, stays.words) == (Away.BLOCKED, "column 'blacklisted' says '1'")
    assert reader.of(["gold", "0", "true"]).away is Away.UNKNOWN
    assert reader.of(["gold", "0", "false"]).away is Away.UNSUBSCRIBED
    # What somebody pays lets in where another column does.
    assert reader.of(["free", "0", "true"]).outcome is Outcome.COMES
    assert reader.of(["free", "", ""]).away is Away.UNKNOWN


def test_a_message_shows_no_address() -> None:
    column = status_column("status")
    assert column is not None
    verdict = StatusReader([(0, "status", column)]).of(["ada@example.org"])

    assert "ada" not in (verdict.words or "")


def test_no_heading_stands_twice_in_the_table() -> None:
    headings = [heading for column in COLUMNS for heading in headings_of(column)]

    assert sorted(headings) == sorted(by_heading(COLUMNS))


@given(st.text(max_size=20))
def test_a_column_of_words_lets_in_by_words_of_the_table_alone(cell: str) -> None:
    if outcome("status", cell) in COMES:
        assert plain_words(cell) in MAY_BE_MAILED
