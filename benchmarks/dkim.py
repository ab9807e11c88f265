"""DKIM signatures: what each step costs, against dkimpy as it is and with native RSA, by threads.

python -m benchmarks.dkim
"""

from __future__ import annotations

import base64
import hashlib
import random
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.fakes.mailings import a_mailing, an_envelope

from newsletter.clock import SystemClock
from newsletter.providers.dkim import DkimSigner, canonical_body
from newsletter.rendering.mime import MessageTemplate

DOMAIN = "news.example.org"
ROUNDS = 7
MESSAGES_BY_THREADS = 1600


def a_message() -> bytes:
    """A message of some 45 kB: long paragraphs in quoted-printable, some words not ASCII."""
    chance = random.Random(1)
    words = [
        "".join(chance.choices("abcdefghijklmnop", k=chance.randint(2, 10))) for _ in range(99)
    ]
    paragraphs = (" ".join([*chance.choices(words, k=104), "naïve – Ω"]) for _ in range(53))
    mailing = a_mailing(text="\n\n".join(paragraphs))
    envelope = an_envelope()
    return MessageTemplate(mailing.content, mailing.identity, campaign=7, salt="s").build(
        subscriber=1,
        address=envelope.address,
        name=envelope.name,
        values=envelope.values,
        at=SystemClock().now(),
    )


def microseconds(act: Callable[[], object], times: int) -> float:
    """The median of several rounds, for one act."""

    def one_round() -> float:
        start = time.perf_counter()
        for _ in range(times):
            act()
        return (time.perf_counter() - start) / times * 1e6

    return median(one_round() for _ in range(ROUNDS))


def a_second(act: Callable[[], object], threads: int) -> float:
    """How many acts a second several threads do together."""
    share = MESSAGES_BY_THREADS // threads

    def work() -> None:
        for _ in range(share):
            act()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return share * threads / (time.perf_counter() - start)


def with_library(message: bytes, key: RSAPrivateKey) -> None:
    """dkimpy's parsing, canonicalisation and header hash; only the RSA operation is native."""
    import dkim as dkimpy
    from dkim.canonicalization import CanonicalizationPolicy

    class Collect:
        name = "sha256"

        def __init__(self) -> None:
            self.data: list[bytes] = []

        def update(self, data: bytes) -> None:
            self.data.append(data)

    policy = CanonicalizationPolicy.from_c_value(b"relaxed/relaxed")
    signer = dkimpy.DKIM(message)
    names = [name.lower() for name in signer.default_sign_headers()]
    body_hash = base64.b64encode(hashlib.sha256(policy.canonicalize_body(signer.body)).digest())
    value = b"v=1; a=rsa-sha256; c=relaxed/relaxed; d=news.example.org; s=s; h=" + b":".join(names)
    value = dkimpy.fold(value + b"; bh=" + body_hash + b"; b=", namelen=14)
    collected = Collect()
    headers = policy.canonicalize_headers(signer.headers)
    dkimpy.hash_headers(collected, policy, headers, names, (b"DKIM-Signature", value), {})
    signature = key.sign(b"".join(collected.data), PKCS1v15(), SHA256())
    dkimpy.fold(value + base64.b64encode(signature), namelen=14)


def dkim() -> None:
    """Print the lines of the table."""
    import dkim as dkimpy

    message = a_message()
    body = message.partition(b"\r\n\r\n")[2]
    key = generate_private_key(65537, 2048)
    with tempfile.TemporaryDirectory() as folder:
        file = _written(Path(folder) / "rsa.pem", key)
        signer = DkimSigner(DOMAIN, file)
        small = DkimSigner(DOMAIN, _written(Path(folder) / "ed.pem", Ed25519PrivateKey.generate()))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())

        def all_of_dkimpy() -> None:
            both = (b"relaxed", b"relaxed")
            dkimpy.sign(message, b"s", DOMAIN.encode(), pem, canonicalize=both)

        ours = microseconds(lambda: signer.sign(message), 50)
        library = microseconds(lambda: with_library(message, key), 20)
        print(f"dkim, message of {len(message) / 1000:.0f} kB:")
        for name, spent in (
            ("body to relaxed form", microseconds(lambda: canonical_body(body), 500)),
            ("SHA-256 of the body", microseconds(lambda: hashlib.sha256(body).digest(), 500)),
            ("RSA-2048", microseconds(lambda: key.sign(b"x" * 900, PKCS1v15(), SHA256()), 50)),
            ("all, RSA-2048", ours),
            ("all, Ed25519", microseconds(lambda: small.sign(message), 200)),
            ("dkimpy with native RSA", library),
            ("dkimpy as it is", microseconds(all_of_dkimpy, 3)),
        ):
            print(f"  {name:<26} {spent:8,.0f} µs")
        print(f"  dkimpy with native RSA     {library / ours:8.1f} × our time")
        for threads in (1, 2, 4):
            rate = a_second(lambda: signer.sign(message), threads)
            print(f"  RSA-2048, {threads} threads        {rate:8,.0f} messages/s")


def _written(file: Path, key: RSAPrivateKey | Ed25519PrivateKey) -> Path:
    file.touch(mode=0o600)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


if __name__ == "__main__":
    dkim()
