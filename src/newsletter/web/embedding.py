"""The subscribe form as plain HTML, to be put into any page of the operator's."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from newsletter.audience.lists import MailingList
from newsletter.web.catalogue import Catalogue
from newsletter.web.forms import TRAP

_FORM = """\
<form action="{action}" method="post">
  <p><label>{email}<br>
    <input type="email" name="email" autocomplete="email" required></label></p>
  <p><label>{name} ({optional})<br>
    <input type="text" name="name" autocomplete="name" maxlength="200"></label></p>
  <p aria-hidden="true" style="position:absolute;left:-9999px">
    <label>{trap} <input type="text" name="{field}" tabindex="-1" autocomplete="off"></label></p>
  <p>{consent}</p>
  <p><button type="submit">{button}</button></p>
</form>
"""


def embed_form(mailing_list: MailingList, base_url: str, newsletter: str, language: str) -> str:
    """Return the form of a list as HTML that posts to `base_url`; no script, no style sheet.

    `language` is used where the list names none.
    """
    words = Catalogue().words([mailing_list.language, language])
    values = {
        "action": f"{base_url}/subscribe/{quote(mailing_list.name)}",
        "email": words("subscribe.email"),
        "name": words("subscribe.name"),
        "optional": words("subscribe.optional"),
        "trap": words("subscribe.trap"),
        "field": TRAP,
        "consent": words("subscribe.consent", list=mailing_list.title, newsletter=newsletter),
        "button": words("subscribe.button"),
    }
    return _FORM.format(**{key: escape(value) for key, value in values.items()})
