"""The identity of an address (D11), the keys, and the tokens of links (C5)."""

from __future__ import annotations

import base64
import hashlib
import stat
from pathlib import Path

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from newsletter.audience.address import _PLAIN, Address, AddressRefused, parse_address
from newsletter.audience.keys import Keys, create_keys, load_keys, rotate_signing_key
from newsletter.audience.spreadsheets import spreadsheet_safe
from newsletter.audience.tokens import Purpose, TokenClaims, TokenSigner
from newsletter.errors import ConfigurationError


@pytest.mark.parametrize(
    ("given_", "key"),
    [
        ("  Ada@Example.ORG ", "ada@example.org"),
        ("lena@Bücher.example", "lena@xn--bcher-kva.example"),
        ("first.last+tag@example.org", "first.last+tag@example.org"),
        ("JÖRG@example.org", "jörg@example.org"),
        ("jo\u0308rg@example.org", "jörg@example.org"),
    ],
)
def test_two_spellings_of_one_address_have_one_key(given_: str, key: str) -> None:
    assert parse_address(given_).key == key


def test_plus_tags_and_dots_make_different_addresses() -> None:
    keys = {parse_address(a).key for a in ("a.b@x.example", "ab@x.example", "ab+1@x.example")}

    assert len(keys) == 3


@pytest.mark.parametrize(
    ("given_", "code"),
    [
        ("", "empty"),
        ("no-at-sign", "no-at"),
        ('"quoted local"@example.org', "quoted"),
        ("ada@[192.0.2.1]", "ip-literal"),
        ("a" * 250 + "@example.org", "too-long"),
        ("ada@example", "invalid"),
        ("ada@@example.org", "invalid"),
        ("ada@exam ple.org", "invalid"),
        ("ada\u202e@example.org", "control"),
        ("a\r\nBcc: x@example.org", "control"),
        ("ada.@example.org", "invalid"),
    ],
)
def test_what_is_no_address_is_refused_with_a_reason(given_: str, code: str) -> None:
    with pytest.raises(AddressRefused) as caught:
        parse_address(given_)

    assert caught.value.code == code
    assert caught.value.problem


@given(st.from_regex(r"[a-z0-9._+-]{1,20}@[a-z0-9.-]{1,30}\.[a-z]{2,6}", fullmatch=True))
@example("a@b--c.example")
@example("a@-b.example.org")
@example("a.@example.org")
def test_the_quick_way_accepts_only_what_the_library_accepts(text: str) -> None:
    special = text.rpartition(".")[2] in ("local", "test", "invalid", "arpa", "onion")
    if not _PLAIN.fullmatch(text) or special:
        return
    try:
        validate_email(text, check_deliverability=False)
    except EmailNotValidError as error:
        pytest.fail(f"{text}: {error}")


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_a_refusal(text: str) -> None:
    try:
        key = parse_address(text).key
    except AddressRefused:
        return
    assert "@" in key
    assert key == parse_address(key).key


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_of_an_export_is_a_formula(cell: str) -> None:
    assert spreadsheet_safe(cell) == "'" + cell
    assert spreadsheet_safe("plain") == "plain"


# ---------------------------------------------------------------- keys and tokens


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "newsletter.key"
    create_keys(path)
    return path


def test_a_new_key_file_is_private_and_never_overwritten(key_file: Path) -> None:
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        create_keys(key_file)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p.unlink(), "the key file is missing"),
        (lambda p: p.chmod(0o640), "may be read by others"),
        (lambda p: p.write_text("signing: xyz\n"), "this line is no key"),
        (lambda p: p.write_text("# empty\n"), "exactly one suppression key"),
    ],
)
def test_a_key_file_that_cannot_be_used_says_why(
    key_file: Path,
    change: object,
    words: str,
) -> None:
    change(key_file)  # type: ignore[operator]

    with pytest.raises(ConfigurationError, match=words):
        load_keys(key_file)


def test_keys_never_show_themselves(key_file: Path) -> None:
    assert repr(load_keys(key_file)) == "Keys(…)"


def test_a_token_is_good_for_its_purpose_alone(key_file: Path) -> None:
    signer = TokenSigner(load_keys(key_file))
    token = signer.sign(Purpose.UNSUBSCRIBE, 12, 3)

    claims = signer.read(Purpose.UNSUBSCRIBE, token)

    assert claims is not None
    assert (claims.subscriber, claims.list_id) == (12, 3)
    for purpose in (Purpose.PREFERENCES, Purpose.CONFIRM, Purpose.ARCHIVE):
        assert signer.read(purpose, token) is None


def test_a_forged_or_cut_token_is_none(key_file: Path) -> None:
    signer = TokenSigner(load_keys(key_file))
    token = signer.sign(Purpose.UNSUBSCRIBE, 12, 3)

    other = TokenSigner(Keys(("ff" * 32,), b"x"))
    assert other.read(Purpose.UNSUBSCRIBE, token) is None
    for cut in (1, len(token) // 2, len(token) - 1):
        assert signer.read(Purpose.UNSUBSCRIBE, token[:cut]) is None


def test_old_tokens_outlive_a_rotation_and_new_ones_use_the_new_key(key_file: Path) -> None:
    before = load_keys(key_file)
    old = TokenSigner(before).sign(Purpose.UNSUBSCRIBE, 12, 3)

    rotate_signing_key(key_file)
    after = TokenSigner(load_keys(key_file))
    new = after.sign(Purpose.UNSUBSCRIBE, 12, 3)

    assert after.read(Purpose.UNSUBSCRIBE, old) is not None
    assert TokenSigner(before).read(Purpose.UNSUBSCRIBE, new) is None


def test_links_signed_as_they_were_once_still_lead_somewhere(key_file: Path) -> None:
    keys = load_keys(key_file)
    once = URLSafeSerializer(
        list(keys.signing),
        salt="unsubscribe",
        signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
    )

    claims = TokenSigner(keys).read(Purpose.UNSUBSCRIBE, once.dumps([12, 3]))

    assert claims is not None
    assert (claims.subscriber, claims.list_id) == (12, 3)


def test_both_links_of_a_message_are_what_each_purpose_would_sign(key_file: Path) -> None:
    signer = TokenSigner(load_keys(key_file))

    for epoch in (0, 1, 400):
        assert signer.sign_links(12, 3, epoch) == (
            signer.sign(Purpose.UNSUBSCRIBE, 12, 3, epoch=epoch),
            signer.sign(Purpose.PREFERENCES, 12, 3, epoch=epoch),
        )


def test_a_link_to_the_first_address_is_what_it_was_before_links_named_epochs(
    key_file: Path,
) -> None:
    signer = TokenSigner(load_keys(key_file))
    payload = base64.urlsafe_b64encode(b"[12,3]").rstrip(b"=").decode()

    assert signer.sign_links(12, 3, 0)[0].partition(".")[0] == payload
    assert signer.read(Purpose.UNSUBSCRIBE, signer.sign_links(12, 3, 0)[0]) == TokenClaims(12, 3)


def test_a_link_names_the_epoch_of_the_address_it_was_sent_to(key_file: Path) -> None:
    signer = TokenSigner(load_keys(key_file))

    link, undo = signer.sign_links(12, 3, 2)[1], signer.sign(Purpose.RETURN, 12, 3, 99, 2)

    assert signer.read(Purpose.PREFERENCES, link) == TokenClaims(12, 3, epoch=2)
    assert signer.read(Purpose.RETURN, undo) == TokenClaims(12, 3, 99, 2)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ada@example.org", "Ada+news@Example.org"),
        ("ada@example.org", "ada+a+b@example.org"),
        ("ada@example.org", "ada+@example.org"),
        ("a.da@gmail.com", "ADA+x@googlemail.com"),
        ("ada@gmail.com", "a.d.a@gmail.com"),
        ("jörg@bücher.example", "JÖRG+x@xn--bcher-kva.example"),
        ("ｊｏe@bücher.example", "joe@bücher.example"),
    ],
)
def test_two_addresses_of_one_mailbox_are_counted_together(first: str, second: str) -> None:
    assert parse_address(first).mailbox == parse_address(second).mailbox


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a.da@example.org", "ada@example.org"),
        ("ada-x@example.org", "ada@example.org"),
        ("+a@example.org", "+b@example.org"),
        ("ada@gmail.com", "ada@example.org"),
        ("ada@mail.gmail.com", "ada@gmail.com"),
        ("a.da@notgmail.com", "ada@notgmail.com"),
    ],
)
def test_addresses_that_may_be_two_mailboxes_are_counted_apart(first: str, second: str) -> None:
    assert parse_address(first).mailbox != parse_address(second).mailbox


@given(st.from_regex(r"[a-z.+]{0,12}[a-z][a-z+]{0,3}", fullmatch=True))
def test_a_mailbox_is_its_own_mailbox(local: str) -> None:
    for domain in ("gmail.com", "example.org"):
        try:
            mailbox = parse_address(f"{local}@{domain}").mailbox
        except AddressRefused:
            continue
        assert Address(mailbox, mailbox).mailbox == mailbox


def test_a_token_can_name_the_letter_it_stands_in(key_file: Path) -> None:
    signer = TokenSigner(load_keys(key_file))

    claims = signer.read(Purpose.CONFIRM, signer.sign(Purpose.CONFIRM, 12, 3, 7))

    assert claims == TokenClaims(subscriber=12, list_id=3, number=7)
