"""A real IMAP server for tests: Debian's Dovecot on loopback, with mailboxes that lie on disk.

Also a proxy that cuts connections, for what a network does.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.fakes.certificates import make_certificates

PROGRAM = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin")
PASSWORD = 's3cret pass "word" ö'
USERS = 40

_CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{folder}/server-localhost.pem
ssl_key = <{folder}/server-localhost.pem
auth_failure_delay = 0
mail_location = maildir:~/Maildir
first_valid_uid = 1
first_valid_gid = 1
mail_max_userip_connections = 50
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = uid={owner.pw_uid} gid={owner.pw_gid} home={folder}/home/%u
}}
namespace inbox {{
  inbox = yes
  prefix = {prefix}
  separator = {separator}
}}
service imap-login {{
  inet_listener imap {{
    port = {plain}
  }}
  inet_listener imaps {{
    port = {tls}
    ssl = yes
  }}
}}
# Refused logins are part of the tests: no growing wait after them.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
{more}
"""
_ROOTLESS = """\
default_internal_user = {name}
default_login_user = {name}
default_internal_group = {group}
service imap-login {{
  chroot =
}}
service anvil {{
  chroot =
}}
"""


@dataclass
class Box:
    """One user's mailbox: what lies in its folders, and a way to deliver into it."""

    user: str
    maildir: Path
    owner: pwd.struct_passwd
    _count: int = field(default=0)

    def deliver(self, *mails: bytes) -> None:
        """Put mails down as a mail server does: complete, then in `new`."""
        for folder in (self.maildir, *(self.maildir / name for name in ("tmp", "new", "cur"))):
            if not folder.is_dir():
                folder.mkdir()
                self._give(folder)
        for mail in mails:
            self._count += 1
            place = self.maildir / "tmp" / f"{time.time_ns()}.M{self._count:06}.test"
            place.write_bytes(mail)
            self._give(place)
            place.rename(self.maildir / "new" / place.name)

    def mails(self, folder: str = "") -> list[bytes]:
        """Return the mails of a folder, in the order they were delivered; "": the INBOX."""
        place = self.maildir / f".{folder}" if folder else self.maildir
        files = [*(place / "new").glob("*"), *(place / "cur").glob("*")]
        return [file.read_bytes() for file in sorted(files, key=lambda file: file.name)]

    def has(self, folder: str) -> bool:
        """Return whether a folder exists."""
        return (self.maildir / f".{folder}").is_dir()

    def _give(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, self.owner.pw_uid, self.owner.pw_gid)


@dataclass
class Dovecot:
    """A running server; each test takes a user of its own."""

    folder: Path
    plain_port: int
    tls_port: int
    ca_file: Path
    owner: pwd.struct_passwd
    _used: int = 0

    def box(self) -> Box:
        """Return the mailbox of a user nobody has used."""
        self._used += 1
        user = f"bounces{self._used}"
        home = self.folder / "home" / user
        home.mkdir()
        box = Box(user, home / "Maildir", self.owner)
        box._give(home)
        box.deliver()
        return box


@contextmanager
def a_dovecot(*, prefix: str = "", separator: str = "/", more: str = "") -> Iterator[Dovecot]:
    """Run a server; skips the test, with the command that installs it, where there is none."""
    if PROGRAM is None:
        pytest.skip("needs an IMAP server: apt-get install dovecot-imapd")
    root = os.geteuid() == 0
    owner = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.geteuid())
    # Short, for sockets lie in it, and open to the users it serves, unlike the tests' own folders.
    folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
    try:
        folder.chmod(0o755)
        (folder / "home").mkdir()
        certificates = make_certificates(folder)
        users = "".join(f"bounces{n}:{{PLAIN}}{PASSWORD}\n" for n in range(1, USERS + 1))
        (folder / "users").write_text(users, encoding="utf-8")
        plain, tls = _free_ports(2)
        if not root:
            more += _ROOTLESS.format(name=owner.pw_name, group=owner.pw_gid)
        config = folder / "dovecot.conf"
        config.write_text(
            _CONFIG.format(
                folder=folder,
                owner=owner,
                plain=plain,
                tls=tls,
                prefix=prefix,
                separator=separator,
                more=more,
            ),
            encoding="utf-8",
        )
        with _running(config, folder, plain):
            yield Dovecot(folder, plain, tls, certificates.ca_file, owner)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(config: Path, folder: Path, port: int) -> Iterator[None]:
    with (folder / "output").open("wb") as output:
        master = subprocess.Popen(
            [str(PROGRAM), "-F", "-c", str(config)], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if master.poll() is not None:
                break
            time.sleep(0.05)
        if master.poll() is not None:
            log = folder / "dovecot.log"
            told = (folder / "output").read_text() + (log.read_text() if log.exists() else "")
            raise AssertionError(f"dovecot did not start: {told}")
        yield
    finally:
        master.terminate()
        master.wait(20)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Proxy:
    """Passes bytes on to a port; breaks a connection off once so many bytes came back."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.break_after: int | None = None
        self.away = False
        self.connections = 0
        self.came_back = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection off."""
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Take no more connections, and break off those there are."""
        # A thread waits in `accept`: closing alone would let it take one more.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
                if self.away:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self.connections += 1
            self._open += [client, server]
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        back = self._open.index(source) % 2 == 1
        with suppress(OSError):
            while piece := source.recv(16384):
                if back:
                    self.came_back += len(piece)
                    if self.break_after is not None and self.came_back > self.break_after:
                        self.break_after = None
                        break
                sink.sendall(piece)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
