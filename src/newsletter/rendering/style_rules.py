"""How each kind of element is set: CSS with the theme's values in braces. Data, no logic.

`{start}` and `{end}` are the sides where a line begins and ends, `{tracking}` the letter spacing
of labels (none for scripts that join or have no capitals).
"""

from __future__ import annotations

from collections.abc import Mapping

RULES: Mapping[str, str] = {
    # Around the digest: templates ask for these.
    "online": "margin:0;text-align:{end};",
    "online-link": "display:inline-block;padding:12px 0;font-size:14px;line-height:20px;"
    "color:{quiet};text-decoration:underline;",
    "masthead": "margin:0 0 12px;font-family:{heading_font};font-size:30px;line-height:1.2;"
    "font-weight:700;color:{ink};letter-spacing:{tight};",
    # A plate of paper under a transparent logo; as an image too, which forced inversion leaves.
    "logo": "display:block;margin:0 0 12px;max-width:100%;height:auto;border:0;"
    "background-color:{plate};background-image:linear-gradient({plate},{plate});"
    "font-family:{heading_font};font-size:24px;line-height:1.25;font-weight:700;color:{plate_ink};",
    "logo-dark": "display:none;margin:0 0 12px;max-width:100%;height:auto;border:0;"
    "font-family:{heading_font};font-size:24px;line-height:1.25;font-weight:700;color:{ink};",
    "dateline": "margin:0;padding:9px 0;border-top:1px solid {line};"
    "border-bottom:1px solid {line};font-size:14px;line-height:1.5;color:{quiet};",
    "byline": "margin:12px 0 0;font-family:{label_font};font-size:15px;line-height:1.5;"
    "color:{quiet};",
    "standfirst": "padding:0 0 28px;font-size:20px;line-height:1.5;",
    "contents": "border-top:1px solid {line};border-bottom:1px solid {line};",
    "contents-title": "margin:0;padding:14px 0 6px;font-family:{label_font};font-size:15px;"
    "line-height:1.4;font-weight:700;color:{label};letter-spacing:{tracking};",
    "contents-group": "margin:0;padding:16px 0 6px;font-family:{label_font};font-size:14px;"
    "line-height:1.4;font-weight:700;color:{quiet};",
    "contents-list": "margin:0;padding:0;list-style:none;",
    "contents-item": "margin:0;padding:0;border-top:1px solid {line};",
    "contents-link": "display:block;padding:10px 0;font-size:17px;line-height:24px;color:{ink};"
    "text-decoration:none;",
    "why": "width:100%;margin:4px 0 6px;background-color:{tint};",
    "why-box": "padding:14px 20px 16px;border-{start}:4px solid {accent};font-family:{body_font};"
    "font-size:17px;line-height:1.6;color:{ink};",
    "footer": "margin:0 0 8px;font-size:14px;line-height:1.6;color:{quiet};",
    "footer-links": "margin:8px 0 0;font-size:14px;line-height:1.6;color:{quiet};",
    "footer-link": "display:inline-block;padding:12px 0;margin-{end}:22px;line-height:20px;"
    "color:{link};text-decoration:underline;",
    "leave-link": "display:inline-block;padding:12px 0;line-height:20px;color:{link};",
    "letter-link": "margin:0 0 18px;text-align:{start};overflow-wrap:anywhere;"
    "word-break:break-all;",
    "letter-title": "margin:0;font-family:{heading_font};font-size:30px;line-height:1.22;"
    "font-weight:700;color:{ink};overflow-wrap:anywhere;",
    # What a digest is made of: the writer asks for these.
    "heading-1": "margin:0;font-family:{heading_font};font-size:36px;line-height:1.17;"
    "font-weight:700;color:{ink};letter-spacing:{tight};overflow-wrap:anywhere;",
    "heading-2": "margin:0 0 14px;padding:12px 0 0;border-top:3px solid {ink};"
    "font-family:{label_font};font-size:17px;line-height:1.35;font-weight:700;color:{label};"
    "letter-spacing:{tracking};",
    "heading-3": "margin:0 0 10px;font-family:{heading_font};font-size:25px;line-height:1.25;"
    "font-weight:700;color:{ink};overflow-wrap:anywhere;",
    "heading-4": "margin:22px 0 8px;font-family:{label_font};font-size:17px;line-height:1.4;"
    "font-weight:700;color:{ink};",
    "paragraph": "margin:0 0 18px;",
    "last-paragraph": "margin:0;",
    "why-label": "margin:0 0 4px;font-family:{label_font};font-size:14px;line-height:1.5;"
    "font-weight:700;letter-spacing:{tracking};color:{label};",
    "quote": "margin:0 0 18px;padding:2px 0;padding-{start}:20px;border-{start}:3px solid {line};",
    "code-block": "margin:0 0 18px;padding:14px 16px;background-color:{tint};color:{ink};"
    "font-family:{mono_font};font-size:14px;line-height:1.55;white-space:pre-wrap;"
    "overflow-wrap:anywhere;text-align:left;",
    "code": "padding:1px 4px;background-color:{tint};color:{ink};font-family:{mono_font};"
    "font-size:0.86em;overflow-wrap:anywhere;",
    "list": "margin:0 0 18px;padding:0;padding-{start}:26px;",
    "last-list": "margin:0;padding:0;padding-{start}:26px;",
    "nested-list": "margin:8px 0 0;padding:0;padding-{start}:24px;",
    "item": "margin:0 0 8px;",
    "table": "width:100%;margin:0 0 20px;border-collapse:collapse;border-top:2px solid {ink};"
    "font-family:{label_font};font-size:15px;line-height:1.45;color:{ink};word-break:normal;"
    "overflow-wrap:break-word;",
    # Wider than a phone: small there, so that words stay whole; larger screens set it larger.
    "table-small": "width:100%;margin:0 0 20px;border-collapse:collapse;"
    "border-top:2px solid {ink};font-family:{label_font};font-size:13px;line-height:1.45;"
    "letter-spacing:{tight};"
    "color:{ink};word-break:normal;overflow-wrap:break-word;",
    # Wider still: words break rather than that the page scrolls.
    "table-dense": "width:100%;margin:0 0 20px;border-collapse:collapse;"
    "border-top:2px solid {ink};font-family:{label_font};font-size:13px;line-height:1.45;"
    "color:{ink};word-break:break-word;overflow-wrap:anywhere;",
    "header-cell": "padding:8px 4px;border-bottom:1px solid {ink};text-align:{start};"
    "vertical-align:bottom;font-weight:700;",
    "header-cell-center": "padding:8px 4px;border-bottom:1px solid {ink};text-align:center;"
    "vertical-align:bottom;font-weight:700;",
    "header-cell-right": "padding:8px 4px;border-bottom:1px solid {ink};text-align:right;"
    "vertical-align:bottom;font-weight:700;",
    "cell": "padding:8px 4px;border-bottom:1px solid {line};text-align:{start};vertical-align:top;",
    "cell-center": "padding:8px 4px;border-bottom:1px solid {line};text-align:center;"
    "vertical-align:top;",
    "cell-right": "padding:8px 4px;border-bottom:1px solid {line};text-align:right;"
    "vertical-align:top;font-variant-numeric:tabular-nums;",
    # A fixed layout keeps a wide picture from widening the column: max-width alone does not.
    "figure": "width:100%;margin:0 0 20px;table-layout:fixed;",
    "figure-box": "padding:0;",
    "image": "display:block;max-width:100%;height:auto;border:0;font-family:{label_font};"
    "font-size:15px;line-height:1.5;color:{quiet};",
    "image-unsized": "display:block;width:auto;max-width:100%;height:auto;border:0;"
    "font-family:{label_font};font-size:15px;line-height:1.5;color:{quiet};",
    "image-inline": "width:100%;max-width:592px;height:auto;margin:10px 0;border:0;"
    "vertical-align:middle;color:{quiet};",
    "image-icon": "border:0;vertical-align:middle;color:{quiet};",
    "caption": "margin:8px 0 0;font-family:{label_font};font-size:14px;line-height:1.5;"
    "color:{quiet};",
    "rule": "height:0;margin:26px 0;border:0;border-top:1px solid {line};",
    "link": "color:{link};",
    "citation": "font-size:12px;line-height:0;white-space:nowrap;",
    "citation-link": "padding:12px 1px;color:{link};text-decoration:none;",
    "sources": "margin:0;padding:0;padding-{start}:30px;font-family:{label_font};font-size:16px;"
    "line-height:22px;overflow-wrap:anywhere;color:{quiet};",
    "source": "margin:0;padding:0;border-bottom:1px solid {line};",
    "source-link": "display:block;padding:11px 0;color:{link};text-decoration:none;",
    "source-label": "color:{link};text-decoration:underline;",
    "source-note": "color:{quiet};",
    "source-host": "font-size:14px;color:{quiet};",
    "source-text": "display:block;padding:11px 0;color:{ink};",
}

PLAIN_RULES: tuple[tuple[str, str], ...] = (
    ("masthead", "margin:0;font-size:16px;line-height:1.5;font-weight:700;color:{ink};"),
    (
        "heading-1",
        "margin:0;font-family:{heading_font};font-size:28px;line-height:1.25;"
        "font-weight:700;color:{ink};overflow-wrap:anywhere;",
    ),
    ("dateline", "margin:0;font-size:14px;line-height:1.5;color:{quiet};"),
    (
        "contents-title",
        "margin:0 0 2px;font-size:17px;line-height:1.5;font-weight:700;color:{ink};",
    ),
    ("contents-group", "margin:6px 0 0;font-size:14px;line-height:1.4;color:{quiet};"),
    ("contents-item", "margin:0;padding:0;"),
    ("standfirst", "padding:0 0 18px;font-size:18px;line-height:1.6;"),
    ("contents", "padding:0;"),
    (
        "contents-link",
        "display:block;padding:10px 0;font-size:17px;line-height:24px;"
        "color:{link};text-decoration:underline;",
    ),
    ("why", "margin:0 0 18px;padding:0;padding-{start}:14px;border-{start}:1px solid {accent};"),
    ("why-label", "margin:0;font-weight:700;color:{ink};"),
    (
        "heading-2",
        "margin:0 0 12px;font-family:{heading_font};font-size:22px;line-height:1.3;"
        "font-weight:700;color:{ink};overflow-wrap:anywhere;",
    ),
    (
        "heading-3",
        "margin:0 0 8px;font-family:{heading_font};font-size:19px;line-height:1.35;"
        "font-weight:700;color:{ink};overflow-wrap:anywhere;",
    ),
)
"""What the plain theme sets its own way: no panels, one face, hardly more than text."""
