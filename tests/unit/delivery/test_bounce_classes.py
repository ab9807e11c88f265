"""What a refusal says of the person, row by row of the tables (D3)."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery.bounce_classes import (
    STATUS_RULES,
    TEXT_RULES,
    BounceClass,
    BounceTable,
    StatusRule,
    TextRule,
    bounce_class,
    bounce_table,
)
from newsletter.delivery.bounce_rules import FOLLOWS, TEMPORARY
from newsletter.delivery.bounce_words import UNKNOWN
from newsletter.settings.feedback_parts import ClassRulePart

HARD, SOFT, BLOCKED = BounceClass.HARD, BounceClass.SOFT, BounceClass.BLOCKED


def classify(reply: str) -> BounceClass:
    """Take a reply apart as the SMTP side does: code, enhanced status, words."""
    match = re.fullmatch(r"(\d{3}) (?:(\d\.\d+\.\d+) )?(.*)", reply)
    assert match is not None
    return bounce_class(match[2], int(match[1]), match[3])


@pytest.mark.parametrize("rule", STATUS_RULES, ids=lambda rule: rule.example)
def test_each_row_of_statuses_says_what_its_example_means(rule: StatusRule) -> None:
    assert classify(rule.example) is rule.becomes


@pytest.mark.parametrize("rule", TEXT_RULES, ids=lambda rule: rule.example)
def test_each_row_of_words_decides_where_there_is_no_status(rule: TextRule) -> None:
    assert classify(rule.example) is rule.becomes
    assert bounce_class("5.0.0", None, rule.example[4:]) is rule.becomes
    assert re.search(rule.words, rule.example.lower())


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, HARD) for status in ("5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10")),
        *((status, HARD) for status in ("5.4.4", "5.2.1")),
        *((status, SOFT) for status in ("5.2.2", "4.2.2", "5.2.3", "5.3.4", "5.2.0", "5.0.0")),
        *((status, SOFT) for status in ("4.4.1", "4.4.2", "4.4.7", "4.7.0", "4.7.1", "4.1.1")),
        *((status, SOFT) for status in ("5.4.1", "5.4.7", "5.5.0", "5.6.0", "5.5.3", "4.0.0")),
        *((status, BLOCKED) for status in ("5.7.0", "5.7.1", "5.7.26", "5.7.606", "5.7.649")),
        *((status, BLOCKED) for status in ("5.7.500", "5.7.511", "5.7.599", "5.7.64")),
    ],
)
def test_a_status_alone_says_enough(status: str, expected: BounceClass) -> None:
    assert bounce_class(status, None, "") is expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("550 5.1.1 <a@example.org>... User Unknown", HARD),
        ("550 5.1.1 User unknown, your host is on our blacklist", BLOCKED),
        ("550 5.1.1 RESOLVER.ADR.RecipNotFound; not found", HARD),
        ("550 <a@example.org>: Recipient address rejected: User unknown", HARD),
        ("550 <a@example.org>: User unknown", HARD),
        ("553 5.3.0 <a@example.org>... No such user here", HARD),
        ("550 sorry, no mailbox here by that name. (#5.1.1)", HARD),
        ("550 Mailbox not found", HARD),
        ("550 mailbox <a@example.org> does not exist", HARD),
        ("550 This user doesn't exist", HARD),
        ("550 5.2.0 This account is inactive", HARD),
        ("550 5.5.0 Requested action not taken: mailbox unavailable", HARD),
        ("554 delivery error: This account has been deactivated", HARD),
        ("400 Does not contain a valid address.", HARD),
        ("550 User A B (a@example.org) not listed in Domino Directory", HARD),
        ("550 an MX or SRV record indicated no SMTP service", HARD),
        ("553 example.org does not exist", HARD),
        ("550 5.1.0 192.0.2.2 is not allowed to send from <example.net> per its SPF", BLOCKED),
        ("550 5.1.0 <b@example.org> sender rejected", BLOCKED),
        ("550 5.2.0 Message refused as spam", BLOCKED),
        ("554 5.7.1 Client host rejected: blocked using dnsbl.example.org", BLOCKED),
        ("550 5.7.1 User unknown", HARD),
        ("550 5.4.1 Recipient address rejected: Access denied", HARD),
        ("550 Recipient address rejected: Access denied", BLOCKED),
        ("550 Sender address is invalid", BLOCKED),
        ("550 Message rejected", SOFT),
        ("552 5.2.2 Quota exceeded for a@example.org", SOFT),
        ("554 Mailbox full", SOFT),
        ("504 Command parameter not implemented", SOFT),
        ("554 5.5.1 Error: no valid recipients", SOFT),
        ("550 5.2.1 The user is receiving mail at a rate that prevents delivery", SOFT),
        ("550 relaying the way to nobody-unknown@blocked.example", SOFT),
    ],
)
def test_a_reply_is_read_as_its_server_means_it(reply: str, expected: BounceClass) -> None:
    assert classify(reply) is expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("450 4.2.0 Greylisted, see http://blocked.example/spam", SOFT),
        ("450 4.7.1 Greylisting in action, come back", SOFT),
        ("421 4.7.0 Too many messages, slow down", SOFT),
        ("450 5.1.1 User unknown in local recipient table", SOFT),
        ("450 User unknown", SOFT),
        ("452 4.2.2 The mailbox is over quota", SOFT),
        ("421 4.7.0 [TSS04] Messages temporarily deferred due to user complaints", BLOCKED),
        ("451 4.7.650 The mail server has been rate limited due to IP reputation", BLOCKED),
        ("421 4.7.28 An unusual rate of unsolicited mail comes from your address", BLOCKED),
        ("450 4.7.1 Client host rejected: cannot find your reverse hostname", BLOCKED),
        ("421 Your address is blocked for now", BLOCKED),
        ("451 4.3.0 The policy service is blocked", SOFT),
    ],
)
def test_what_is_temporary_is_never_hard(reply: str, expected: BounceClass) -> None:
    assert classify(reply) is expected


def test_a_missing_status_is_looked_for_in_the_words() -> None:
    assert bounce_class(None, None, "said: 550-5.1.1 Adresse invalide") is HARD
    assert bounce_class(None, None, "Remote host said: 552 #5.2.2 over") is SOFT
    assert bounce_class("5.1.1 (bad destination mailbox address)", None, "") is HARD
    assert bounce_class("5.0.0", None, "smtp; 550 5.7.1 No recipient for you") is BLOCKED
    # An address of a host is no status.
    assert bounce_class(None, 550, "550 5.1.1.7 is where you come from") is SOFT


@pytest.mark.parametrize(
    ("status", "code", "text", "expected"),
    [
        ("5.1.1", 552, "552 5.2.2 Over quota", SOFT),
        ("5.1.1", 550, "550 5.7.1 No", BLOCKED),
        ("5.1.1", 450, "450 4.2.1 Not now", SOFT),
        ("5.1.1", 550, "has sent to too many recipients this hour", SOFT),
        ("5.1.1", 550, "The IP address 192.0.2.1 is on a blacklist", BLOCKED),
        ("5.1.1", 550, "see https://lists.example.com/query/bl?ip=192.0.2.1", BLOCKED),
        ("5.1.1", 550, "unknown, see https://help.example.com/?ip=192.0.2.1", HARD),
        ("5.1.1", 550, "nobody at spam.quota.example.net", HARD),
        ("5.1.2", None, "Host not found, try again", SOFT),
        ("5.4.4", None, "Malformed or unexpected name server reply", SOFT),
        ("5.7.1", 550, "said 550 5.1.1 no", BLOCKED),
        ("5.5.1", 554, "Error: no valid recipients", SOFT),
        (None, 556, "nothing", HARD),
    ],
)
def test_the_other_sides_own_reply_goes_before_a_status_that_was_made_up(
    status: str | None, code: int | None, text: str, expected: BounceClass
) -> None:
    assert bounce_class(status, code, text) is expected


def test_words_inside_of_addresses_and_links_mean_nothing() -> None:
    words = "refused for <user-unknown@no-such-user.example>, see https://x.example/user-unknown"

    assert bounce_class("5.0.0", 550, words) is SOFT


@given(
    st.one_of(st.none(), st.text(max_size=12), st.from_regex(r"[245]\.\d{1,3}\.\d{1,3}")),
    st.one_of(st.none(), st.integers(-1, 999)),
    st.text(max_size=200),
)
def test_whatever_comes_in_has_a_class(status: str | None, code: int | None, text: str) -> None:
    assert bounce_class(status, code, text) in BounceClass


@given(
    st.integers(420, 499),
    st.sampled_from([rule.example for rule in TEXT_RULES if rule.becomes is HARD]),
)
def test_no_words_make_a_temporary_reply_hard(code: int, words: str) -> None:
    assert bounce_class(None, code, words[4:]) is not HARD
    assert bounce_class("4.1.1", None, words[4:]) is not HARD


@pytest.mark.parametrize(
    "piece",
    ["user is was has ", "a", "mailbox " * 3, "@", "a@", "http://", "\n", "5.1.", "over ", "(((<>"],
)
def test_a_text_made_to_take_long_does_not(piece: str) -> None:
    text = piece * (10_000_000 // len(piece))

    start = time.thread_time()
    bounce_class(None, None, text)

    assert time.thread_time() - start < 1.0


def own_rows(*rows: tuple[str, str, str]) -> BounceTable:
    """Build a table whose operator wrote rows of status, words and class."""
    return bounce_table(
        ClassRulePart.model_validate({"status": status, "words": words, "becomes": becomes})
        for status, words, becomes in rows
    )


@pytest.mark.parametrize(
    ("row", "status", "code", "text", "expected"),
    [
        (("5.1.1", "", "soft"), "5.1.1", 550, "User unknown", SOFT),
        (("5.01.1", "", "soft"), "5.1.1", 550, "User unknown", SOFT),
        (("5.1.1", "", "soft"), None, 550, "550 5.1.1 User unknown", SOFT),
        (("5.1.1", "", "soft"), "5.0.0", None, "smtp; 550 5.1.1 User unknown", SOFT),
        (("5.0.0", "", "hard"), "5.0.0", None, "smtp; 550 5.7.1 Go away", HARD),
        (("5.7.*", "account closed", "hard"), "5.7.1", 550, "ACCOUNT\n Closed", HARD),
        (("5.7.*", "account closed", "hard"), "5.7.1", 550, "Policy", BLOCKED),
        (("5.7.*", "Account CLOSED", "hard"), "5.7.1", 550, "account closed", HARD),
        (
            ("*.*.*", r"see https://unlist\.example", "blocked"),
            None,
            550,
            "User unknown, see https://unlist.example/1",
            BLOCKED,
        ),
        (("5.*.*", "no thanks", "blocked"), None, 550, "no thanks", BLOCKED),
        (("5.*.*", "no thanks", "blocked"), None, 450, "no thanks", SOFT),
        (("5.1.1", "", "blocked"), "5.1.1", 450, "User unknown", SOFT),
        (("4.4.7", "", "hard"), "4.4.7", None, "expired", HARD),
        (("4.*.*", "no such user", "hard"), None, 450, "No such user", HARD),
        (("4.*.*", "", "blocked"), "4.2.2", 452, "Mailbox full", BLOCKED),
        (("5.0.0", "", "hard"), None, 550, "Message rejected", SOFT),
    ],
)
def test_a_row_of_the_operator_goes_before_the_built_in_ones(
    row: tuple[str, str, str],
    status: str | None,
    code: int | None,
    text: str,
    expected: BounceClass,
) -> None:
    assert own_rows(row).classify(status, code, text) is expected


def test_the_first_row_of_the_operator_that_fits_counts() -> None:
    table = own_rows(("5.1.*", "robot", "blocked"), ("5.1.*", "", "soft"), ("5.*.*", "", "hard"))

    assert table.classify("5.1.1", 550, "A robot said so") is BLOCKED
    assert table.classify("5.1.1", 550, "User unknown") is SOFT
    assert table.classify("5.7.1", 550, "Policy") is HARD


def test_where_no_row_of_the_operator_fits_the_built_in_table_decides() -> None:
    table = own_rows(("5.9.9", "", "blocked"), ("*.*.*", "zebra", "blocked"))

    for rule in (*STATUS_RULES, *TEXT_RULES):
        assert table.decide(None, None, rule.example) == BounceTable().decide(
            None, None, rule.example
        )
    assert table.own("5.1.1", 550, "User unknown") is None


def test_only_so_much_of_a_text_is_shown_to_the_patterns_of_the_operator() -> None:
    table = own_rows(("*.*.*", "zebra", "hard"))

    assert table.classify(None, None, "x " * 900 + "zebra") is HARD
    assert table.classify(None, None, "x " * 1100 + "zebra") is SOFT


def test_a_decision_names_a_row_of_the_table() -> None:
    table = own_rows(("5.2.1", "holiday", "soft"))
    rows = table.rows()
    replies = {
        ("5.2.1", 550, "On HOLIDAY"): rows[0],
        ("4.2.2", 452, "Mailbox full"): TEMPORARY,
        (None, 550, "Message rejected"): UNKNOWN,
        ("5.1.1", 550, "User unknown"): next(r for r in STATUS_RULES if r.status == "5.1.1"),
        ("5.0.0", 554, "Looks like spam"): TEXT_RULES[2],
        ("4.7.0", 421, "Looks like spam"): TEXT_RULES[2],
    }

    assert {asked: table.decide(*asked).rule for asked in replies} == replies
    assert set(replies.values()) <= set(rows)
    assert set(FOLLOWS) == set(BounceClass)


def test_words_of_the_operator_are_known_words() -> None:
    assert own_rows(("*.*.*", "zebra", "hard")).tells("A Zebra")
    assert not BounceTable().tells("A Zebra")


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"([45]|\*)(\.(\d{1,3}|\*)){2}", fullmatch=True),
            st.sampled_from(["", "user", "spam|full", "^x", "(a|b)"]),
            st.sampled_from(list(BounceClass)),
        ),
        max_size=4,
    ),
    st.one_of(st.none(), st.from_regex(r"[245]\.\d{1,3}\.\d{1,3}")),
    st.one_of(st.none(), st.integers(-1, 999)),
    st.text(max_size=80),
)
def test_with_any_rows_of_the_operator_the_decision_is_one_of_the_table(
    rows: list[tuple[str, str, BounceClass]], status: str | None, code: int | None, text: str
) -> None:
    table = BounceTable(tuple(StatusRule(s, becomes, "", words=w) for s, w, becomes in rows))

    decision = table.decide(status, code, text)

    assert decision.rule in table.rows()
    assert decision.becomes is decision.rule.becomes
