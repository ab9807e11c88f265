"""The composition root: builds clock, database, keys and provider from the settings, once, lazily.

Commands ask it for what they need; nothing is opened that a command does not use.
"""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from newsletter.audience.eligibility import Recipient
    from newsletter.audience.keys import Keys
    from newsletter.audience.lists import MailingList
    from newsletter.audience.tokens import TokenSigner
    from newsletter.clock import Clock
    from newsletter.delivery.bounce_classes import BounceTable
    from newsletter.delivery.limits import Limits
    from newsletter.delivery.preparing import ArchiveUrl, Prepared
    from newsletter.delivery.sender import Progress, Sender
    from newsletter.feedback.applying import Applier
    from newsletter.providers.base import Provider
    from newsletter.rendering.content import ListIdentity
    from newsletter.settings import Settings
    from newsletter.storage.database import Database


class Workspace:
    """Everything one command works with; closed when the command ends."""

    def __init__(
        self, *, config: Path | None = None, log_level: str = "warning", log_json: bool = False
    ) -> None:
        self._config = config
        self._log = (log_level, log_json)

    @cached_property
    def settings(self) -> Settings:
        """The checked settings."""
        from newsletter.errors import UsageError
        from newsletter.logs import configure_logs
        from newsletter.settings import load_settings

        level, as_json = self._log
        if level.lower() not in ("debug", "info", "warning", "error"):
            raise UsageError(
                f"unknown log level '{level}'", fix="use debug, info, warning or error"
            )
        configure_logs(level=level, as_json=as_json)
        return load_settings(self._config)

    @cached_property
    def clock(self) -> Clock:
        """The machine's clock."""
        from newsletter.clock import SystemClock

        return SystemClock()

    @cached_property
    def database(self) -> Database:
        """The open database, at the schema of this program."""
        from newsletter.cli.console import say
        from newsletter.storage.database import open_database
        from newsletter.storage.schema import ensure_schema

        database = open_database(self.settings.database.url, root=self.settings.root)
        saved = ensure_schema(database, self.clock)
        if saved is not None:
            say(f"the database was upgraded; its backup is {saved}")
        return database

    @cached_property
    def keys(self) -> Keys:
        """The signing and suppression keys, checked against the database."""
        from newsletter.audience.keys import check_suppression_key, load_keys

        keys = load_keys(self.settings.path(self.settings.web.secret_key_file))
        check_suppression_key(self.database, keys)
        return keys

    @cached_property
    def signer(self) -> TokenSigner:
        """What signs the links of each message."""
        from newsletter.audience.tokens import TokenSigner

        return TokenSigner(self.keys)

    @cached_property
    def provider(self) -> Provider:
        """The configured provider; opens no connection yet."""
        from newsletter.providers.factory import build_provider

        return build_provider(self.settings, self.clock)

    @property
    def actor(self) -> str:
        """Who acts, for the audit log."""
        try:
            return f"cli:{getpass.getuser()}"
        except (KeyError, OSError):
            return "cli"

    def mailing_list(self, name: str) -> MailingList:
        """Return a list by name; raises `AudienceError` with a suggestion."""
        from newsletter.audience.lists import get_list

        with self.database.read() as connection:
            return get_list(connection, name)

    def prepare(
        self,
        reference: str,
        list_name: str | None,
        *,
        segment: str | None = None,
        listed: bool = True,
    ) -> Prepared:
        """Find, parse, check and render a digest, for a list and its readers when one is named.

        With `segment` its readers alone count. `listed` is whether its public page will stand in
        the archive.
        """
        from newsletter.audience.segments import named_filter
        from newsletter.delivery.preflight import prepare_for_list
        from newsletter.delivery.preparing import prepare
        from newsletter.digest.library import find_digest

        path = find_digest(reference, self.settings.path(self.settings.newsletter.digests))
        if list_name is None:
            return prepare(path, self.settings, None, ())
        mailing_list = self.mailing_list(list_name)
        page = self.archive_url(mailing_list, listed=listed)
        now, zone = self.clock.now(), self.settings.newsletter.timezone
        with self.database.read() as connection:
            among = named_filter(connection, segment, mailing_list, now, default_zone=zone)
            return prepare_for_list(
                connection, path, self.settings, mailing_list, among=among, archive_url=page
            )

    def archive_url(self, mailing_list: MailingList, *, listed: bool = True) -> ArchiveUrl:
        """Return what makes the address of a digest's public page; without keys there is none."""
        from newsletter.delivery.archive_addresses import archive_url
        from newsletter.errors import ConfigurationError

        try:
            keys = self.keys
        except ConfigurationError:
            # A check goes on without; what sends asks for the keys itself and is refused.
            return lambda _slug: None
        base_url = self.settings.newsletter.base_url
        return lambda slug: archive_url(base_url, keys, mailing_list, slug, listed=listed)

    def sender(self, list_id: int, progress: Progress | None = None) -> Sender:
        """Build the sender of this process for campaigns of a list."""
        from newsletter.audience.links import personal_links
        from newsletter.delivery.return_paths import ReturnPaths
        from newsletter.delivery.sender import Sender

        delivery = self.settings.delivery

        def links(identity: ListIdentity, recipient: Recipient) -> dict[str, str]:
            return personal_links(
                self.signer, identity.base_url, recipient.subscriber, list_id, recipient.epoch
            )

        return Sender(
            database=self.database,
            provider=self.provider,
            keys=self.keys,
            clock=self.clock,
            links=links,
            flights=self.flights,
            batch_size=delivery.batch_size,
            lease=delivery.lease,
            return_path=ReturnPaths(self.keys, self.settings.sender.bounce_domain).of,
            limits=self.limits,
            progress=progress,
        )

    @cached_property
    def limits(self) -> Limits:
        """What slows a send down on purpose."""
        from newsletter.delivery.limits import open_limits

        return open_limits(self.settings, self.database)

    @cached_property
    def bounce_table(self) -> BounceTable:
        """What refusals mean: the operator's rows, then the built-in ones."""
        from newsletter.delivery.bounce_classes import bounce_table

        return bounce_table(self.settings.feedback.rules)

    @cached_property
    def applier(self) -> Applier:
        """What applies the events that came back."""
        from newsletter.feedback.applying import Applier

        return Applier(
            self.database,
            self.keys,
            self.clock,
            self.settings,
            classify=self.bounce_table.classify,
        )

    def forget_mail(self, names: Sequence[str]) -> None:
        """Delete kept mail that speaks of somebody who was erased."""
        from newsletter.feedback.kept_mail import forget_mail_of

        forget_mail_of(self.settings.path(self.settings.feedback.kept_mail), names)

    @property
    def flights(self) -> Path:
        """Where flight logs are kept: beside an embedded database, else in the workspace."""
        path = self.database.path
        return path.with_name(path.name + ".flights") if path else self.settings.root / ".flights"

    def close(self) -> None:
        """End what was opened."""
        for name in ("provider", "database"):
            if (opened := self.__dict__.get(name)) is not None:
                opened.close()
