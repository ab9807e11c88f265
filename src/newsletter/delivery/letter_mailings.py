"""What a claimed letter becomes for the provider: a mailing, an envelope, and the links in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from sqlalchemy import select

from newsletter.audience.keys import Keys
from newsletter.audience.letters import LetterKind
from newsletter.audience.lists import MailingList
from newsletter.audience.tokens import Purpose, TokenSigner
from newsletter.delivery.letter_claims import ClaimedLetter
from newsletter.delivery.preparing import list_identity, refuse_unsafe_settings
from newsletter.delivery.proofs import NO_CAMPAIGN
from newsletter.delivery.return_paths import ReturnPaths
from newsletter.logs import mask_address
from newsletter.providers.base import Envelope, Mailing
from newsletter.rendering.content import ACTION_URL, PREFERENCES_URL, UNSUBSCRIBE_URL
from newsletter.rendering.letter_words import LetterForm, speaks
from newsletter.rendering.letters import NEW_ADDRESS, UNTIL, format_until, render_letter
from newsletter.rendering.theme import theme_of
from newsletter.settings import Settings
from newsletter.storage.database import Database
from newsletter.storage.tables import installation


@dataclass(slots=True)
class LetterMaker:
    """Makes mailings and envelopes of letters; each kind, list and language is rendered once."""

    database: Database
    keys: Keys
    signer: TokenSigner
    settings: Settings
    _made: dict[tuple[LetterKind, MailingList, str | None], Mailing] = field(default_factory=dict)

    def mailing(self, letter: ClaimedLetter) -> Mailing:
        """Return what all letters of a kind, list and language share.

        Raises `ConfigurationError` for settings with which nothing may leave, and `TemplateError`.
        """
        language = letter.language if letter.language and speaks(letter.language) else None
        key = (letter.kind, letter.mailing_list, language)
        if key not in self._made:
            identity = list_identity(self.settings, letter.mailing_list)
            refuse_unsafe_settings(self.settings, identity)
            content = render_letter(
                LetterForm(letter.kind.value),
                identity,
                templates=self.settings.path(self.settings.newsletter.templates),
                language=language,
                theme=theme_of(self.settings.theme),
            )
            self._made[key] = Mailing(
                NO_CAMPAIGN, content, identity, self._salt(), transactional=True
            )
        return self._made[key]

    def envelope(self, letter: ClaimedLetter) -> Envelope:
        """Return the one message of a letter; without a name, for a stranger may have chosen it."""
        mailing = self.mailing(letter)
        identity, language = mailing.identity, mailing.content.language
        values = {
            **letter_links(self.signer, identity.base_url, letter),
            UNTIL: format_until(letter.expires_at, identity.timezone, language),
            NEW_ADDRESS: mask_address(letter.reader_address),
        }
        bounces = ReturnPaths(self.keys, self.settings.sender.bounce_domain)
        return Envelope(letter.delivery, letter.address, "", values, bounces.of(letter.delivery))

    def _salt(self) -> str:
        """Return the part of a Message-ID that is this installation's for good (A2)."""
        with self.database.read() as connection:
            own = connection.execute(select(installation.c.installation_id)).scalar_one()
        return hashlib.sha256(f"letters of {own}".encode()).hexdigest()[:16]


def letter_links(signer: TokenSigner, base_url: str, letter: ClaimedLetter) -> dict[str, str]:
    """Return the links that a letter of this kind carries; no others are signed for it (C5)."""
    who = (letter.subscriber, letter.mailing_list.id)
    match letter.kind:
        case LetterKind.CONFIRM:
            return {ACTION_URL: f"{base_url}/c/{signer.sign(Purpose.CONFIRM, *who, letter.id)}"}
        case LetterKind.NEW_ADDRESS:
            token = signer.sign(Purpose.NEW_ADDRESS, *who, letter.id)
            return {ACTION_URL: f"{base_url}/n/{token}"}
        case LetterKind.MANAGE:
            return {ACTION_URL: f"{base_url}/m/{signer.sign(Purpose.MANAGE, *who, letter.id)}"}
        case LetterKind.ALREADY:
            leaving, preferences = signer.sign_links(*who, letter.epoch)
            return {
                PREFERENCES_URL: f"{base_url}/p/{preferences}",
                UNSUBSCRIBE_URL: f"{base_url}/u/{leaving}",
            }
        case LetterKind.MOVED:
            # Whoever reads at the old address may be somebody else by now.
            return {}
