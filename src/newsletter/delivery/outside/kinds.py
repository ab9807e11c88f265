"""Every code of what the pre-flight finds outside of a digest: its links, spam filters, DNS.

Pure words, like `digest.codes`; the reference page is made from these tables.
"""

from __future__ import annotations

from newsletter.digest.codes import FindingKind, kinds
from newsletter.digest.model import Severity

_DEAD = "Readers who press it get an error page, and trust the rest less."

LINK_KINDS: dict[str, FindingKind] = {
    **kinds(
        Severity.ERROR,
        {
            "private-link": (
                "A link leads into a private network, or is led there.",
                "Readers cannot reach it, or reach something of their own network.",
                "Link to a public address, or take the link out.",
            )
        },
    ),
    **kinds(
        Severity.WARNING,
        {
            "dead-link": (
                "A link leads to nothing: no such page, no such host, or round in a circle.",
                _DEAD,
                "Correct the address or take the link out.",
            ),
            "image-not-an-image": (
                "The address of an image holds a page.",
                "Readers see its words instead of a picture.",
                "Use the address of the picture itself, not that of its page.",
            ),
            "insecure-link": (
                "A link says http where the site offers https.",
                "Over http anybody on the way sees and changes what readers get.",
                "Write https.",
            ),
            "link-guarded": (
                "A site does not show a page to programs, so that its link cannot be judged.",
                "It may well work for readers.",
                "Open it in a browser; nothing else need be done.",
            ),
            "link-not-reached": (
                "A link's site did not answer, or answered with an error of its own.",
                "Whether the link works is not known.",
                "Check again later, or open it in a browser.",
            ),
            "link-tls": (
                "A link's site has no certificate that a browser accepts.",
                "Browsers warn readers away from it.",
                "Open it in a browser; link to another page when it warns.",
            ),
            "links-not-fetched": (
                "There are more links than are fetched.",
                "Nobody knows whether the others work.",
                "Raise check.links_at_most.",
            ),
            "moved-link": (
                "A link ends elsewhere than it says: moved for good, on another site, "
                "or at a front page.",
                "Readers do not find what the link promises, or will not for long.",
                "Link to where it ends, if that is where readers shall go.",
            ),
        },
    ),
}

SPAM_KINDS: dict[str, FindingKind] = kinds(
    Severity.WARNING,
    {
        "spam-score": (
            "A spam filter finds something in the message; from its threshold on it is an error.",
            "With what receivers add for a new sender or a bad link it may end among the spam.",
            "Change what its rules name, the one with most points first.",
        ),
        "spam-not-scored": (
            "The spam filter did not answer.",
            "What spam filters think of the message is not known.",
            "Run 'spamassassin --lint' and look at what it says.",
        ),
    },
)

_REFUSED = "Mailbox providers refuse or hide bulk mail that this does not vouch for."

DNS_KINDS: dict[str, FindingKind] = kinds(
    Severity.WARNING,
    {
        "dns-spf": (
            "The SPF record of the return path is missing, broken, or does not let the relay.",
            _REFUSED,
            "Publish the record that the finding shows.",
        ),
        "dns-dkim": (
            "The key that signs is not published, or not so that receivers can use it.",
            _REFUSED,
            "Publish the record that the finding shows.",
        ),
        "dns-dmarc": (
            "No DMARC policy stands for the From domain, or one that does not count.",
            "Gmail, Yahoo and others refuse bulk mail of such a domain.",
            "Publish the record that the finding shows.",
        ),
        "dns-alignment": (
            "Neither SPF nor DKIM speaks for the From domain.",
            "DMARC fails for every message, however right each record is.",
            "Sign for the From domain, or let bounces come to it or below it.",
        ),
        "dns-bounce-mx": (
            "Mail to the bounce domain finds no host.",
            "Bounces are lost, and receivers that check the return path refuse the mail.",
            "Publish an MX record.",
        ),
        "dns-reply-mx": (
            "Replies find no host.",
            "They bounce, and some receivers refuse mail that cannot be answered.",
            "Publish an MX record.",
        ),
        "dns-reverse": (
            "The address that sends has no name that leads back to it.",
            "Many receivers refuse mail from such an address.",
            "Let whoever gave you the address publish the PTR record.",
        ),
        "dns-base-url": (
            "The host of newsletter.base_url is not found, or by your own network alone.",
            "Nobody can unsubscribe, confirm or read in the browser.",
            "Publish its address, or correct newsletter.base_url.",
        ),
        "dns-not-asked": (
            "DNS could not be asked about all of it.",
            "Whether the sender's records are right is not known.",
            "Try again, or set check.dns_resolvers to a resolver that answers.",
        ),
    },
)
