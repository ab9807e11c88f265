"""DKIM: each signature is verified by dkimpy, on bytes as a real SMTP server took them."""

from __future__ import annotations

import base64
import smtplib
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import dkim as dkimpy
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.fakes.mailings import a_mailing, an_envelope
from tests.fakes.smtp_server import SmtpServer

from newsletter.clock import SettableClock, SystemClock
from newsletter.providers.base import AccountProblem
from newsletter.providers.dkim import DkimSigner, aligned, canonical_body
from newsletter.rendering.mime import MessageTemplate

DOMAIN = "news.example.org"
HEAD = (
    b"From: The Daily <daily@news.example.org>\r\nTo: reader@example.org\r\n"
    b"Subject: News\r\nDate: Tue, 24 Nov 2026 06:00:00 +0000\r\n"
    b"Message-ID: <1@news.example.org>\r\n"
    b"List-Unsubscribe: <https://news.example.org/u/token>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
)
Key = RSAPrivateKey | Ed25519PrivateKey | ec.EllipticCurvePrivateKey


@pytest.fixture(scope="module")
def rsa() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@pytest.fixture
def clock() -> SettableClock:
    """A clock that stands at the present: dkimpy refuses a signature from the future."""
    return SettableClock(SystemClock().now())


@pytest.fixture(scope="module")
def signer(rsa: RSAPrivateKey, tmp_path_factory: pytest.TempPathFactory) -> DkimSigner:
    return DkimSigner(DOMAIN, write_key(tmp_path_factory.mktemp("keys") / "2026a.pem", rsa))


@pytest.fixture(scope="module")
def server() -> Iterator[SmtpServer]:
    with SmtpServer(strict=False) as running:  # some samples are raw on purpose
        yield running


def write_key(
    file: Path, key: Key, encryption: KeySerializationEncryption | None = None, mode: int = 0o600
) -> Path:
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    )
    file.chmod(mode)
    return file


def verifies(message: bytes, *signers: DkimSigner) -> bool:
    """Let dkimpy verify the topmost signature; DNS knows the records of these signers."""
    zone = {f"{s.record_name}.".encode(): s.public_record().encode() for s in signers}
    return bool(dkimpy.verify(message, dnsfunc=lambda name, timeout: zone.get(name)))


def over_the_wire(server: SmtpServer, message: bytes) -> bytes:
    """Send a message with smtplib; return what the server took."""
    with smtplib.SMTP("127.0.0.1", server.port) as client:
        client.sendmail("daily@news.example.org", ["reader@example.org"], message)
    return server.messages[-1].data


def campaign_message(text: str = "") -> bytes:
    mailing, envelope = a_mailing(text=text), an_envelope()
    return MessageTemplate(mailing.content, mailing.identity, campaign=7, salt="s").build(
        subscriber=1,
        address=envelope.address,
        name="Ørjan Ångström",
        values=envelope.values,
        at=SystemClock().now(),
    )


def tags(field: bytes) -> dict[str, str]:
    """The tags of a signature field, without the white space of its folding."""
    value = "".join(field.decode("ascii").partition(":")[2].split())
    return dict(tag.split("=", 1) for tag in value.split(";"))


# What goes out


def test_a_campaign_message_verifies_as_the_server_took_it(
    server: SmtpServer, signer: DkimSigner
) -> None:
    message = campaign_message("Long text — with spaces   inside. " * 200)

    captured = over_the_wire(server, signer.sign(message) + message)

    assert captured.endswith(message)
    assert verifies(captured, signer)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b"\r\n\r\n\r\n",
        b"   \r\n\t\r\n",
        b"One line\r\n",
        b"No line end",
        b"No line end, and spaces  \t",
        b"Spaces at the end   \r\n\t tabs\t\tinside \t and at the end\t\r\n",
        b"Empty lines at the end\r\n\r\n \r\n\r\n",
        b".a dot\r\n..two\r\n.\r\nthe end\r\n",
        "UTF-8: naïve – Ω\r\n".encode(),
        b"x" * 990 + b"\r\n" + b" " * 900 + b"\r\n",
    ],
)
def test_a_body_that_is_easily_changed_verifies_as_the_server_took_it(
    server: SmtpServer, signer: DkimSigner, body: bytes
) -> None:
    message = HEAD + b"\r\n" + body

    captured = over_the_wire(server, signer.sign(message) + message)

    assert verifies(captured, signer)


@pytest.mark.parametrize(
    "field",
    [
        b"Subject: =?utf-8?b?TsOkw692ZQ==?=\r\n =?utf-8?b?TsOkw692ZQ==?=",
        b"Subject: folded\r\n\t with  a\ttab  and\r\n    spaces\t ",
        b"Subject:",
        b"Subject:   ",
        b"SUBJECT:in capitals",
        b"Subject: " + b"long " * 180 + b"word" * 20,
        b"Subject: a\r\n" + b" b\r\n" * 200 + b" c",
        "Subject: raw Ω".encode(),
        b"Subject: v=1; b=abc; h=From",
        b"Reply-To: a@news.example.org\r\nList-Id: A <a.b>\r\nList-Id: B <b.c>",
    ],
)
def test_a_header_field_that_is_easily_changed_verifies_as_the_server_took_it(
    server: SmtpServer, signer: DkimSigner, field: bytes
) -> None:
    message = HEAD.replace(b"Subject: News", field) + b"\r\nBody\r\n"

    captured = over_the_wire(server, signer.sign(message) + message)

    assert verifies(captured, signer)


WORDS = st.text(st.sampled_from("aZ9 \t.;=:b<>@é"), max_size=90).map(str.encode)
LINES = st.lists(st.text(st.sampled_from("a. \t=é\x0b\x0c"), max_size=30).map(str.encode))


NAMES = st.sampled_from([b"Reply-To", b"list-id", b"Content-type", b"To", b"X-Unsigned"])


@given(
    subject=st.lists(WORDS.map(lambda word: word + b"x"), min_size=1, max_size=4),
    others=st.lists(st.tuples(NAMES, WORDS), max_size=4),
    lines=LINES,
    ended=st.booleans(),
)
def test_any_header_and_body_verify(
    signer: DkimSigner,
    subject: list[bytes],
    others: list[tuple[bytes, bytes]],
    lines: list[bytes],
    ended: bool,
) -> None:
    more = b"".join(name + b":" + value + b"\r\n" for name, value in others)
    field = b"Subject: " + b"\r\n ".join(subject)
    # What goes over the wire always ends its last line.
    body = b"".join(line + b"\r\n" for line in lines)
    message = more + HEAD.replace(b"Subject: News", field) + more + b"\r\n" + body
    given_to_us = message if ended or not body else message[:-2]

    assert verifies(signer.sign(given_to_us) + message, signer)


def test_every_added_byte_of_the_field_is_within_the_limits_of_a_header(
    signer: DkimSigner,
) -> None:
    field = signer.sign(campaign_message())

    assert field.startswith(b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; ")
    assert field.endswith(b"\r\n")
    lines = field[:-2].split(b"\r\n")
    assert max(map(len, lines)) <= 76
    assert all(line.startswith(b" ") and line.strip() for line in lines[1:])


def test_what_rfc_8058_and_the_reader_depend_on_is_signed_and_from_once_more(
    rsa: RSAPrivateKey, tmp_path: Path, clock: SettableClock
) -> None:
    signer = DkimSigner(DOMAIN, write_key(tmp_path / "s1.pem", rsa), clock=clock)

    found = tags(signer.sign(campaign_message()))

    assert found["d"] == DOMAIN
    assert found["s"] == "s1"
    assert found["t"] == str(int(clock.now().timestamp()))
    assert found.keys() == {"v", "a", "c", "t", "d", "s", "h", "bh", "b"}
    assert found["h"].split(":") == [
        *("From", "From", "To", "Subject", "Date", "Message-ID"),
        *("List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "MIME-Version", "Content-Type"),
    ]


def test_a_message_without_list_fields_is_signed_without_them(signer: DkimSigner) -> None:
    message = b"From: a@news.example.org\r\n\r\nHello\r\n"

    field = signer.sign(message)

    assert tags(field)["h"] == "From:From"
    assert verifies(field + message, signer)


# What must not pass


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"The Daily", b"The Dally"),
        (b"To: reader@", b"To: leader@"),
        (b"Subject: News", b"Subject: Gnus"),
        (b"Subject: News", b"Subject: Ne ws"),
        (b"06:00:00", b"07:00:00"),
        (b"<1@", b"<2@"),
        (b"/u/token", b"/u/other"),
        (b"=One-Click", b"=None"),
        (b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", b""),
        (b"List-Unsubscribe: <https://news.example.org/u/token>\r\n", b""),
        (b"Dear reader", b"Dear leader"),
        (b"Dear reader", b"Dearreader"),
        (b"the end\r\n", b"the end\r\nand more\r\n"),
        (b"d=news.example.org", b"d=example.org"),
    ],
)
def test_a_changed_message_does_not_verify(signer: DkimSigner, before: bytes, after: bytes) -> None:
    message = HEAD + b"\r\nDear reader,\r\nthe end\r\n"
    signed = signer.sign(message) + message
    assert verifies(signed, signer)
    assert before in signed

    assert not verifies(signed.replace(before, after, 1), signer)


@pytest.mark.parametrize("place", [b"To: reader", b"From: The", b"\r\n\r\nDear"])
def test_a_second_from_anywhere_does_not_verify(signer: DkimSigner, place: bytes) -> None:
    message = HEAD + b"\r\nDear reader\r\n"
    signed = signer.sign(message) + message
    end = b"\r\n" if place.startswith(b"\r\n") else b""
    added = end + b"From: The Bank <bank@example.com>" + (b"" if end else b"\r\n")

    assert not verifies(signed.replace(place, added + place, 1), signer)


@given(position=st.integers(0, 10_000), change=st.integers(1, 255))
def test_a_changed_letter_of_the_body_does_not_verify(
    signer: DkimSigner, position: int, change: int
) -> None:
    body = b"Dear reader, this is what was written to you.\r\n" * 3
    message = HEAD + b"\r\n" + body
    letters = [at for at, letter in enumerate(body) if letter not in b"\r\n"]
    at = letters[position % len(letters)]
    assume(body[at] ^ change not in b"\r\n")
    changed = bytearray(body)
    changed[at] ^= change

    # White space is not all that is written: relaxed form ignores some of it (RFC 6376 §3.4.4).
    same = canonical_body(bytes(changed)) == canonical_body(body)

    assert verifies(signer.sign(message) + HEAD + b"\r\n" + bytes(changed), signer) == same


def test_the_canonical_body_is_the_one_of_rfc_6376_and_rfc_8463() -> None:
    assert canonical_body(b" C \r\nD \t E\r\n\r\n\r\n") == b" C\r\nD E\r\n"
    assert canonical_body(b"\r\n\r\n") == b""
    body = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
    digest = base64.b64encode(sha256(canonical_body(body)).digest())
    assert digest == b"2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="


# Ed25519


class _NativeEd25519:
    """Stands where dkimpy wants PyNaCl's key: it hashes the message, cryptography verifies."""

    def __init__(self, record: str) -> None:
        raw = base64.b64decode(record.rpartition("p=")[2])
        self._key = Ed25519PublicKey.from_public_bytes(raw)
        self.verdicts: list[bool] = []

    def verify(self, digest: bytes, signature: bytes) -> None:
        try:
            self._key.verify(signature, digest)
        except InvalidSignature:
            self.verdicts.append(False)
        else:
            self.verdicts.append(True)


def verifies_ed25519(message: bytes, signer: DkimSigner) -> bool:
    verifier = dkimpy.DKIM(message)
    sig, include, fields = verifier.verify_headerprep(0)
    native = _NativeEd25519(signer.public_record())
    verifier.pk, verifier.keysize, verifier.ktag = native, 256, b"ed25519"
    verifier.verify_sig_process(sig, include, fields[0], None)
    return native.verdicts == [True]


def test_an_ed25519_key_signs_by_rfc_8463(server: SmtpServer, tmp_path: Path) -> None:
    file = write_key(tmp_path / "brisbane.pem", Ed25519PrivateKey.generate())
    signer = DkimSigner(DOMAIN, file)
    message = campaign_message("Some text   with spaces.\n" * 20)

    captured = over_the_wire(server, signer.sign(message) + message)

    assert tags(captured.partition(b"\r\nFrom:")[0])["a"] == "ed25519-sha256"
    assert verifies_ed25519(captured, signer)
    assert not verifies_ed25519(captured.replace(b"/u/token", b"/u/other", 1), signer)


def test_the_records_are_what_dns_must_say(rsa: RSAPrivateKey, tmp_path: Path) -> None:
    ed25519 = Ed25519PrivateKey.generate()
    raw = ed25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    der = rsa.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    small = DkimSigner("Example.ORG.", write_key(tmp_path / "e1.pem", ed25519))
    large = DkimSigner("bücher.example", write_key(tmp_path / "r1.pem", rsa), "other.name")

    assert small.record_name == "e1._domainkey.example.org"
    assert small.public_record() == f"v=DKIM1; k=ed25519; p={base64.b64encode(raw).decode()}"
    assert large.record_name == "other.name._domainkey.xn--bcher-kva.example"
    assert large.public_record() == f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"


# The key changes while we run


def test_turning_the_link_changes_key_and_selector_without_a_new_signer(
    rsa: RSAPrivateKey, tmp_path: Path, clock: SettableClock
) -> None:
    old = write_key(tmp_path / "2026a.pem", rsa)
    new = write_key(tmp_path / "2026b.pem", generate_private_key(65537, 2048))
    link = tmp_path / "current.pem"
    link.symlink_to(old.name)
    signer = DkimSigner(DOMAIN, link, clock=clock)
    message = campaign_message()
    before = signer.sign(message)

    turned = tmp_path / "turned"
    turned.symlink_to(new.name)
    turned.rename(link)
    soon = signer.sign(message)
    clock.advance(timedelta(seconds=1))
    after = signer.sign(message)

    assert [tags(field)["s"] for field in (before, soon, after)] == ["2026a", "2026a", "2026b"]
    zone = (DkimSigner(DOMAIN, old), DkimSigner(DOMAIN, new))
    assert verifies(before + message, *zone)
    assert verifies(after + message, *zone)


def test_a_key_rewritten_in_its_file_is_used(
    rsa: RSAPrivateKey, tmp_path: Path, clock: SettableClock
) -> None:
    file = write_key(tmp_path / "s1.pem", rsa)
    signer = DkimSigner(DOMAIN, file, clock=clock)
    message = campaign_message()
    signer.sign(message)
    before = signer.public_record()

    write_key(file, generate_private_key(65537, 2048))
    clock.advance(timedelta(seconds=1))

    assert verifies(signer.sign(message) + message, DkimSigner(DOMAIN, file))
    assert signer.public_record() != before


def test_a_half_written_key_does_not_stop_the_campaign_but_a_lost_one_does(
    rsa: RSAPrivateKey, tmp_path: Path, clock: SettableClock
) -> None:
    file = write_key(tmp_path / "s1.pem", rsa)
    signer = DkimSigner(DOMAIN, file, clock=clock)
    message = campaign_message()
    signer.sign(message)
    whole = file.read_bytes()
    published = DkimSigner(DOMAIN, file)
    published.public_record()

    file.write_bytes(whole[:200])
    clock.advance(timedelta(seconds=5))
    assert verifies(signer.sign(message) + message, published)

    clock.advance(timedelta(seconds=6))
    with pytest.raises(AccountProblem, match="no private key in PEM"):
        signer.sign(message)

    file.write_bytes(whole)
    assert verifies(signer.sign(message) + message, published)


# Keys and senders that are refused


def _missing(file: Path) -> Path:
    return file


def _open_to_others(file: Path) -> Path:
    return write_key(file, Ed25519PrivateKey.generate(), mode=0o640)


def _encrypted(file: Path) -> Path:
    return write_key(file, generate_private_key(65537, 2048), BestAvailableEncryption(b"secret"))


def _unsupported(file: Path) -> Path:
    return write_key(file, ec.generate_private_key(ec.SECP256R1()))


def _garbage(file: Path) -> Path:
    file.write_bytes(b"-----BEGIN PRIVATE KEY-----\nSECRETSECRET\n-----END PRIVATE KEY-----\n")
    file.chmod(0o600)
    return file


def _binary(file: Path) -> Path:
    file.write_bytes(bytes(range(255, 0, -1)))
    file.chmod(0o600)
    return file


def _public(file: Path) -> Path:
    key = Ed25519PrivateKey.generate().public_key()
    file.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    file.chmod(0o600)
    return file


def _too_small(file: Path) -> Path:
    # Python's library makes none so small any more; this one guards nothing.
    made = subprocess.run(["openssl", "genrsa", "512"], capture_output=True, check=False, text=True)
    if made.returncode:
        pytest.skip("openssl is missing or makes no key of 512 bit")
    file.write_text(made.stdout)
    file.chmod(0o600)
    return file


def _folder(file: Path) -> Path:
    file.mkdir(mode=0o700)
    return file


@pytest.mark.parametrize(
    ("arrange", "said"),
    [
        (_missing, "cannot be read: No such file"),
        (_folder, "cannot be read: Is a directory"),
        (_open_to_others, "may be read by others"),
        (_encrypted, "encrypted"),
        (_unsupported, "RSA or Ed25519"),
        (_garbage, "no private key in PEM"),
        (_binary, "no private key in PEM"),
        (_public, "no private key in PEM"),
        (_too_small, "too small"),
    ],
)
def test_a_key_that_cannot_sign_says_why_and_what_to_do_and_tells_nothing_of_itself(
    tmp_path: Path, arrange: Callable[[Path], Path], said: str
) -> None:
    file = arrange(tmp_path / "s1.pem")
    signer = DkimSigner(DOMAIN, file)

    with pytest.raises(AccountProblem) as caught:
        signer.sign(campaign_message())

    problem = caught.value
    assert said in problem.problem
    assert str(file) in problem.problem
    assert problem.fix
    assert problem.__context__ is None
    assert [(look.ok, look.detail) for look in signer.health()] == [(False, problem.problem)]
    if file.is_file():
        kept = file.read_bytes().decode("latin-1").splitlines()
        secret = [line for line in kept if not line.startswith("-----")]
        shown = f"{problem.problem} {problem.fix} {shown_locals(caught.tb)}"
        assert not [line for line in secret if line and line in shown]


def shown_locals(tb: object) -> str:
    """All values in the frames of our own code that a traceback could show."""
    seen = []
    while tb is not None:
        frame = tb.tb_frame  # type: ignore[attr-defined]
        if "newsletter" in frame.f_globals["__name__"]:
            seen.append(repr(frame.f_locals))
        tb = tb.tb_next  # type: ignore[attr-defined]
    return " ".join(seen)


def test_a_small_key_signs_and_health_asks_for_a_larger_one(
    rsa: RSAPrivateKey, tmp_path: Path
) -> None:
    small = DkimSigner(DOMAIN, write_key(tmp_path / "s1.pem", generate_private_key(65537, 1024)))
    large = DkimSigner(DOMAIN, write_key(tmp_path / "s2.pem", rsa))
    message = campaign_message()

    assert verifies(small.sign(message) + message, small)
    (look,) = small.health()
    assert (look.ok, look.fix) == (False, "publish and use a larger one")
    assert "1024 bit" in look.detail
    (look,) = large.health()
    assert (look.ok, look.detail) == (
        True,
        "rsa-sha256, 2048 bit; s2._domainkey.news.example.org must hold TXT "
        + large.public_record(),
    )


@pytest.mark.parametrize(
    "sender",
    [
        b"From: a@example.org",
        b"From: a@news.example.org.evil.example",
        b"From: a@othernews.example.org",
        b'From: "a@news.example.org" <a@example.com>',
        b"From: a@news.example.org, b@example.com",
        b"From: a@news.example.org\r\nFrom: b@news.example.org",
        b"From: nobody",
        b"From:",
        b"Sender: a@news.example.org",
    ],
)
def test_a_sender_the_domain_does_not_stand_for_is_refused(
    signer: DkimSigner, sender: bytes
) -> None:
    message = HEAD.replace(b"From: The Daily <daily@news.example.org>", sender) + b"\r\nHello\r\n"

    with pytest.raises(AccountProblem, match="does not stand for mail from") as caught:
        signer.sign(message)

    assert caught.value.fix


def test_a_domain_stands_for_itself_and_what_is_below_it() -> None:
    assert aligned("example.org", "example.org")
    assert aligned("Example.org.", "NEWS.example.ORG")
    assert aligned("bücher.example", "news.xn--bcher-kva.example")
    assert aligned("localhost", "localhost")
    assert not aligned("news.example.org", "example.org")
    assert not aligned("example.org", "badexample.org")
    assert not aligned("org", "example.org")
    assert not aligned("", "example.org")
    assert not aligned("example.org", "")


@pytest.mark.parametrize("name", ["two words.pem", "a;b.pem", "-a.pem", "a..b.pem", "ü.pem"])
def test_a_file_name_that_is_no_selector_is_refused(
    tmp_path: Path, rsa: RSAPrivateKey, name: str
) -> None:
    signer = DkimSigner(DOMAIN, write_key(tmp_path / name, rsa))

    with pytest.raises(AccountProblem, match="no DKIM selector"):
        signer.sign(campaign_message())


@pytest.mark.parametrize("domain", ["", "a b.example", "a.example; l=0", "a..example", "-ü-\n"])
def test_what_is_no_domain_is_refused(tmp_path: Path, domain: str) -> None:
    with pytest.raises(AccountProblem, match="is no domain"):
        DkimSigner(domain, tmp_path / "s1.pem")


# Many threads


def test_eight_threads_sign_at_the_same_time(signer: DkimSigner) -> None:
    messages = [campaign_message(f"Text {number}  \n") for number in range(50)]

    def fifty(_: int) -> list[bytes]:
        return [signer.sign(message) + message for message in messages]

    with ThreadPoolExecutor(8) as pool:
        signed = [one for batch in pool.map(fifty, range(8)) for one in batch]

    assert len(signed) == 400
    assert all(verifies(message, signer) for message in signed)
