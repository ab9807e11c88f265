"""The table of bounce classes as data: words. Statuses are in `bounce_rules`.

A row is for a way of speaking that more than one system has; none names a host, a person or a
sample. Rows are for text in lower case whose addresses, links and names of hosts are `…`, and each
is found as whole words only. Words of ours come first, then what passes, then those by which nobody
is there: a text that speaks of both must not suppress anybody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from newsletter.delivery.bounce_rules import BounceClass, Cause
from newsletter.whole_words import whole_words

_HARD, _SOFT, _BLOCKED = BounceClass.HARD, BounceClass.SOFT, BounceClass.BLOCKED


@dataclass(frozen=True, slots=True)
class TextRule:
    """One row of what is known by its words.

    Words that are `loose` are too common to go against a status that says that nobody is there.
    """

    words: str
    becomes: BounceClass
    cause: Cause
    example: str
    loose: bool = False


_WHO = (
    r"(?:user|recipient|mail ?box|inbox|address|account|alias|addressee|person|customer"
    r"|subscriber|receiver|rcpt)(?:e?s)?"
)
_NAMED = r"[ :,.<>\"'()\[\]…@]{0,8}"
"""What stands where a name stood."""
_IS = r"(?:(?:is|was|were|are|has|have|does|do|did|could|can|been|currently|presently|now) ?)*"
_NOT = r"(?:n['’]?t|no[tn]?|cannot)[ -]?(?:be )?"
_MAIL = r"(?:e-?mails?|mails?|messages?)"

_ABOUT_US: tuple[TextRule, ...] = (
    TextRule(
        r"block(ed|s|ing)|banned|(block|black|deny|reject) ?-?list(s|ed|ing)?"
        r"|(dns|uri|sur|[rsxpd])bl|spamhaus|spamcop"
        r"|(?<!not )(?<!n't )(?<!n’t )listed (at|by|in|on)|黑名单|黑名單",
        _BLOCKED,
        Cause.REPUTATION,
        "554 Client host [192.0.2.1] blocked using dnsbl.example.org",
    ),
    TextRule(
        r"reputation|(user|spam|abuse|many) complaints"
        r"|your( (?!reverse)\w{1,20})? (ips?|network|isp|(mail )?server|host( ?name)?|mta|relay)"
        r"|(sending|connecting|client|source) (ip|server|host|mta)"
        r"|ip( address)?[ :,…\[\]()]{1,6}(?:(?:is|was|has|been) ?)*"
        r"(not (allowed|permitted|authori[sz]ed)|rejected|refused|denied|suspicious)"
        r"|(dynamic|residential|dial-?up)( \w{1,20})? (ip|ips|address(es)?|hosts?|ranges?|clients?)"
        r"|open (relay|proxy)|suspect(ed)?( spam)? ip",
        _BLOCKED,
        Cause.REPUTATION,
        "550 Too many complaints, poor IP reputation",
    ),
    TextRule(
        r"(?<![-.])spam(my|mers?|ming)?(?![-.]\w)|unsolicited"
        r"|(junk|bulk) ?-?(e?-?mail(ing)?s?|messages?)|phishing|spamverdacht|indésirables?"
        r"|迷惑メール|スパム|垃圾(邮件|郵件)|스팸|спам\w*",
        _BLOCKED,
        Cause.SPAM,
        "554 Message looks like spam",
    ),
    TextRule(
        r"spf|dkim|dmarc|(un)?authenticat(e|ed|es|ion)|reverse (dns|host ?name|lookup|mapping)"
        r"|f?c?rdns|ptr|client host|helo|ehlo",
        _BLOCKED,
        Cause.AUTHENTICATION,
        "550 Cannot find your reverse hostname, no PTR record",
    ),
    TextRule(
        r"(?<!to )(?<!to the )senders?('s)?( e-?mail)?( address(es)?| domain| host| ip| id| name)?"
        rf"{_NAMED}(?:(?:is|was|are|has|been|does|do|did|could|can|must|should|domain|address|verify"
        r"|verification|email) ?)*(not|n['’]t|reject(ed|ion)?|refused|den(y|ied)|invalid|unknown"
        r"|non-?existent|fail(ed|ure)?|illegal|bad|forged|spoof(ed|ing)?|malformed|prohibited"
        r"|unverified)"
        r"|(unknown|invalid|bad|illegal|forged|spoofed|unverified|non-?existent|no such|rejected"
        r"|unauthori[sz]ed) (envelope |mail )?(sender|from|return[ -]path|originator)s?"
        r"|domain of (the )?sender|(after|reply to) (the )?mail from",
        _BLOCKED,
        Cause.SENDER,
        "550 Sender address rejected: undeliverable",
    ),
    TextRule(
        r"virus(es)?|malware|(mail |message )?content (was |is |has been )?(rejected|denied|refused"
        r"|filter(ed|ing)?|not accepted)"
        r"|(forbidden|prohibited|banned|illegal|executable) (attachments?|files?)"
        r"|suspicious (content|message|mail|attachment|link|url)s?|内容.{0,6}(拒|违规|非法)",
        _BLOCKED,
        Cause.CONTENT,
        "550 Mail content denied",
    ),
    TextRule(
        r"polic(y|ies)|(access|permission) (is |was )?(denied|refused|forbidden)|no permission"
        r"|(not|n['’]t) have permission|(not|n['’]t) (authori[sz]ed|permitted|allowed)"
        r"|unauthori[sz]ed|prohibited|forbidden"
        r"|administrative(ly)? (denied|prohibit(ed|ion)|rejected|disallowed)"
        r"|relay(ing)? (access )?(denied|prohibited|refused|not (permitted|allowed|authori[sz]ed))"
        r"|(unable|refus(e|ed|ing)|not|n['’]t) (to )?relay"
        rf"|(not|n['’]t) (currently )?accept(ed|ing)? (any )?({_MAIL}|connections?|smtp) (from|by)"
        rf"|({_MAIL}|connections?) (from .{{1,60}} )?(is |are |was |were )?(not accepted"
        r"|refused|rejected|denied|disallowed) (from|due to|because|for)"
        r"|your (e-?mail )?(account|mailbox) (is|has|was)|not a member of|members? only"
        r"|only (members|subscribers)|拒收",
        _BLOCKED,
        Cause.POLICY,
        "554 Rejected for policy reasons",
    ),
)
"""Ours: our address, our name, our message."""

_PASSING: tuple[TextRule, ...] = (
    TextRule(
        r"gr[ea]y ?-?list(ed|ing)?|throttl(e|ed|es|ing)|rate[ -]?limit(s|ed|ing)?|rate that"
        r"|(sending|send|message|mail|delivery|connection|recipient|hourly|daily)s? rate"
        r"|rate (control|exceeded|quota)"
        r"|(exceed(s|ed|ing)?|excessive|high|unusual) (\w{1,12} ){0,3}rate"
        r"|too many (?!hops|received|levels)|too (quickly|fast|frequent(ly)?|often)"
        r"|(recipients|messages|e?-?mails|connections|sent|limit(ed)?|quota|exceeded) .{0,30}"
        r"(per|this|an|each|one|(the )?last|(the )?past) (hour|minute|second|day)"
        r"|(hourly|daily) (\w{1,12} )?(limit|quota|maximum)"
        r"|(sending|message|connection|recipient)s? limits?"
        r"|(limit|number) (of|on) (concurrent )?(connections|messages|recipients|sessions)(?! in)"
        r"|slow(ing)? down|frequency (is )?limited|频率|頻率|过于频繁",
        _SOFT,
        Cause.THROTTLED,
        "554 Too many connections from here, slow down",
    ),
    TextRule(
        r"(mail ?box|inbox|mail ?folder|account|user|recipient|storage)s?\b.{0,40}\b(exceed(s|ed)?"
        r"|full(?! (details|text|headers?|name|transcript|report|explanation)))"
        r"|full (mail ?box|inbox)|quotas?|storage (allocation|limit)s?"
        r"|(insufficient|not enough|out of|no|low on) (\w{1,20} )?(space|storage)|disk (is )?full"
        r"|boîte (aux lettres |de réception )?(est )?pleine|postfach (ist )?(voll|überfüllt)"
        r"|speicherplatz|buz[oó]n (de correo )?(est[áa] )?lleno|espace .{0,20}insuffisant"
        r"|casella (di posta )?(è )?piena|caixa (de (correio|entrada) )?(est[áa] )?cheia"
        r"|переполнен\w*|(メールボックス|メール ボックス|容量|ボックス|受信箱).{0,12}"
        r"(一杯|いっぱい|満杯|超え|超過|オーバー|不足)"
        r"|(邮箱|郵箱|信箱|空间|空間|容量).{0,8}(已满|已滿|满了|不足|超出|超过)|용량.{0,4}초과",
        _SOFT,
        Cause.MAILBOX_FULL,
        "552 The mailbox is over quota",
    ),
    TextRule(
        r"(message|mail)\b.{0,30}\b(too (big|large)|exceed(s|ed))|too large|size limits?"
        r"|(message|mail) size|exceed(s|ed)? .{0,30}size|(nachricht|message).{0,20}"
        r"(zu gro(ß|ss)|trop volumineux)|サイズ.{0,12}(超|制限|大き)|邮件过大|超过.{0,6}大小",
        _SOFT,
        Cause.TOO_LARGE,
        "552 Message too large",
    ),
    TextRule(
        r"smtputf8|non-?ascii|internationali[sz]ed",
        _SOFT,
        Cause.SYSTEM,
        "550 The server takes no such address (SMTPUTF8)",
    ),
    TextRule(
        r"(malformed|unexpected|bad|invalid) (or \w{1,12} )?(name ?server|dns) (reply|response"
        r"|answer)s?|name ?server (reply|time-?out|timed out|failure|problem|busy|unavailable)"
        r"|host.{0,60} (not found|unknown|unresolvable)[,;:]? (please )?(re)?try( again)?"
        r"|(dns|name ?server|name service|host(name)?|domain|mx|cname|address|a record)s?( name)?"
        r" (look ?-?ups?|resolution|quer(y|ies)) (has |have )?(fail(ed|ure|ures|s)?(?! permanent)"
        r"|timed? ?-?out|errors?|problems?|deferred|did not complete|incomplete)"
        r"|servfail|dns (failure|time-?out|problem|trouble)s?|in name resolution",
        _SOFT,
        Cause.NETWORK,
        "554 Host not found, try again",
    ),
    TextRule(
        r"(re)?try(ing)? (again )?later|temporar(y|ily)"
        r"|vorübergehend|temporairement|temporalmente|temporaneamente|временно|一時的|暂时|稍后",
        _SOFT,
        Cause.SYSTEM,
        "554 Not now, try again later",
    ),
    TextRule(
        r"connection\b.{0,60} timed out|connections? (?:(?:was|has|been|is) ?)*"
        r"(refused|lost|reset|closed|dropped|failed|broken|aborted|interrupted|died)"
        r"|(lost|broken|no|closed( the)?) connection"
        r"|(could( not|n['’]t)|can( not|not|['’]t)|unable to|failed to) (connect|contact)"
        r"|network (is )?(unreachable|error|problem|down)|no route to host"
        r"|host (is )?(unreachable|down)|(not|n['’]t) respond(ing|ed)?|no (answer|response)",
        _SOFT,
        Cause.NETWORK,
        "554 Connection refused",
    ),
    TextRule(
        r"(envelope|message|delivery|queue|retry|retries|attempts?) "
        r"(?:(?:has|have|was|is|time|timeout|period|lifetime|limit|count|in|the|queue) ?)*"
        r"(expired|exceeded)"
        r"|expired (in|from) (the )?queue|timed? ?-?out|time-?out"
        r"|(in|on) (the |our )?(mail )?queue (for )?too long|too long (in|on) (the |our )?queue"
        r"|(undeliver(able|ed)|deliver(ed|y)?|sen[dt]|trying|tried|retried|queued?)\b.{0,30}"
        r"\b(for|in|after|within) .{0,12}\d{1,3}(\.\d)? (days?|hours?)"
        r"|max(imum)? (number of )?(retry|retries|retry time|attempts|delivery attempts|queue time"
        r"|age).{0,20}(exceeded|reached)|(delivery|delivery attempts) .{0,12}(failed|gave up) "
        r"after|delivery failed \d{1,3} attempts|deleted from (the )?queue|配送.{0,6}期限",
        _SOFT,
        Cause.EXPIRED,
        "554 Envelope expired",
    ),
    TextRule(
        r"loop(ing|s|ed)?|too many (hops|received)|hop count",
        _SOFT,
        Cause.SYSTEM,
        "554 The message is looping",
    ),
)
"""What passes, and what says nothing of whether somebody is there."""

_NOBODY_THERE: tuple[TextRule, ...] = (
    TextRule(
        rf"{_WHO}{_NAMED}(?:name |address |email )?{_IS}"
        rf"(?:{_NOT}(found|known|exist(s|ent|ing)?|listed|valid|active|here|recogni[sz]ed|located"
        r"|registered|match(ed)?)|unknown|invalid|unrecogni[sz]ed|non-?existent)",
        _HARD,
        Cause.USER_UNKNOWN,
        "550 Recipient address rejected: User unknown in local recipient table",
    ),
    TextRule(
        r"(unknown|invalid|unrecogni[sz]ed|non-?existent|bad|illegal|no such"
        r"|no valid(?! recipients?)|not an? (valid|known))"
        r"[ -](local |virtual |email |e-mail |mail ?|recipient |receiver |delivery )?"
        rf"({_WHO}|destination|local[ -]?part)"
        rf"|no ({_WHO}){_NAMED}(here|by that|by this|with that|with this|of that|found)"
        r"|contain a valid address|recip(ient)?notfound"
        r"|not listed in (the )?([\w&]{1,20} ){0,4}(directory|address book)"
        rf"|{_WHO}\b.{{0,60}}\b(could|can|was|were)(n['’]t| ?not) (be )?(found|located|identified)"
        r"|(doesn['’]t|does not) have an? .{0,40}\b(account|mailbox)",
        _HARD,
        Cause.USER_UNKNOWN,
        "550 No such user here",
    ),
    TextRule(
        rf"({_WHO}|employee)\b.{{0,60}}\bno longer|{_WHO}\b.{{0,40}}\bhas (been )?(moved|changed)"
        rf"|({_WHO}|employee) has left|no longer (an? )?(employee|employed|works?|with us)",
        _HARD,
        Cause.MOVED,
        "550 Recipient no longer on server",
    ),
    TextRule(
        rf"{_WHO}\b.{{0,40}}\b(disabled|deactivated|inactive|discontinued)"
        rf"|{_WHO}{_NAMED}{_IS}(?:permanently |administratively )?(suspended|closed|terminated"
        r"|deleted|removed|cancell?ed|abandoned|expired)"
        rf"|(inactive|disabled|deactivated|closed|suspended) {_WHO}",
        _HARD,
        Cause.DISABLED,
        "550 This mailbox is disabled",
    ),
    TextRule(
        rf"not our customer|no {_WHO} named|no local {_WHO}|nobody (here )?by that"
        rf"|(wrong|incorrect|unregistered|misspelled) (e-?mail )?{_WHO}"
        rf"|…@…[>)\"']{{0,3}}[:, ]{{0,2}}{_IS}(?:{_NOT}(found|known|valid)|unknown|invalid)"
        rf"|{_WHO}{_NAMED}{_IS}not in (my|our|the) [\w ]{{0,30}}(list|database)"
        rf"|{_WHO}\b.{{0,30}}\b(is|was|are) (not known|unknown)"
        r"|not (our|a local) (user|mailbox)|not an? (user|mailbox) here|mailbox is not available on"
        rf"|{_WHO}\b.{{0,40}}\bnot (registered|present in (the )?directory|in (the )?directory)"
        rf"|(unable|failed) to (find|locate) (the )?{_WHO}|d(oe|o)sn['’]?t exist",
        _HARD,
        Cause.USER_UNKNOWN,
        "550 No user named Ada is here",
    ),
    TextRule(
        rf"(host|domain|mail server|machine)s?( or domain)?( name)?(?: [\w-]{{1,60}})?{_NAMED}"
        rf"(?:[\[(][0-9a-f.:]{{2,45}}[\])]:? ?)?{_IS}"
        rf"(?:{_NOT}(found|exist|known|resolved|located)|unknown|non-?existent|unresolvable)"
        r"|nxdomain|null ?mx|not? (an? )?valid (mail )?(host|domain)"
        r"|mail server for .{1,80} unknown"
        r"|(host|domain|server|site|system)\b.{0,30}\b(does|do|will)(n['’]t| not) (accept|receive) "
        r"(any )?(incoming )?(e-?mail|mail|messages)"
        r"(?! (from|by|with|larger|over|at|now|right|until|that|which|for))"
        r"|cannot find (a |any )?mail exchanger|no (mx|smtp service|mail exchangers?)"
        r"|does(n't| not) exist|find any host named|host found but no data record"
        r"|host address lookups failed permanently|point(s|ing)? to (a )?non-?existent hosts?"
        r"|(unknown|no such|invalid|illegal|bad|unrouteable|unroutable|non-?existent) (mail )?"
        r"(hosts?|domains?|destinations?|(host|domain) ?names?|host/domain( syntax)?)"
        r"|(unrouteable|unroutable|unknown) (mail )?address(es)?",
        _HARD,
        Cause.HOST_UNKNOWN,
        "550 Host or domain name not found",
    ),
    TextRule(
        r"mailbox unavailable",
        _HARD,
        Cause.USER_UNKNOWN,
        "550 Requested action not taken: mailbox unavailable",
    ),
    TextRule(
        r"(utilisateur|destinataire|adresse|boîte)\b.{0,40}\b(inconnue?s?|invalides?|inexistante?s?)"
        r"|(adresse|destinataire|utilisateur)\b.{0,60}\b(introuvables?|n['’ ]existe pas)"
        r"|(benutzer|empf[äa]e?nger|adresse|mailbox|postfach)\w*\b.{0,40}\b(unbekannte?r?"
        r"|existiert nicht|ung[üu]ltig)|(unbekannter?|ungültiger?) (benutzer|empfänger|adresse)\w*"
        r"|(adresse|empfänger|benutzer|postfach)\b.{0,60}\bnicht (gefunden|vorhanden|bekannt)"
        r"|(usuario|destinatario|buz[oó]n|utente|cuenta)\b.{0,40}\b(desconocid[oa]|no existe"
        r"|inexistente|no encontrad[oa]|sconosciuto|inesistente)"
        r"|(usu[áa]ri[oa]|endereço|destinat[áa]rio|caixa|conta)\b.{0,60}"
        r"\b(n[ãa]o existe|desconhecid[oa]|inv[áa]lid[oa]|inexistente)"
        r"|(indirizzo|casella|utente|direcci[oó]n|correo)\b.{0,60}"
        r"\b(non (esiste|valid[oa]|trovat[oa])|no (existe|se encontr[oó])|inesistente)"
        r"|(gebruiker|adres|ontvanger)\b.{0,40}\b(onbekend|bestaat niet)"
        r"|(użytkownik|adres|konto|skrzynka)\b.{0,40}\b(nieznan[ya]|nie istnieje)"
        r"|(uživatel|adresa|schránka)\b.{0,40}\bneexistuje",
        _HARD,
        Cause.USER_UNKNOWN,
        "550 Adresse de destinataire inconnue",
    ),
    TextRule(
        r"(пользовател|адрес|ящик|получател)\w*.{0,40}"
        r"(не (найден|существует)|несуществующ|неизвест)\w*"
        r"|(не существует|нет такого|несуществующ\w*|неизвестн\w*).{0,40}"
        r"(пользовател|адрес|ящик|получател)\w*"
        r"|(ユーザー?|宛先|あて先|受信者|アドレス|メールボックス|ディレクトリ|リスト).{0,30}"
        r"(存在しません|存在しない|見つかりません|見つからない|ありません|不明|無効|登録されていません)"
        r"|(用户|用戶|帐号|账号|邮箱|郵箱|收件人|地址|帐户|账户).{0,10}(不存在|无效|無效|未找到|未知)"
        r"|(无此|查无此|没有此|找不到)(用户|邮箱|收件人|帐号|账号)"
        r"|(사용자|수신자|주소|계정).{0,20}(존재하지|찾을 수 없|없습니다)",
        _HARD,
        Cause.USER_UNKNOWN,
        "550 пользователь не найден",
    ),
    TextRule(
        r"(domaine|domain|dominio|domínio)\b.{0,40}\b(inconnu|introuvable|n['’ ]existe pas"
        r"|existiert nicht|nicht gefunden|no existe|non esiste|não existe)"
        r"|домен\w*.{0,30}не (найден|существует)|(域名|ドメイン).{0,16}"
        r"(不存在|無効|无效|存在しません|見つかりません)|找不到.{0,6}域名",
        _HARD,
        Cause.HOST_UNKNOWN,
        "550 Le domaine est inconnu",
    ),
)
"""By which nobody is there, and nobody will be."""

_LOOSE: tuple[TextRule, ...] = (
    TextRule(
        r"(?<!to )(?<!to the )senders?('s)?|(mail|envelope|header)[ -]from|return[ -]path"
        r"|originator",
        _BLOCKED,
        Cause.SENDER,
        "550 Something about the sender",
        loose=True,
    ),
    TextRule(
        r"(system|internal|local|server|software|configuration|i/?o|disk|database) "
        r"(errors?|problems?|failures?|trouble)|service (is )?(currently )?(unavailable"
        r"|not available)|lookup failure|deferred|try again",
        _SOFT,
        Cause.SYSTEM,
        "554 Internal error",
        loose=True,
    ),
)
"""What often stands beside the matter: it counts where nothing else is said."""

TEXT_RULES: tuple[TextRule, ...] = (*_ABOUT_US, *_PASSING, *_NOBODY_THERE, *_LOOSE)
"""The first row whose words are found counts."""

UNKNOWN = TextRule("", _SOFT, Cause.UNDETERMINED, "550 Message rejected")
"""What nobody can tell is soft: it counts, no more."""


def spoken_rules(text: str) -> list[TextRule]:
    """Return every row whose words are in a text without names, the one that counts first."""
    return [rule for words, rule in _patterns() if words.search(text)]


def first_rule(text: str) -> TextRule | None:
    """Return the row that counts for a text without names."""
    return next((rule for words, rule in _patterns() if words.search(text)), None)


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[re.Pattern[str], TextRule]]:
    """Compile the table when the first text is asked about: most sends meet none."""
    return [(whole_words([rule.words]), rule) for rule in TEXT_RULES]
