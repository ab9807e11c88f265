"""A real Postfix of a test's own: on loopback, with its own queue, and mailboxes that lie on disk.

It takes mail for anybody and finds out later whether they are there, as a relay does. Nothing
leaves the machine.
"""

from __future__ import annotations

import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAM = shutil.which("postfix") or shutil.which("postfix", path="/usr/sbin:/usr/local/sbin")
OWNER = "postfix"
USER = "nobody"
LONGEST_WAIT = 30.0

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log/mail.log
maillog_file_prefixes = {folder}
myhostname = mx.example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
disable_dns_lookups = yes
default_transport = error:nothing leaves this machine
relay_transport = error:nothing leaves this machine
alias_maps =
alias_database =
biff = no
append_dot_mydomain = no
local_recipient_maps =
smtpd_reject_unlisted_recipient = no
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtputf8_enable = no
virtual_mailbox_base = {folder}/mail
virtual_mailbox_domains = example.org, bounces.example.org, news.example.org
virtual_mailbox_maps = texthash:{folder}/etc/mailboxes
virtual_minimum_uid = 1
virtual_uid_maps = static:{user.pw_uid}
virtual_gid_maps = static:{user.pw_gid}
"""

# No chroot and no second port; otherwise as Debian ships it.
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

_MAILBOXES = """\
reader1@example.org reader1/
reader3@example.org reader3/
@bounces.example.org bounces/
daily@news.example.org daily/
"""


@dataclass(frozen=True)
class Postfix:
    """A running server; `mail` holds a Maildir for each mailbox."""

    port: int
    mail: Path
    log: Path

    def wait_for(self, mailbox: str, count: int) -> list[Path]:
        """Return the new mails of a mailbox once there are so many; fails with the log."""
        give_up = time.monotonic() + LONGEST_WAIT
        while time.monotonic() < give_up:
            found = sorted((self.mail / mailbox / "new").glob("*"))
            if len(found) >= count:
                return found
            time.sleep(0.1)
        pytest.fail(f"{mailbox} did not get {count} mails:\n{self.log.read_text()[-3000:]}")


@contextmanager
def running_postfix() -> Iterator[Postfix]:
    """Start Postfix in a folder of its own, and end it by its own command.

    Skipped with the reason where it is not installed, or where only root may start it.
    """
    if PROGRAM is None:
        pytest.skip("needs a mail server: apt-get install postfix")
    # Its processes are other users: they must be able to walk to their files.
    folder = Path(tempfile.mkdtemp(prefix="newsletter-postfix-"))
    folder.chmod(0o755)
    try:
        user = pwd.getpwnam(USER)
        shutil.chown(folder, "root", "root")
        for name in ("etc", "queue", "data", "log", "mail"):
            (folder / name).mkdir(mode=0o755)
        shutil.chown(folder / "data", OWNER, OWNER)
        shutil.chown(folder / "mail", USER, user.pw_gid)
    except (KeyError, LookupError, PermissionError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"needs to start Postfix as root, with its users ({error})")
    port = _free_port()
    settings = {"folder": folder, "user": user, "port": port}
    (folder / "etc" / "main.cf").write_text(_MAIN.format(**settings))
    (folder / "etc" / "master.cf").write_text(_MASTER.format(**settings))
    (folder / "etc" / "mailboxes").write_text(_MAILBOXES)
    try:
        _postfix(folder, "start")
        _wait_for_port(port)
        yield Postfix(port, folder / "mail", folder / "log" / "mail.log")
    finally:
        _postfix(folder, "stop", check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _postfix(folder: Path, word: str, *, check: bool = True) -> None:
    assert PROGRAM is not None
    done = subprocess.run(
        [PROGRAM, "-c", str(folder / "etc"), word],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    log = folder / "log" / "mail.log"
    said = done.stdout + done.stderr + (log.read_text() if log.exists() else "")
    assert not check or done.returncode == 0, f"postfix {word}: {done.returncode}\n{said}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_port(port: int) -> None:
    give_up = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < give_up:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    pytest.fail("Postfix does not answer")
