"""What the HTML uses that important mail clients lack, by caniemail.com's data (B1)."""

from __future__ import annotations

from newsletter.digest.model import Finding
from newsletter.rendering.checks.client_data import OUTLOOK_CLASSIC, client_names, load_client_data
from newsletter.rendering.checks.client_features import features_used
from newsletter.rendering.checks.client_harmless import HARMLESS
from newsletter.rendering.checks.codes import found
from newsletter.rendering.checks.page import Page
from newsletter.rendering.checks.structure import REFUSED

# These have a finding of their own, which says more.
_TOLD_ELSEWHERE = frozenset(
    {"css-at-import", "css-at-font-face", "css-background-image", "html-background"}
    | {f"html-{tag}" for tag in REFUSED}
)


def check_clients(page: Page) -> list[Finding]:
    """Return the features that some important client lacks and that are not known as harmless."""
    data = load_client_data()
    findings = []
    for slug, use in sorted(features_used(page).items()):
        feature = data.features.get(slug)
        if feature is None or slug in HARMLESS or slug in _TOLD_ELSEWHERE:
            continue
        lacking = [c for c in feature.lacking if use.in_outlook or c != OUTLOOK_CLASSIC]
        if lacking:
            findings.append(
                found(
                    "client-lacks-feature",
                    f"{page.quote(use.shown, 70)}: {feature.title} is not known to "
                    f"{client_names(lacking)}",
                    "take it out, or write what holds there before it; "
                    f"see caniemail.com/features/{slug}",
                )
            )
    return findings
