"""The personal links of a message; their host comes from the settings alone (E6)."""

from __future__ import annotations

from newsletter.audience.tokens import TokenSigner


def personal_links(
    signer: TokenSigner, base_url: str, subscriber: int, list_id: int, epoch: int
) -> dict[str, str]:
    """Return `unsubscribe_url` and `preferences_url` of a subscriber on a list.

    `epoch`: that of the address to which the message goes.
    """
    leaving, preferences = signer.sign_links(subscriber, list_id, epoch)
    return {
        "unsubscribe_url": f"{base_url}/u/{leaving}",
        "preferences_url": f"{base_url}/p/{preferences}",
    }
