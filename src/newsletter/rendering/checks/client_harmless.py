"""Features that some mail clients lack and that an email may use all the same, with the reason.

One table for everybody: what is not in it, is told. A feature belongs here when the mail reads as
well without it, for that is what its readers get there.
"""

from __future__ import annotations

_DECORATION = "decoration: without it the mail looks plainer and reads as well"
_CONDITION = "what stands outside of it holds where it is not known"
_WRAPPING = "lines break a little differently, nothing is lost"
_BOX = "the attributes and the cells around it give the size"
_SPOKEN = "a name for screen readers: without it they read the words that are there"
_WORDS = "the words in it are shown as they are"
_STATE = "a look that only a mouse or a keyboard brings out"

_GROUPS: dict[str, tuple[str, ...]] = {
    _DECORATION: (
        *("css-accent-color", "css-animation", "css-at-keyframes", "css-backdrop-filter"),
        *("css-background-blend-mode", "css-background-clip", "css-background-origin"),
        *("css-background-position", "css-background-repeat", "css-background-size"),
        *("css-border-image", "css-border-radius", "css-border-radius-logical"),
        *("css-border-spacing", "css-box-shadow", "css-caption-side", "css-clip-path"),
        *("css-cursor", "css-empty-cells", "css-filter", "css-font-kerning"),
        *("css-font-size-adjust", "css-font-stretch", "css-list-style-image"),
        *("css-list-style-position", "css-mix-blend-mode", "css-opacity", "css-outline"),
        *("css-outline-offset", "css-resize", "css-scroll-snap", "css-tab-size"),
        *("css-text-decoration-color", "css-text-decoration-line", "css-text-decoration-style"),
        *("css-text-decoration-skip-ink", "css-text-decoration-thickness", "css-text-emphasis"),
        *("css-text-emphasis-position", "css-text-shadow", "css-text-underline-offset"),
        *("css-text-underline-position", "css-transition", "css-user-select"),
        *("css-word-spacing", "css-sytem-ui", "html-target", "html-loading-attribute"),
        *("html-srcset",),
    ),
    _CONDITION: (
        *("css-at-media", "css-at-media-device-pixel-ratio", "css-at-media-hover"),
        *("css-at-media-orientation", "css-at-media-prefers-color-scheme"),
        *("css-at-media-prefers-reduced-motion", "css-at-supports", "css-color-scheme"),
        *("html-meta-color-scheme", "html-style", "html-doctype"),
    ),
    _WRAPPING: (
        *("css-hyphens", "css-hyphenate-character", "css-hyphenate-limit-chars", "css-orphans"),
        *("css-overflow-wrap", "css-text-align-last", "css-text-justify", "css-text-overflow"),
        *("css-text-wrap", "css-white-space", "css-white-space-collapse", "css-widows"),
        *("css-word-break", "css-word-wrap", "css-overflow", "html-wbr"),
    ),
    _BOX: (
        *("css-box-sizing", "css-height", "css-max-height", "css-min-height", "css-min-width"),
        *("css-table-layout", "css-display-none", "css-intrinsic-size", "css-clear"),
    ),
    _SPOKEN: (
        *("html-aria-describedby", "html-aria-hidden", "html-aria-label", "html-aria-labelledby"),
        *("html-aria-live", "html-role", "html-abbr", "html-acronym"),
    ),
    _WORDS: (
        *("html-semantics", "html-bdi", "html-rp", "html-rt", "html-ruby", "html-body"),
        "html-anchor-links",
    ),
    _STATE: (
        *("css-pseudo-class-active", "css-pseudo-class-focus", "css-pseudo-class-hover"),
        *("css-pseudo-class-visited", "css-pseudo-class-link"),
    ),
}

HARMLESS: dict[str, str] = {slug: why for why, slugs in _GROUPS.items() for slug in slugs}
"""Slugs of caniemail.com that are not told, each with the reason."""
