"""DKIM: a signature over a message as it goes out, by the sender's own domain (A13, RFC 6376).

relaxed/relaxed canonicalisation is written out here because it stands on the path of every
message: a general library takes several milliseconds for it. The tests verify with one.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from email.utils import getaddresses
from functools import lru_cache
from pathlib import Path

from newsletter.clock import Clock, SystemClock
from newsletter.providers.base import AccountProblem, Health
from newsletter.providers.dkim_keys import ADVISED_RSA, KeyFile, SigningKey
from newsletter.rendering.headers import LINE, a_label

SIGNED_FIELDS = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Id",
    "Reply-To",
    "MIME-Version",
    "Content-Type",
)
"""What is signed where it occurs; the two of RFC 8058 must be (§4)."""
OVERSIGNED_FIELDS = ("From",)
"""Signed once more than they occur: another one added on the way breaks the signature."""

_DOMAIN = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")


class DkimSigner:
    """Signs messages for one domain; safe to call from several threads at once.

    `key_file`: a PEM file of mode 0600 with an RSA or Ed25519 key; it may be replaced while we
    run. `selector`: the key's name in DNS; None: the name of the file that `key_file` leads to,
    without its suffix. Nothing is read before it is needed. Raises `AccountProblem` for what is
    no domain.
    """

    def __init__(
        self,
        domain: str,
        key_file: Path,
        selector: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.domain = _checked_domain(domain)
        self._clock = clock or SystemClock()
        self._key_file = KeyFile(key_file, selector, self._clock)
        # A campaign has one From: it is taken apart once, not for each message.
        self._sender_domain = lru_cache(maxsize=16)(_sender_domain)

    def sign(self, message: bytes) -> bytes:
        """Return the DKIM-Signature field to be put before a message, its line end included.

        `message`: the whole of it with CRLF line ends as it goes out, before dot-stuffing. Raises
        `AccountProblem` when the key cannot be used, and when `domain` is not aligned with the
        message's From.
        """
        head, _, body = message.partition(b"\r\n\r\n")
        fields = _fields(head)
        self._refuse_unaligned(fields.get(b"from", ()))
        key = self._key_file.current()
        names = list(_names_to_sign(fields))
        unsigned = self._unsigned(key, names, hashlib.sha256(canonical_body(body)).digest())
        signature = key.sign(_signed_data(fields, names, unsigned))
        return unsigned + _in_lines(base64.b64encode(signature)) + b"\r\n"

    def public_record(self) -> str:
        """Return the TXT value that DNS must have under `record_name`.

        A zone file takes strings of at most 255 characters: a longer value is cut into several.
        Raises `AccountProblem` when the key cannot be used.
        """
        return self._key_file.current().public_record()

    @property
    def record_name(self) -> str:
        """The name of the TXT record; raises `AccountProblem` when the key cannot be used."""
        return f"{self._key_file.current().selector}._domainkey.{self.domain}"

    def health(self) -> list[Health]:
        """Look at the key; DNS is not asked."""
        try:
            key = self._key_file.current()
        except AccountProblem as problem:
            return [Health("dkim", ok=False, detail=problem.problem, fix=problem.fix)]
        name = f"{key.selector}._domainkey.{self.domain}"
        if key.weak:
            detail = f"the RSA key of {name} has {key.bits} bit, fewer than {ADVISED_RSA}"
            return [Health("dkim", ok=False, detail=detail, fix="publish and use a larger one")]
        published = f"{name} must hold TXT {self.public_record()}"
        return [Health("dkim", ok=True, detail=f"{key.algorithm}, {key.bits} bit; {published}")]

    def _refuse_unaligned(self, senders: Sequence[bytes]) -> None:
        domain = self._sender_domain(tuple(senders))
        if domain is None or not aligned(self.domain, domain):
            raise AccountProblem(
                f"a DKIM signature of {self.domain} does not stand for mail from "
                f"{domain or 'a From that is not one address'}",
                fix="set delivery.smtp.dkim_domain to the domain of the sender's address",
            )

    def _unsigned(self, key: SigningKey, names: list[str], body_hash: bytes) -> bytes:
        """Return the field up to its empty b= tag, which is what is signed of it (§3.7)."""
        now = int(self._clock.now().timestamp())
        first, *others, last = names
        tags = (
            f" v=1; a={key.algorithm}; c=relaxed/relaxed; t={now};",
            f" d={self.domain};",
            f" s={key.selector};",
            f" h={first}:",
            *(f"{name}:" for name in others),
            f"{last};",
            f" bh={base64.b64encode(body_hash).decode('ascii')};",
        )
        return f"{_folded('DKIM-Signature:', tags)}\r\n b=".encode("ascii")


def aligned(domain: str, from_domain: str) -> bool:
    """Return whether a signature of `domain` stands for mail from `from_domain` (A13).

    It does for the domain itself and for everything below it; a top-level domain stands for none.
    """
    try:
        signer, sender = _comparable(domain), _comparable(from_domain)
    except ValueError:
        return False
    return bool(signer) and (sender == signer or ("." in signer and sender.endswith(f".{signer}")))


def canonical_body(body: bytes) -> bytes:
    """Return a body in relaxed form (RFC 6376 §3.4.4), by passes of native code only.

    A last line without its end gets one, as it does on the wire.
    """
    text = _single_spaced(body if body.endswith(b"\r\n") else body + b"\r\n")
    if b" \r\n" in text:
        text = text.replace(b" \r\n", b"\r\n")
    end = len(text)
    while text.endswith(b"\r\n", 0, end):
        end -= 2
    return text[: end + 2] if end else b""


def _fields(head: bytes) -> Mapping[bytes, list[bytes]]:
    """Return the values under their field's name in lower case, from top to bottom."""
    found: dict[bytes, list[bytes]] = {}
    unfolded = head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    for line in unfolded.split(b"\r\n"):
        name, _, value = line.partition(b":")
        found.setdefault(name.rstrip(b" \t").lower(), []).append(value)
    return found


def _names_to_sign(fields: Mapping[bytes, Sequence[bytes]]) -> Iterable[str]:
    for name in SIGNED_FIELDS:
        count = len(fields.get(name.lower().encode("ascii"), ()))
        yield from [name] * (count + (name in OVERSIGNED_FIELDS))


def _signed_data(
    fields: Mapping[bytes, Sequence[bytes]], names: Iterable[str], unsigned: bytes
) -> bytes:
    """Return the header's fields in relaxed form, and the signature's own last (§3.4.2, §3.7).

    Fields of one name are taken from the bottom up; a name left over stands for nothing (§5.4.2).
    """
    data = []
    left = {name: list(values) for name, values in fields.items()}
    for name in names:
        lower = name.lower().encode("ascii")
        if left.get(lower):
            data.append(lower + b":" + _canonical_value(left[lower].pop()) + b"\r\n")
    _, _, value = unsigned.replace(b"\r\n", b"").partition(b":")
    return b"".join(data) + b"dkim-signature:" + _canonical_value(value)


def _canonical_value(value: bytes) -> bytes:
    return _single_spaced(value).strip(b" ")


def _single_spaced(text: bytes) -> bytes:
    """Make one space of each run of spaces and tabs."""
    if b"\t" in text:
        text = text.replace(b"\t", b" ")
    # A pass halves each run, so even a line of nothing but spaces takes few.
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


def _folded(start: str, pieces: Iterable[str]) -> str:
    """Join pieces in lines of at most `LINE` characters; a longer one gets a line of its own."""
    lines = [start]
    for piece in pieces:
        if len(lines[-1]) + len(piece) > LINE:
            lines.append(f" {piece.lstrip(' ')}")
        else:
            lines[-1] += piece
    return "\r\n".join(lines)


def _in_lines(signature: bytes) -> bytes:
    """Cut a signature so that each line is within `LINE`, the first behind its tag."""
    size = LINE - len(" b=")
    return b"\r\n ".join(signature[at : at + size] for at in range(0, len(signature), size))


def _sender_domain(senders: Sequence[bytes]) -> str | None:
    """Return the domain of the one address of the one From; None for anything else."""
    if len(senders) != 1:
        return None
    addresses = getaddresses([senders[0].decode("utf-8", "replace")])
    if len(addresses) != 1:
        return None
    _, at, domain = addresses[0][1].rpartition("@")
    return domain.lower() if at else None


def _checked_domain(domain: str) -> str:
    try:
        name = _comparable(domain)
    except ValueError:
        name = ""
    if not _DOMAIN.fullmatch(name):
        raise AccountProblem(f"{domain!r} is no domain", fix="correct delivery.smtp.dkim_domain")
    return name


def _comparable(domain: str) -> str:
    return a_label(domain.strip().rstrip("."))
