"""The table of bounce classes as data: statuses, words, and what follows from a class (D3).

How a reply is looked up in it is in `bounce_classes`; an operator's own rows are in the settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BounceClass(StrEnum):
    """What a refusal means for the address."""

    HARD = "hard"
    """Nobody is there and nobody will be: suppress at once."""
    SOFT = "soft"
    """The person cannot be reached this time, or nobody can tell why: count."""
    BLOCKED = "blocked"
    """We or our message are refused (policy, spam, reputation): never suppresses (D6)."""


FOLLOWS: dict[BounceClass, str] = {
    BounceClass.HARD: "suppress the address",
    BounceClass.SOFT: "count campaigns",
    BounceClass.BLOCKED: "hold the domain, alert",
}
"""What follows from each class, in a few words; the rules themselves are D4 to D7."""

_HARD, _SOFT, _BLOCKED = BounceClass.HARD, BounceClass.SOFT, BounceClass.BLOCKED


@dataclass(frozen=True, slots=True)
class StatusRule:
    """One row of the table: an RFC 3463 status and what it means.

    `status` may hold `*` for any number. A row with `words` (a pattern for lower case) fits
    only where they are found. A `vague` status lets the text decide, and means `becomes` only where
    the text says nothing known. `example` is a reply that the row is made for.
    """

    status: str
    becomes: BounceClass
    example: str
    vague: bool = False
    words: str = ""


STATUS_RULES: tuple[StatusRule, ...] = (
    StatusRule("5.1.0", _HARD, "550 5.1.0 Address rejected", vague=True),
    StatusRule("5.1.1", _HARD, "550 5.1.1 The account that you tried to reach does not exist"),
    StatusRule("5.1.2", _HARD, "550 5.1.2 Bad destination system address"),
    StatusRule("5.1.3", _HARD, "501 5.1.3 Bad recipient address syntax"),
    StatusRule("5.1.6", _HARD, "550 5.1.6 Mailbox has moved, no forwarding address"),
    StatusRule("5.1.7", _BLOCKED, "501 5.1.7 Bad sender address syntax"),
    StatusRule("5.1.8", _BLOCKED, "550 5.1.8 Sender address rejected: domain not found"),
    StatusRule("5.1.10", _HARD, "556 5.1.10 Recipient address has a null MX"),
    StatusRule("5.2.0", _SOFT, "550 5.2.0 Message could not be delivered", vague=True),
    StatusRule(
        "5.2.1", _SOFT, "550 5.2.1 The user is receiving mail at a rate that …", words=r"\brate\b"
    ),
    StatusRule("5.2.1", _HARD, "550 5.2.1 Mailbox disabled, not accepting messages"),
    StatusRule("5.2.2", _SOFT, "552 5.2.2 Mailbox full"),
    StatusRule("5.2.3", _SOFT, "552 5.2.3 Message exceeds this mailbox's limit"),
    StatusRule("5.3.0", _SOFT, "554 5.3.0 Other mail system problem", vague=True),
    StatusRule("5.3.4", _SOFT, "552 5.3.4 Message too big for system"),
    StatusRule("5.4.0", _SOFT, "554 5.4.0 Network trouble", vague=True),
    # What Exchange Online says of an address that its directory does not hold.
    StatusRule(
        "5.4.1",
        _HARD,
        "550 5.4.1 Recipient address rejected: Access denied",
        words=r"\brecipient address rejected: access denied\b",
    ),
    StatusRule("5.4.4", _HARD, "550 5.4.4 Host or domain name not found"),
    StatusRule("5.4.310", _HARD, "550 5.4.310 DNS domain does not exist"),
    StatusRule("5.5.0", _SOFT, "554 5.5.0 Transaction failed", vague=True),
    StatusRule("5.7.*", _BLOCKED, "554 5.7.1 Message rejected by policy"),
    StatusRule("5.0.*", _SOFT, "554 5.0.0 Service unavailable", vague=True),
    StatusRule("5.*.*", _SOFT, "554 5.6.0 Media error"),
)
"""The first row that fits counts. `TEMPORARY` goes before all of them."""

TEMPORARY = StatusRule("4.*.*", _SOFT, "452 4.2.2 Mailbox full", vague=True)
"""What 4.x.x and replies of 420 to 499 mean; words only ever make them blocked."""


@dataclass(frozen=True, slots=True)
class TextRule:
    """One row of what is known by its words alone; `words` is a pattern for lower case."""

    words: str
    becomes: BounceClass
    example: str


_WHO = r"(user|recipient|mailbox|address|account|alias|addressee|person|customer)(?:e?s)?"

# Ours first, then what passes: a text that speaks of both must not suppress anybody.
TEXT_RULES: tuple[TextRule, ...] = (
    TextRule(
        r"\bblock(ed|s|ing)\b|\bbanned\b|\b(block|black|deny) ?-?list(ed|ing)?\b"
        r"|\b(dns)?[br]bl\b|\bspamhaus\b|\bspamcop\b|(?<!not )\blisted (at|by|in|on)\b",
        _BLOCKED,
        "554 Client host [192.0.2.1] blocked using dnsbl.example.org",
    ),
    TextRule(
        r"\breputation\b|\bunsolicited\b|\buser complaints\b",
        _BLOCKED,
        "550 Too many complaints, poor IP reputation",
    ),
    TextRule(
        r"(?<![.-])\bspam(my)?\b(?![.-])|\bjunk (e?mail|message)|\bbulk (e?mail|message)",
        _BLOCKED,
        "554 Message looks like spam",
    ),
    TextRule(
        r"\b(spf|dkim|dmarc)\b|\b(un)?authenticat(ed|ion)\b|\b(mail|envelope|header)[ -]from\b"
        r"|(?<!to )(?<!to the )\bsender('s)?\b",
        _BLOCKED,
        "550 192.0.2.1 is not allowed to send for example.org by its SPF record",
    ),
    TextRule(
        r"\breverse (dns|hostname|lookup)|\bptr\b|\bclient host\b|\b(helo|ehlo)\b",
        _BLOCKED,
        "550 Cannot find your reverse hostname",
    ),
    TextRule(
        r"\bpolic(y|ies)\b|\bcontent (rejected|denied|filter)|\baccess denied\b"
        r"|\brelay(ing)? (access )?(denied|prohibited|not (permitted|allowed))\b"
        r"|\bunable to relay\b|\bvirus\b|\bmalware\b",
        _BLOCKED,
        "554 Rejected for policy reasons",
    ),
    TextRule(
        r"\b(mailbox|account|user|recipient|inbox|storage)\b.{0,40}\b(full|exceed(s|ed)?)\b"
        r"|\bquota\b.{0,20}\bexceed(s|ed)?\b|\bexceed(s|ed|ing)?\b.{0,30}\bquota\b"
        r"|\bover ?-?(its |the )?quota\b|\bquota (exceeded|violation)\b|\bstorage allocation\b"
        r"|\b(insufficient|not enough|out of|no) (\w{1,20} )?(space|storage)\b"
        r"|\bboîte (aux lettres )?pleine\b|\bpostfach (ist )?voll\b|\bbuz[oó]n lleno\b"
        r"|\bcasella (è )?piena\b|\bcaixa (de correio )?cheia\b|переполнен"
        r"|(メールボックス|容量|ボックス).{0,12}(一杯|いっぱい|超え|超過|オーバー|不足)"
        r"|(邮箱|郵箱|信箱|空间|空間).{0,8}(已满|已滿|不足|超出)|용량.{0,4}초과",
        _SOFT,
        "552 The mailbox is over quota",
    ),
    TextRule(
        r"\b(message|mail)\b.{0,30}\b(too (big|large)|exceeds)\b|\bsize limit\b",
        _SOFT,
        "552 Message too large",
    ),
    TextRule(
        r"\bsmtputf8\b|\bnon-?ascii\b|\binternationali[sz]ed\b",
        _SOFT,
        "550 The server takes no such address (SMTPUTF8)",
    ),
    TextRule(
        r"\bgr[ea]y ?-?list(ed|ing)?\b|\b(re)?try( again)? later\b|\btemporar(y|ily)\b"
        r"|\btoo (many|quickly|fast|frequent)|\brate (limit|that)|\bthrottl",
        _SOFT,
        "554 Too many connections, try again later",
    ),
    TextRule(
        r"\bloop(ing|s)?\b|\btoo many hops\b|\bhop count\b|\btimed? ?out\b"
        r"|\b(message|delivery) (time )?expired\b|\bconnection (refused|lost)\b"
        r"|\b(could not|cannot|unable to) connect\b",
        _SOFT,
        "554 The message is looping",
    ),
    TextRule(
        rf"\b{_WHO}\b[ :,.<>\"'()…]{{0,6}}(name |address |email )?"
        r"(?:(?:is|was|were|has|does|do|could|can|been) ?)*"
        r"(no[tn]?[ -]?(be )?"
        r"(found|known|exist(s|ent|ing)?|listed|valid|active|here|recogni[sz]ed|located)\b"
        r"|n't exist\b|unknown\b|invalid\b|unrecogni[sz]ed\b)",
        _HARD,
        "550 Recipient address rejected: User unknown in local recipient table",
    ),
    TextRule(
        r"\b(unknown|invalid|unrecogni[sz]ed|non-?existent|bad|illegal|no such|no valid"
        rf"|not an? (valid|known))[ -](local |virtual |email |mail ?)?"
        rf"({_WHO}|rcpt|destination|person|local[ -]?part)\b"
        rf"|\bno ({_WHO}) (here|by that|with that|of that|found)\b"
        r"|\bcontain a valid address\b|\brecipnotfound\b"
        r"|\bnot listed in (the )?([\w&]{1,20} ){0,4}(directory|address book)\b"
        rf"|\b{_WHO}\b.{{0,60}}\b(could|can|was|were)(n['’]t| ?not) (be )?(found|located)\b"
        r"|\b(doesn['’]t|does not) have an? .{0,40}\b(account|mailbox)\b",
        _HARD,
        "550 No such user here",
    ),
    TextRule(
        rf"\b({_WHO}|employee|e?mail)\b.{{0,60}}\bno longer\b"
        rf"|\b{_WHO}\b.{{0,40}}\bhas (been )?(moved|changed)\b",
        _HARD,
        "550 Recipient no longer on server",
    ),
    TextRule(
        rf"\b({_WHO}|e?mail)\b.{{0,40}}\b(disabled|deactivated|inactive|suspended|closed"
        r"|terminated|discontinued|deleted|cancell?ed|expired|abandoned)\b"
        rf"|\b(inactive|disabled|deactivated|closed|suspended) {_WHO}\b",
        _HARD,
        "550 This mailbox is disabled",
    ),
    TextRule(
        rf"\bnot our customer\b|\bno {_WHO} named\b|\bno local {_WHO}\b|\bnobody (here )?by that\b"
        rf"|\b({_WHO}|person) has left\b|\bno longer (an? )?(employee|employed|works?|with us)\b"
        rf"|\b(wrong|incorrect|unregistered|misspelled) (e-?mail )?{_WHO}\b"
        rf"|\b{_WHO}\b.{{0,40}}\bnot (registered|present in (the )?directory)\b"
        rf"|\b(unable|failed) to (find|locate) (the )?{_WHO}\b|\bd(oe|o)sn['’]?t exist\b",
        _HARD,
        "550 No user named Ada is here",
    ),
    TextRule(
        r"\b(host|domain)( name)?[ :,.<>\"'()…]{0,6}(?:(?:is|was|does|could) ?)*"
        r"(not (be )?(found|exist|known)|unknown|non-?existent)\b|\bnxdomain\b|\bnull mx\b"
        r"|\b(no|not a) valid (mail )?(host|domain)\b|\bmail server for .{1,80} unknown\b"
        r"|\bdomain does not accept (e?mail|messages)\b|\bcannot find (a |any )?mail exchanger"
        r"|\bno (mx|smtp service)\b|\bdoes(n't| not) exist\b|\bfind any host named\b"
        r"|\b(unknown|no such|unrouteable|unroutable|non-?existent) (mail )?"
        r"(host|domain|address|destination)s?\b",
        _HARD,
        "550 Host or domain name not found",
    ),
    TextRule(
        r"\bmailbox unavailable\b",
        _HARD,
        "550 Requested action not taken: mailbox unavailable",
    ),
    TextRule(
        r"\b(utilisateur|destinataire|adresse)\b.{0,40}\b(inconnue?|invalide|inexistante?)\b"
        r"|\b(benutzer|empf[äa]e?nger|adresse)\b.{0,40}\b(unbekannt|existiert nicht|ung[üu]ltig)"
        r"|\b(usuario|destinatario|buz[oó]n|utente)\b.{0,40}"
        r"\b(desconocido|no existe|inexistente|sconosciuto|inesistente)\b",
        _HARD,
        "550 Adresse de destinataire inconnue",
    ),
    TextRule(
        r"\b(adresse|destinataire)\b.{0,60}\b(introuvable|n['’]existe pas)\b"
        r"|\b(adresse|empfänger|benutzer|postfach)\b.{0,60}\bnicht (gefunden|vorhanden|bekannt)\b"
        r"|\b(usuári[oa]|endereço|destinatário|caixa)\b.{0,60}"
        r"\b(não existe|desconhecid[oa]|inválid[oa])"
        r"|\b(indirizzo|casella|utente|direcci[oó]n|correo)\b.{0,60}"
        r"\b(non (esiste|valid[oa]|trovat[oa])|no (existe|se encontr[oó])|inesistente)"
        r"|(пользовател|адрес|ящик|получател).{0,40}(не (найден|существует)|несуществующ|неизвест)"
        r"|(не существует|нет такого|несуществующ).{0,40}(пользовател|адрес|ящик)"
        r"|(ユーザ|宛先|あて先|受信者|アドレス|メールボックス|ディレクトリ|リスト).{0,30}"
        r"(存在しません|見つかりません|ありません|不明|無効|登録されていません)"
        r"|(用户|用戶|帐号|账号|邮箱|收件人|地址).{0,10}(不存在|无效|無效|未找到)"
        r"|(사용자|수신자|주소|계정).{0,20}(존재하지|찾을 수 없|없습니다)",
        _HARD,
        "550 L'adresse que vous avez entrée est introuvable",
    ),
)
"""The first row whose words are found counts."""

UNKNOWN = TextRule("", _SOFT, "550 Message rejected")
"""What nobody can tell is soft: it counts, no more."""
