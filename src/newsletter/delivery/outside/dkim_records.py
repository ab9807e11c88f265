"""Reads the records that publish DKIM keys (RFC 6376 §3.6.1, RFC 8463); asks nobody."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)


@dataclass(frozen=True, slots=True)
class DkimRecord:
    """A published key: `key` is it in one form that can be compared; `problem` voids it."""

    kind: str = "rsa"
    bits: int = 0
    key: bytes = b""
    testing: bool = False
    problem: str | None = None


def read_tags(text: str) -> dict[str, str] | None:
    """Return the `name=value` pairs of a record, names in lower case; None when it has no form."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        name = name.strip().lower()
        if not equals or not name or name in tags:
            return None
        tags[name] = value.strip()
    return tags


def is_dkim(text: str) -> bool:
    """Return whether a TXT record under `_domainkey` publishes a key, well or badly."""
    tags = read_tags(text)
    return tags is None or "p" in tags or tags.get("v", "").upper() == "DKIM1"


def read_dkim(text: str) -> DkimRecord:
    """Read one record; whatever is wrong with it is its `problem`."""
    tags = read_tags(text)
    if tags is None:
        return DkimRecord(problem="it is not of the form 'v=DKIM1; k=rsa; p=…'")
    if tags.get("v", "DKIM1") != "DKIM1":
        return DkimRecord(problem=f"its version is {tags['v'][:20]!r} instead of DKIM1")
    kind = tags.get("k", "rsa").lower()
    packed = re.sub(r"\s", "", tags.get("p", ""))
    if not packed:
        return DkimRecord(kind, problem="it is revoked: its p= is empty")
    hashes = [name.strip().lower() for name in tags.get("h", "sha256").split(":")]
    services = [name.strip().lower() for name in tags.get("s", "*").split(":")]
    if "sha256" not in hashes:
        return DkimRecord(kind, problem="its h= does not allow sha256, with which we sign")
    if not {"*", "email"} & set(services):
        return DkimRecord(kind, problem="its s= does not allow email")
    testing = "y" in [flag.strip().lower() for flag in tags.get("t", "").split(":")]
    try:
        raw = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        return DkimRecord(kind, problem="its p= is not base64: perhaps a part of it is missing")
    return _read_key(kind, raw, testing=testing)


def _read_key(kind: str, raw: bytes, *, testing: bool) -> DkimRecord:
    if kind == "ed25519":
        if len(raw) != 32:
            return DkimRecord(kind, problem="its p= is no Ed25519 key of 32 bytes")
        key = Ed25519PublicKey.from_public_bytes(raw)
        return DkimRecord(kind, 256, key.public_bytes_raw(), testing)
    if kind != "rsa":
        return DkimRecord(kind, problem=f"its kind of key {kind[:20]!r} is not known")
    try:
        public = load_der_public_key(raw)
    except (ValueError, UnsupportedAlgorithm):
        return DkimRecord(kind, problem="its p= is no RSA key: perhaps a part of it is missing")
    if not isinstance(public, RSAPublicKey):
        return DkimRecord(kind, problem="its p= holds another kind of key than its k= says")
    packed = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return DkimRecord(kind, public.key_size, packed, testing)
