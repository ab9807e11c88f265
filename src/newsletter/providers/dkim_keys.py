"""The private key of a DKIM signature: read from its file, renewed when the file changes.

It knows nothing of messages; `dkim` decides what is signed.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from newsletter.clock import Clock
from newsletter.errors import ConfigurationError
from newsletter.providers.base import AccountProblem
from newsletter.settings import read_secret_file

SMALLEST_RSA = 1024
"""Bits below which nobody accepts a signature (RFC 8301 §3.2)."""
ADVISED_RSA = 2048
"""Bits that a signer should use at least (RFC 8301 §3.2)."""
LOOK_EVERY = timedelta(seconds=1)
"""How often the file is looked at, at most."""
GRACE = timedelta(seconds=10)
"""How long the key in hand still signs while its file cannot be used: it may be half written."""

_SELECTOR = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_NEW_KEY = "make one: (umask 077; openssl genrsa -out FILE 2048)"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the name under which its public half stands in DNS."""

    private: RSAPrivateKey | Ed25519PrivateKey
    selector: str

    @property
    def algorithm(self) -> str:
        """The a= tag (RFC 6376 §3.3, RFC 8463 §3)."""
        return "rsa-sha256" if isinstance(self.private, RSAPrivateKey) else "ed25519-sha256"

    @property
    def bits(self) -> int:
        """The size of the key; an Ed25519 key has 256."""
        return self.private.key_size if isinstance(self.private, RSAPrivateKey) else 256

    @property
    def weak(self) -> bool:
        """Whether it still signs but ought to be replaced by a larger one."""
        return isinstance(self.private, RSAPrivateKey) and self.bits < ADVISED_RSA

    def sign(self, data: bytes) -> bytes:
        """Return the signature of the SHA-256 hash of data, as DKIM wants it for this type.

        Native code does the work outside the interpreter's lock: threads sign at the same time.
        """
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(data, PKCS1v15(), SHA256())
        # Ed25519 signs the hash as if it were the message (RFC 8463 §3).
        return self.private.sign(hashlib.sha256(data).digest())

    def public_record(self) -> str:
        """Return what DNS must say of it (RFC 6376 §3.6.1, RFC 8463 §4)."""
        public = self.private.public_key()
        if isinstance(self.private, RSAPrivateKey):
            kind = "rsa"
            data = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            kind, data = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k={kind}; p={base64.b64encode(data).decode('ascii')}"


class KeyFile:
    """Gives the key in a file as it is now; called from several threads at once.

    The file may be a symbolic link: the selector, unless given, is the name of the file it leads
    to without its suffix, so that turning the link changes key and selector together.
    """

    def __init__(self, path: Path, selector: str | None, clock: Clock) -> None:
        self._path = path
        self._selector = selector
        self._clock = clock
        self._lock = threading.Lock()
        self._key: SigningKey | None = None
        self._seen: tuple[object, ...] = ()
        self._looked: datetime | None = None
        self._good: datetime | None = None

    def current(self) -> SigningKey:
        """Return the key; raises `AccountProblem` when there is none that can be used."""
        with self._lock:
            now = self._clock.now()
            recent = self._looked is not None and abs(now - self._looked) < LOOK_EVERY
            if self._key is not None and recent:
                return self._key
            try:
                self._key = self._look()
                self._good = now
            except AccountProblem:
                if self._key is None or self._good is None or abs(now - self._good) > GRACE:
                    self._key = None
                    raise
            self._looked = now
            return self._key

    def _look(self) -> SigningKey:
        file = Path(os.path.realpath(self._path))
        seen = _appearance(file)
        if self._key is not None and seen == self._seen:
            return self._key
        key = load_key(file, self._selector)
        self._seen = seen
        return key


def load_key(file: Path, selector: str | None = None) -> SigningKey:
    """Return the key in a PEM file; raises `AccountProblem`, which never holds a part of it.

    Refused are a file that others may read (E9), one that is encrypted or no PEM, a type that DKIM
    does not know, and RSA of less than 1024 bit (RFC 8301 §3.2).
    """
    name = file.stem if selector is None else selector
    if not all(_SELECTOR.fullmatch(label) for label in name.split(".")):
        raise AccountProblem(
            f"{name!r} is no DKIM selector",
            fix="name the key file like 2026b.pem, or set delivery.smtp.dkim_selector",
        )
    # The key's text is bound to no name in a frame that raises: a traceback may show locals.
    private = _read(file)
    if isinstance(private, _Refusal):
        raise AccountProblem(private.problem, fix=private.fix)
    return SigningKey(private, name)


@dataclass(frozen=True, slots=True)
class _Refusal:
    problem: str
    fix: str | None


def _read(file: Path) -> RSAPrivateKey | Ed25519PrivateKey | _Refusal:
    try:
        key = load_pem_private_key(read_secret_file(file).encode("utf-8"), password=None)
    except ConfigurationError as error:
        return _Refusal(f"the DKIM key: {error}", error.fix)
    except TypeError:
        return _Refusal(
            f"{file}: the DKIM key is encrypted",
            "store it without a passphrase, mode 0600: openssl pkey -in FILE -out NEW",
        )
    except UnsupportedAlgorithm:
        return _unknown_type(file)
    except ValueError:
        return _Refusal(f"{file}: holds no private key in PEM", _NEW_KEY)
    if isinstance(key, Ed25519PrivateKey):
        return key
    if not isinstance(key, RSAPrivateKey):
        return _unknown_type(file)
    if key.key_size < SMALLEST_RSA:
        return _Refusal(f"{file}: RSA of {key.key_size} bit is too small for DKIM", _NEW_KEY)
    return key


def _unknown_type(file: Path) -> _Refusal:
    return _Refusal(f"{file}: DKIM signs with RSA or Ed25519, not with this type", _NEW_KEY)


def _appearance(file: Path) -> tuple[object, ...]:
    """Return what changes when a file is replaced, rewritten, or opened to others."""
    try:
        status = file.stat()
    except OSError:
        return ()
    return (file, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode)
