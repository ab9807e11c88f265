"""The key file outside the database: what signs links, and what hashes suppressed addresses.

Old signing keys verify, the newest signs; the suppression key never changes (E10).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sqlalchemy import select, update

from newsletter.errors import ConfigurationError, Place
from newsletter.private_files import open_private
from newsletter.settings import read_secret_file
from newsletter.storage.database import Database
from newsletter.storage.tables import installation

_HEADER = """\
# Keys of this newsletter. Back this file up, apart from the database: without it nobody can tell
# who is suppressed, and links already sent stop working. Never shorten it.
"""
_LINE = re.compile(r"(signing|suppression): ([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Keys:
    """`signing`: hex keys, the oldest first. `suppression`: 32 bytes."""

    signing: tuple[str, ...]
    suppression: bytes

    def __repr__(self) -> str:
        return "Keys(…)"

    def hash_address(self, address_key: str) -> str:
        """Return the suppression key of an address: HMAC-SHA-256 in hex (E10)."""
        mac = _begun(self.suppression).copy()
        mac.update(address_key.encode())
        return mac.hexdigest()


@lru_cache(maxsize=4)
def _begun(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod="sha256")


def create_keys(path: Path) -> None:
    """Write a new key file, readable by its owner alone; never over an existing one."""
    lines = f"{_HEADER}signing: {secrets.token_hex(32)}\nsuppression: {secrets.token_hex(32)}\n"
    file = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    with os.fdopen(file, "w", encoding="ascii") as opened:
        opened.write(lines)


def load_keys(path: Path) -> Keys:
    """Read the key file; raises `ConfigurationError` when missing, open to others or broken."""
    if not path.exists():
        raise ConfigurationError(
            "the key file is missing",
            where=Place(path),
            fix="restore it from your backup; for a new newsletter: newsletter init",
        )
    found: dict[str, list[str]] = {"signing": [], "suppression": []}
    for number, line in enumerate(read_secret_file(path).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ConfigurationError(
                "this line is no key", where=Place(path, number), fix="restore the file"
            )
        found[match[1]].append(match[2])
    if not found["signing"] or len(found["suppression"]) != 1:
        raise ConfigurationError(
            "the key file needs a signing key and exactly one suppression key",
            where=Place(path),
            fix="restore it from your backup",
        )
    return Keys(tuple(found["signing"]), bytes.fromhex(found["suppression"][0]))


def rotate_signing_key(path: Path) -> None:
    """Append a new signing key; what older ones signed keeps working (C5)."""
    load_keys(path)
    with path.open("a", encoding="ascii") as file:
        file.write(f"signing: {secrets.token_hex(32)}\n")


def check_suppression_key(database: Database, keys: Keys) -> None:
    """Hold the key file against the database, which keeps a check value of its first use.

    Raises `ConfigurationError` for another key: with it, suppressed people would get mail.
    """
    value = hmac.digest(keys.suppression, b"newsletter suppression check", hashlib.sha256).hex()
    with database.read() as connection:
        stored = connection.execute(select(installation.c.suppression_check)).scalar()
    if stored is None:
        with database.write() as connection:
            connection.execute(update(installation).values(suppression_check=value))
    elif not hmac.compare_digest(stored, value):
        raise ConfigurationError(
            "the suppression key is not the one this database was made with",
            fix="restore the key file that belongs to this database; nothing is sent without it",
        )
