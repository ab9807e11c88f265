"""The words by which mail systems are known where they write no fields: patterns as data.

What a refusal means is not here: `newsletter.delivery.bounce_classes` holds that table. No row may
name a host, a person or a sample: a row is for a way of speaking that more than one system has.
Patterns are for one line of text, in any case, and are found as whole words.
"""

from __future__ import annotations

import re
from functools import lru_cache

from newsletter.whole_words import whole_words

DAEMONS = (
    r"mailer-?daemon|post[-_]?master|poostmaster|double-bounce|mail ?-?daemon"
    r"|mail[ ._-]{0,2}deliver(y|er)?[ ._-]{0,2}(sub)?(system|service|agent)?"
    r"|delivery[ ._-]subsystem"
    r"|mail (system|administrator|router|transport)|internet mail delivery|system administrator"
    r"|systemadministrator|administrateur syst\w*|administrador del sistema|mmsc\w*|mdaemon|mta\d*"
    r"|undeliverable|mail[ ._-](service|gateway|server)|smtp[ ._-]",
)
"""Who speaks: name or local part in `From`."""

FAILURE_SUBJECTS = (
    r"undeliver(able|ed)|un-?delivered|non-?deliver(y|able|ed)|not (be )?delivered"
    r"|return(ed)? (e?-?mail|to sender)",
    r"(mail|delivery|message|transmission|send) (delivery )?"
    r"(status|failures?|failed|errors?|problems?)",
    r"(failure|failed|error).{0,20} (notice|delivery|deliver|mail|message|sending)",
    r"(returning|returned|bounced|rejected|refused) (mail|message|email)|bounce notification"
    r"|(mail|delivery|message).{0,12} warning",
    r"delivery (status )?(notifications?|reports?|has failed|delayed)|deliverability|mail error",
    r"(delayed|could ?n['o]t (be )?(sen[dt]|deliver(ed)?)|unable to deliver|can['n]?o?t deliver)",
    r"unzustellbar\w*|nicht zustellbar|(nicht zugestellt|zustellung\w*)|échec|non remis\w*"
    r"|non distribu\w*|no entregad\w*|no se pudo",
    r"mancat[ao] (consegna|recapito)|não (foi )?entreg\w*|falha|niet bezorg\w*|onbestelbaar",
    r"не (доставлен\w*|удалось)|ошибка доставки|недоставлен\w*|(ne)?doručen\w*|niedostarcz\w*",
    r"配信(不能|失敗|エラー|できません)|エラーメール|送信(エラー|できません)|届きません|遅延",
    r"(退信|投递失败|投遞失敗|无法投递|系统退信|邮件被退回)|배달|반송",
    r"user unknown|host unknown|mailbox full|postmaster notify|service unavailable|warning: ",
)

NOTICES = (
    r"(could|can) ?(not|n't|n’t) (be )?(deliver|sen[dt]|reach|process)(ed)?"
    r"|(was|were)(n't|n’t| not) deliver(ed|able)",
    r"(unable|failed|failure|trouble|impossible|not possible|error).{0,40} "
    r"(deliver|send|transmit)(y|ing|ed)?",
    r"deliver(y|ing).{0,60} (fail(ed|ure|s)?|errors?|problems?|delayed|not possible|impossible)"
    r"|undeliver(able|ed)",
    r"(following|these|one or more|below).{0,30} (address|recipient|destination|user)(s|es|\(s\)"
    r"|\(es\))?",
    r"did not reach|has been (rejected|refused|returned)|was (rejected|refused|returned|bounced)",
    r"transcript of session|returned message|non-deliver(y|able)"
    r"|permanent(ly)? (fatal )?(errors?|fail(ed|ure|ures)?)",
    r"remote (host|server|mail server|smtp server).{0,20} (said|repl(y|ied)|respon(se|ded)"
    r"|return(ed|s)?|reject(ed|s)?|answer(ed)?)",
    r"(server|host).{0,60} (failed with|responded|rejected|said)|error message below|rcpt to:",
    r"your (mail|message|e-?mail).{0,40} (delayed|not yet|been delivered yet|rejected|delivered)",
    r"failure reasons?|reason for (the )?failure|mail delivery (failed|failure)|delivery errors?",
    r"user (mailbox|unknown)|unknown user|for the following reasons?",
    r"échec|impossible de|n'a pas (pu|été)|nicht zugestellt|unzustellbar\w*|konnten? nicht"
    r"|no (se )?(pudo|ha podido)",
    r"non (è stato possibile|consegnat[ao])|não (pôde|foi)|niet (worden )?(bezorgd|afgeleverd)",
    r"не (может быть|было|удалось) доставл\w*|не доставлен\w*|недоставлен\w*",
    r"配信でき|送信でき|送れません|届け|お届け|配送でき|配達|宛先|リストにありません|見つかりません",
    r"无法(投递|送达|发送|投遞)|投递失败|退回|退信|無法|전송|배달",
)
"""What a mail system writes where it could not deliver."""

DELAYS = (
    r"(still|will) (being|be) (re-?)?(tried|retried|attempted)|will be (tried|attempted) again",
    r"attempts (will|is|to) (keep|continue|be retrying|retry)|(will|is|to) (keep|continue|be"
    r" retrying|retry).{0,40} (try(ing)?|deliver(y)?|send(ing)?|retry(ing)?)|will retry"
    r"|(will|is|to) (keep|be) (trying|retrying)",
    r"(has|have) (been delayed|not yet been (delayed|delivered))"
    r"|(message|mail|delivery) (is |was )?delayed",
    r"(could not|cannot|unable to|not) (be )?(sen[dt]|deliver(ed)?) .{0,40} ?(for|in) "
    r"(the )?(past|last|more than) [\d.]+ (hour|minute|day)s?",
    r"this is (just |only )?a warning( message)?( only)?|postponed"
    r"|do not need to re-?send|not yet been delivered|still undelivered",
    r"delivery status notification \(delay|delayed (mail|delivery)"
    r"|temporary (delivery )?failure report",
    r"verzögert\w*|retardée?|a été différé|ritardat[ao]|retrasad[ao]|atrasad[ao]|задержан\w*"
    r"|отложен\w*|遅延|延迟|延遲",
)

FINALS = (
    r"giv(e|en|ing) up|gave up|no (further|more) (attempt|deliver|retr)\w*"
    r"|not be (re-?tried|attempted)",
    r"permanent(ly)?|has expired|(message|retry) time(out)? exceeded|failed permanently|has failed",
    r"5[0-7]\d[ -]5\.\d|(too|so) (long|many times).{0,40} ?(queue|retry|retries|attempts?)"
    r"|final attempt|queue too long",
)
"""What says that it is over, though the text speaks of waiting too."""

AUTOREPLY_SUBJECTS = (
    r"auto(mati[ck])?[ -]?(reply|replay|response|responder|answer)|auto ?:|autoreply|autosvar",
    r"out of (the )?(office|town)|out-of-office|ooo:|away from|vacation"
    r"|on (vacation|holiday|leave)",
    r"abwesen(d|heit)\w*|automatische (antwort|e-?mail)|autoresp\w*|absen(ce|t)"
    r"|réponse automatique",
    r"respuesta automática|fuera de (la )?oficina|risposta automatica|fuori (sede|ufficio)",
    r"resposta automática|ausência|automatisch antwoord|afwezig(heid)?"
    r"|automati(sk|cká|czna)|frånvaro",
    r"автоответ\w*|автоматический ответ|вне офиса|自動(応答|返信)|不在|自动(回复|答复)|自動回覆",
    r"자동 ?(회신|응답)|부재|otomatik yan\w*|poissa",
)

BOILERPLATE = (
    r"this is a permanent error\.?|a message that you (have )?sent|this message was created auto\w*"
    r"( by mail delivery software)?|returning message to sender|returned to sender"
    r"|the original message was received at.*|if you do so,? please include.*"
    r"|for further assistance.*|please do not reply.*|do not reply to this.*|delete your own text.*"
    r"|(please )?contact (your|the) [\w -]{0,40}(administrator|postmaster|support).*"
    r"|for more (tips|information).*|permanent fatal errors?|transcript of session follows"
    r"|(you|the sender) (do|does) not need to.*|this is the mail system at host.*"
    r"|final attempt|the following (users?|recipients?|address(es)?).{0,40}",
)
"""What says nothing of the reason."""


@lru_cache(maxsize=16)
def compiled(rows: tuple[str, ...]) -> re.Pattern[str]:
    """Return rows as one pattern, compiled when first asked for."""
    return whole_words(rows)


LONGEST_LINE = 1000


def speaks(rows: tuple[str, ...], text: str) -> bool:
    """Return whether a text holds one of the ways of speaking."""
    pattern = compiled(rows)
    return any(pattern.search(line[:LONGEST_LINE]) for line in text.split("\n")[:400])


def is_reply(subject: str) -> bool:
    """Return whether a subject is that of a person who answers or forwards."""
    return (
        re.match(r"\s{0,9}(re|fwd?|aw|wg|tr|sv|rv|вы|转发|回复)\s{0,3}(\[\d+\])?:", subject, 2)
        is not None
    )
