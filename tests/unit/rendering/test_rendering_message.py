"""The message on the wire (A1–A8, A12), asserted on the bytes that go out."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.fakes.mailings import a_mailing

from newsletter.rendering.content import EmailContent, ListIdentity, Slot, SlotContext
from newsletter.rendering.headers import (
    NeedsSmtputf8,
    encode_address,
    encode_list_unsubscribe,
    encode_text,
    wire_address,
)
from newsletter.rendering.merge import SlotAllocator, clean_value, cut, merge
from newsletter.rendering.mime import MessageTemplate, encode_quoted_printable

AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
LINKS = {
    "unsubscribe_url": "https://news.example.org/u/token",
    "preferences_url": "https://news.example.org/p/token",
}


def built(
    *,
    name: str = "Ada",
    address: str = "ada@example.org",
    values: dict[str, str] | None = None,
    identity: dict[str, str] | None = None,
    content: EmailContent | None = None,
) -> bytes:
    mailing = a_mailing()
    template = MessageTemplate(
        content or mailing.content,
        replace(mailing.identity, **(identity or {})),
        campaign=7,
        salt="salt",
    )
    merged = {"first_name": name, **LINKS, **(values or {})}
    return template.build(subscriber=12, address=address, name=name, values=merged, at=AT)


def parsed(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_each_header_is_there_exactly_once() -> None:
    message = parsed(built())

    for name in (
        *("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "List-Id"),
        *("List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID"),
    ):
        assert len(message.get_all(name, [])) == 1, name
    assert message.get_all("Auto-Submitted") is None


def test_the_one_click_fields_are_exactly_so() -> None:
    message = parsed(built())

    assert message["List-Unsubscribe"] == "<https://news.example.org/u/token>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_the_message_id_names_the_delivery_and_is_the_same_on_each_try() -> None:
    first, second = parsed(built()), parsed(built(name="Other"))

    assert first["Message-ID"] == second["Message-ID"] == "<12.7.salt@news.example.org>"


def test_text_comes_first_and_html_last_in_utf8_quoted_printable() -> None:
    message = parsed(built())

    parts = list(message.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    for part in parts:
        assert part.get_content_charset() == "utf-8"
        assert part["Content-Transfer-Encoding"] == "quoted-printable"


def test_a_long_token_stays_whole_in_the_raw_bytes() -> None:
    url = "https://news.example.org/u/" + "t" * 300

    raw = built(values={"unsubscribe_url": url})

    assert b"<" + url.encode() + b">" in raw
    assert b"=?utf-8?q?" not in raw.split(b"\r\n\r\n")[0].replace(b"Subject", b"")


def test_a_mailto_beside_the_link_is_folded_between_the_two() -> None:
    raw = built(identity={"unsubscribe_mailto": "leave@news.example.org"})

    assert b"<https://news.example.org/u/token>,\r\n <mailto:leave@news.example.org" in raw


@given(st.text(max_size=400), st.text(max_size=60))
@example("\r\nBcc: x@y", "\r\n.\r\nMAIL FROM:<x>")
@example("=?utf-8?q?=0D=0ABcc:_x@y?=", "\x00\x85\u2028")
def test_no_value_can_add_a_header_or_break_a_line(name: str, title: str) -> None:
    raw = built(name=name, identity={"from_name": name, "title": title})

    head, _, _ = raw.partition(b"\r\n\r\n")
    names = {line.split(b":")[0] for line in head.split(b"\r\n") if line[:1] not in b" \t"}
    assert names <= {
        *(b"From", b"To", b"Subject", b"Date", b"Message-ID", b"MIME-Version"),
        *(b"Content-Type", b"List-Id", b"List-Unsubscribe", b"List-Unsubscribe-Post"),
        b"Feedback-ID",
    }
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\x00" not in raw
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@given(st.text(min_size=1, max_size=200))
@example("𝕏 post by @claude 👩‍👩‍👧 é́́ " * 6)
@example("plain words that are long enough to be folded over several lines of the header " * 2)
def test_a_subject_comes_back_as_it_was(text: str) -> None:
    wanted = " ".join(clean_value(word) for word in text.split())
    if not wanted.strip():
        return

    raw = encode_text("Subject", wanted).encode("ascii") + b"\r\n\r\n"

    assert parsed(raw)["Subject"] == " ".join(wanted.split())
    for line in raw.split(b"\r\n"):
        assert len(line) <= 76 or b" " not in line.strip()


def test_an_encoded_word_never_splits_a_character() -> None:
    raw = encode_text("Subject", "👩‍👩‍👧" * 20)

    import base64

    for word in re.findall(r"=\?utf-8\?b\?([^?]*)\?=", raw):
        assert base64.b64decode(word).decode("utf-8").count("👧") >= 1
        assert not base64.b64decode(word).decode("utf-8").startswith("\u200d")


@given(st.text(max_size=80))
def test_a_display_name_never_changes_the_address(name: str) -> None:
    message = parsed(encode_address("To", name, "ada@example.org").encode("ascii") + b"\r\n\r\n")

    assert [a.addr_spec for a in message["To"].addresses] == ["ada@example.org"]


def test_domains_go_out_as_a_labels_and_other_local_parts_need_smtputf8() -> None:
    assert wire_address("lena@Bücher.example") == "lena@xn--bcher-kva.example"
    assert wire_address("jörg@example.org", smtputf8=True) == "jörg@example.org"
    with pytest.raises(NeedsSmtputf8):
        wire_address("jörg@example.org")


@pytest.mark.parametrize("url", ["https://x/a b", "https://x/\r\nBcc:", "https://x/é", "a>b"])
def test_a_url_that_could_break_the_field_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not a URL"):
        encode_list_unsubscribe(url)


@given(st.text(max_size=600))
@example("a \n b\t\n.dot\n..two\nFrom x\n" + "word " * 40)
@example("x" * 5000)
@example("ends with space ")
def test_quoted_printable_comes_back_whole_in_short_lines(text: str) -> None:
    import quopri

    clean = text.encode("utf-8", "replace").decode("utf-8")

    raw = encode_quoted_printable(clean)

    wanted = clean.replace("\r\n", "\n").replace("\r", "\n")
    assert quopri.decodestring(raw.replace(b"\r\n", b"\n")).decode("utf-8") == wanted
    assert all(len(line) <= 76 for line in raw.split(b"\r\n"))
    assert raw.isascii()


@given(st.text(max_size=150))
@example("{{7*7}}<b>&\"'")
@example("slotfeedx0001x")
def test_a_merge_value_comes_out_literally_in_both_parts(value: str) -> None:
    message = parsed(built(values={"first_name": value}))

    plain, html = (part.get_content() for part in message.iter_parts())
    shown = clean_value(value) or "reader"
    assert f"Dear {shown}, ≥ 𝕏" in plain
    assert "<b>&" not in html
    import html as markup

    assert f"Dear {shown}, ≥ 𝕏" in markup.unescape(html)


def test_an_empty_value_takes_the_default_and_a_long_one_is_cut() -> None:
    content = a_mailing().content

    assert "Dear reader," in merge(content, {"first_name": "  ", **LINKS}).text
    assert len(merge(content, {"first_name": "n" * 5000, **LINKS}).text) < 500


def test_a_link_field_takes_only_links() -> None:
    content = a_mailing().content

    merged = merge(content, {**LINKS, "unsubscribe_url": "javascript:alert(1)"})

    assert "javascript" not in merged.html + merged.text


@given(st.text(max_size=200), st.lists(st.sampled_from(["name", "city", "zip"]), max_size=9))
def test_slot_tags_are_of_one_length_and_occur_nowhere_else(seed: str, names: list[str]) -> None:
    digest = f"a digest that says {seed}"
    slots = SlotAllocator(seed, lambda text: text in digest)

    tags = [slots.tag(name, "", SlotContext.TEXT) for name in names]

    assert len({len(tag) for tag in tags}) <= 1
    assert all(tag.isalnum() and tag not in digest for tag in tags)
    assert len(set(tags)) == len(set(names))


def test_a_tag_that_occurs_is_passed_over() -> None:
    first = SlotAllocator("seed", lambda _text: False).tag("name", "", SlotContext.TEXT)

    second = SlotAllocator("seed", lambda text: text in first).tag("name", "", SlotContext.TEXT)

    assert first != second


def test_content_survives_its_json() -> None:
    content = a_mailing().content
    identity = a_mailing().identity

    assert EmailContent.from_json(content.to_json()) == content
    assert ListIdentity.from_json(identity.to_json()) == identity
    assert cut("nothing to fill", (Slot("slot1", "a", "", SlotContext.TEXT),)).slots == ()
