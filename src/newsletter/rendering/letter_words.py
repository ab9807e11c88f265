"""The words of letters by language: short, about this one matter, without any advertising (C11).

In braces stand values: `{list}` the list's title, `{until}` when the link ends, `{address}` the
new address (masked), `{contact}` whom to write to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class LetterForm(StrEnum):
    """What a letter says; the same names as `newsletter.audience.letters.LetterKind`."""

    CONFIRM = "confirm"
    ALREADY = "already"
    NEW_ADDRESS = "new_address"
    MOVED = "moved"
    MANAGE = "manage"


@dataclass(frozen=True, slots=True)
class LetterWords:
    """One letter in one language.

    `button` is empty where there is nothing to press; `before` and `after` are the paragraphs
    above and below it. `reason` says at the foot why this mail came.
    """

    subject: str
    preheader: str
    title: str
    before: tuple[str, ...]
    reason: str
    button: str = ""
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CommonWords:
    """What several letters say: the link in full, until when it works, the way out.

    `until` is of a link that works once, `until_then` of one that works more often.
    """

    link: str
    until: str
    until_then: str
    unsubscribe: str


_ENGLISH: Mapping[LetterForm, LetterWords] = {
    LetterForm.CONFIRM: LetterWords(
        subject="Confirm your subscription to {list}",
        preheader="It takes one button. If you did not ask for this, do nothing.",
        title="Please confirm your subscription",
        before=(
            "Somebody, most likely you, asked to get {list} at this address. The button opens a "
            "page where you confirm it.",
        ),
        button="Confirm subscription",
        after=(
            "If you did not ask for this, do nothing: without your confirmation this address is "
            "not put on the list.",
        ),
        reason="You got this one mail because this address was entered to join {list}.",
    ),
    LetterForm.ALREADY: LetterWords(
        subject="You are subscribed to {list} already",
        preheader="This address is on the list: there is nothing left for you to do.",
        title="You are on the list already",
        before=(
            "Somebody, most likely you, asked to get {list} at this address. It is on the list "
            "already, so you need do nothing.",
            "If the mail does not come, look into your folder of unwanted mail, and at your "
            "preferences: there you can also end a pause.",
        ),
        button="See your preferences",
        after=("If you did not ask for this, do nothing: nothing changes.",),
        reason="You got this one mail because this address was entered to join {list}.",
    ),
    LetterForm.NEW_ADDRESS: LetterWords(
        subject="Confirm your new address for {list}",
        preheader="It takes one button. Until then everything stays as it is.",
        title="Please confirm your new address",
        before=(
            "Somebody, most likely you, asked to get their mail from {list} at this address from "
            "now on. The button opens a page where you confirm it.",
        ),
        button="Confirm new address",
        after=("If you did not ask for this, do nothing: no mail will come to this address.",),
        reason="You got this one mail because this address was entered as a new one.",
    ),
    LetterForm.MOVED: LetterWords(
        subject="Your mail from {list} goes to another address now",
        preheader="The new address was confirmed. If that was not you, please tell us.",
        title="Your address was changed",
        before=(
            "From now on your mail from {list} goes to {address}.",
            "Whoever reads there has confirmed it. If that was you, you need do nothing. If it was "
            "not, write to {contact} and we set it right.",
        ),
        reason="You got this one mail because your mail came to this address until now.",
    ),
    LetterForm.MANAGE: LetterWords(
        subject="Your link to manage {list}",
        preheader="It opens your details and your data. Do not pass it on.",
        title="Your details and your data",
        before=(
            "Somebody, most likely you, asked for this link by the foot of a mail from {list}. It "
            "opens a page where you change your name, address and newsletters, see what is stored "
            "about you, or have it deleted.",
            "Whoever has this link can do all of that. Please do not forward this mail.",
        ),
        button="Open my page",
        after=("If you did not ask for this, do nothing: nothing changes.",),
        reason="You got this one mail because this link was asked for with a mail sent to you.",
    ),
}

_GERMAN: Mapping[LetterForm, LetterWords] = {
    LetterForm.CONFIRM: LetterWords(
        subject="Bitte bestätigen: Anmeldung zu {list}",
        preheader="Ein Knopf genügt. Wenn Sie das nicht waren, tun Sie einfach nichts.",
        title="Bitte bestätigen Sie Ihre Anmeldung",
        before=(
            "Jemand, vermutlich Sie, möchte {list} an diese Adresse bekommen. Der Knopf öffnet "
            "eine Seite, auf der Sie das bestätigen.",
        ),
        button="Anmeldung bestätigen",
        after=(
            "Wenn Sie das nicht waren, tun Sie nichts: Ohne Ihre Bestätigung kommt diese Adresse "
            "nicht auf die Liste.",
        ),
        reason="Sie bekommen diese eine Mail, weil diese Adresse zu {list} angemeldet wurde.",
    ),
    LetterForm.ALREADY: LetterWords(
        subject="Sie sind schon zu {list} angemeldet",
        preheader="Diese Adresse steht auf der Liste, Sie müssen nichts weiter tun.",
        title="Sie stehen schon auf der Liste",
        before=(
            "Jemand, vermutlich Sie, möchte {list} an diese Adresse bekommen. Sie steht schon auf "
            "der Liste, Sie müssen also nichts tun.",
            "Wenn keine Mail ankommt, sehen Sie im Ordner für unerwünschte Mail nach und in Ihren "
            "Einstellungen: Dort lässt sich auch eine Pause beenden.",
        ),
        button="Einstellungen ansehen",
        after=("Wenn Sie das nicht waren, tun Sie nichts: Es ändert sich nichts.",),
        reason="Sie bekommen diese eine Mail, weil diese Adresse zu {list} angemeldet wurde.",
    ),
    LetterForm.NEW_ADDRESS: LetterWords(
        subject="Bitte bestätigen: neue Adresse für {list}",
        preheader="Ein Knopf genügt. Bis dahin bleibt alles, wie es ist.",
        title="Bitte bestätigen Sie Ihre neue Adresse",
        before=(
            "Jemand, vermutlich Sie, möchte die Mail von {list} von nun an an diese Adresse "
            "bekommen. Der Knopf öffnet eine Seite, auf der Sie das bestätigen.",
        ),
        button="Neue Adresse bestätigen",
        after=("Wenn Sie das nicht waren, tun Sie nichts: An diese Adresse kommt keine Mail.",),
        reason="Sie bekommen diese eine Mail, weil diese Adresse als neue angegeben wurde.",
    ),
    LetterForm.MOVED: LetterWords(
        subject="Ihre Mail von {list} geht jetzt an eine andere Adresse",
        preheader="Die neue Adresse ist bestätigt. Wenn Sie das nicht waren, sagen Sie es uns.",
        title="Ihre Adresse wurde geändert",
        before=(
            "Von nun an geht Ihre Mail von {list} an {address}.",
            "Wer dort liest, hat das bestätigt. Wenn Sie das waren, müssen Sie nichts tun. Wenn "
            "nicht, schreiben Sie an {contact} und wir bringen es in Ordnung.",
        ),
        reason="Sie bekommen diese eine Mail, weil Ihre Mail bisher an diese Adresse ging.",
    ),
    LetterForm.MANAGE: LetterWords(
        subject="Ihr Link zu Ihren Angaben bei {list}",
        preheader="Er öffnet Ihre Angaben und Ihre Daten. Geben Sie ihn nicht weiter.",
        title="Ihre Angaben und Ihre Daten",
        before=(
            "Jemand, vermutlich Sie, hat diesen Link über den Fuß einer Mail von {list} "
            "angefordert. Er öffnet eine Seite, auf der Sie Ihren Namen, Ihre Adresse und Ihre "
            "Newsletter ändern, Ihre gespeicherten Daten ansehen oder alles löschen lassen können.",
            "Wer diesen Link hat, kann all das auch. Bitte leiten Sie diese Mail nicht weiter.",
        ),
        button="Meine Seite öffnen",
        after=("Wenn Sie das nicht waren, tun Sie nichts: Es ändert sich nichts.",),
        reason="Sie bekommen diese eine Mail, weil dieser Link mit einer Mail an Sie angefordert "
        "wurde.",
    ),
}

_FRENCH: Mapping[LetterForm, LetterWords] = {
    LetterForm.CONFIRM: LetterWords(
        subject="Confirmez votre abonnement à {list}",
        preheader="Un bouton suffit. Si ce n’est pas vous, ne faites rien.",
        title="Confirmez votre abonnement",
        before=(
            "Quelqu’un, sans doute vous, a demandé à recevoir {list} à cette adresse. Le bouton "
            "ouvre une page où vous le confirmez.",
        ),
        button="Confirmer l’abonnement",
        after=(
            "Si ce n’est pas vous, ne faites rien : sans votre confirmation, cette adresse n’est "
            "pas inscrite.",
        ),
        reason="Vous recevez ce seul message car cette adresse a été donnée pour {list}.",
    ),
    LetterForm.ALREADY: LetterWords(
        subject="Vous êtes déjà abonné à {list}",
        preheader="Cette adresse est déjà inscrite, vous n’avez rien à faire.",
        title="Vous êtes déjà inscrit",
        before=(
            "Quelqu’un, sans doute vous, a demandé à recevoir {list} à cette adresse. Elle est "
            "déjà inscrite : vous n’avez rien à faire.",
            "Si rien n’arrive, regardez dans vos courriers indésirables et dans vos préférences : "
            "vous pouvez aussi y mettre fin à une pause.",
        ),
        button="Voir vos préférences",
        after=("Si ce n’est pas vous, ne faites rien : rien ne change.",),
        reason="Vous recevez ce seul message car cette adresse a été donnée pour {list}.",
    ),
    LetterForm.NEW_ADDRESS: LetterWords(
        subject="Confirmez votre nouvelle adresse pour {list}",
        preheader="Un bouton suffit. D’ici là, tout reste comme avant.",
        title="Confirmez votre nouvelle adresse",
        before=(
            "Quelqu’un, sans doute vous, a demandé à recevoir désormais les messages de {list} à "
            "cette adresse. Le bouton ouvre une page où vous le confirmez.",
        ),
        button="Confirmer l’adresse",
        after=("Si ce n’est pas vous, ne faites rien : aucun message n’arrivera à cette adresse.",),
        reason="Vous recevez ce seul message car cette adresse a été donnée comme nouvelle.",
    ),
    LetterForm.MOVED: LetterWords(
        subject="Vos messages de {list} vont désormais à une autre adresse",
        preheader="La nouvelle adresse est confirmée. Si ce n’est pas vous, dites-le-nous.",
        title="Votre adresse a changé",
        before=(
            "Désormais, vos messages de {list} vont à {address}.",
            "La personne qui y lit l’a confirmé. Si c’est vous, vous n’avez rien à faire. Sinon, "
            "écrivez à {contact} et nous rétablirons votre adresse.",
        ),
        reason="Vous recevez ce seul message car vos messages arrivaient ici jusqu’à présent.",
    ),
    LetterForm.MANAGE: LetterWords(
        subject="Votre lien pour gérer {list}",
        preheader="Il ouvre vos réglages et vos données. Ne le transmettez pas.",
        title="Vos réglages et vos données",
        before=(
            "Quelqu’un, sans doute vous, a demandé ce lien depuis le bas d’un message de {list}. "
            "Il ouvre une page où vous pouvez changer votre nom, votre adresse et vos lettres, "
            "voir vos données ou les faire supprimer.",
            "Toute personne qui a ce lien peut en faire autant. Ne transférez pas ce message.",
        ),
        button="Ouvrir ma page",
        after=("Si ce n’est pas vous, ne faites rien : rien ne change.",),
        reason="Vous recevez ce seul message car ce lien a été demandé depuis un message reçu de "
        "nous.",
    ),
}

_LETTERS = {"en": _ENGLISH, "de": _GERMAN, "fr": _FRENCH}

_COMMON = {
    "en": CommonWords(
        link="If the button does not work, open this address:",
        until="The link works once, until {until}.",
        until_then="The link works until {until}.",
        unsubscribe="Unsubscribe from {list}",
    ),
    "de": CommonWords(
        link="Wenn der Knopf nicht geht, öffnen Sie diese Adresse:",
        until="Der Link geht einmal, bis {until}.",
        until_then="Der Link gilt bis {until}.",
        unsubscribe="Von {list} abmelden",
    ),
    "fr": CommonWords(
        link="Si le bouton ne marche pas, ouvrez cette adresse :",
        until="Le lien sert une fois, jusqu’au {until}.",
        until_then="Le lien fonctionne jusqu’au {until}.",
        unsubscribe="Se désabonner de {list}",
    ),
}


def spoken(language: str) -> str:
    """Return the language that a letter speaks to a reader of another one: English if need be."""
    primary = language.lower().partition("-")[0]
    return primary if primary in _LETTERS else "en"


def speaks(language: str) -> bool:
    """Return whether letters have words in a language."""
    return spoken(language) == language.lower().partition("-")[0]


def letter_words(form: LetterForm, language: str) -> tuple[LetterWords, CommonWords]:
    """Return the words of a letter; English where we do not speak the language."""
    known = spoken(language)
    return _LETTERS[known][form], _COMMON[known]
