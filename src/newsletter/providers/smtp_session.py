"""One SMTP connection that takes messages, with each message's phase known (G11, G14).

Where the server offers PIPELINING (RFC 2920), the next message's envelope goes out behind this
one's final dot, in the same write: one round trip a message. Else the same dialogue goes command
by command.
"""

from __future__ import annotations

import time

from newsletter.providers.base import Outcome, OutcomeKind
from newsletter.providers.smtp_letters import Letter, Offers
from newsletter.providers.smtp_replies import Phase, Reply, outcome_of
from newsletter.providers.smtp_wire import LostConnection, Wire

_DOT = b".\r\n"
_TAIL = 2048
"""Bytes of a message held back for the write that makes it real."""
_QUIT_SECONDS = 5.0
_WANTED = {
    Phase.RSET: (250,),
    Phase.MAIL: (250,),
    Phase.RCPT: (250, 251, 252),
    Phase.DATA: (354,),
}
_PHASES = (Phase.MAIL, Phase.RCPT, Phase.DATA)


class BrokenOff(LostConnection):
    """The connection broke before the message was real, in the message's own phases.

    `blames`: the server had answered something to this very message.
    """

    def __init__(self, problem: str, *, blames: bool) -> None:
        super().__init__(problem)
        self.blames = blames


class Session:
    """An open connection that takes messages, one at a time, from one thread at a time.

    For each message: `offer` its envelope, `write` most of it, `finish` it. `clean` is whether
    nothing is half done, so that another message may follow. `answer_seconds` is how long the
    answer to a whole message is waited for: servers look at it first, and what they took and we
    do not know of would be sent twice (RFC 5321 §4.5.3.2.6).
    """

    def __init__(self, wire: Wire, offers: Offers, answer_seconds: float) -> None:
        self._wire = wire
        self._answer_seconds = answer_seconds
        self.offers = offers
        self.messages = 0
        """How many were offered."""
        self.answered = 0
        """How many the server took or refused in good order."""
        self.closing: Reply | None = None
        """The server's 421, once it was read."""
        self.clean = True
        self.idle_since = 0.0
        self._announced: Letter | None = None
        self._reset_is_due = False

    @property
    def alive(self) -> bool:
        """Whether the connection is still open as far as we know."""
        return self._wire.open

    def offer(self, letter: Letter) -> Outcome | None:
        """Have the server take the envelope; None when it waits for the message, else its no.

        Raises `BrokenOff` when the connection is lost.
        """
        self.messages += 1
        announced, self._announced = self._announced is letter, None
        if announced and self._wire.takes_envelope():
            return None
        commands = list(zip(_PHASES, letter.commands, strict=True))
        if self._reset_is_due:
            commands.insert(0, (Phase.RSET, b"RSET\r\n"))
        if not announced and self._wire.babbles:
            self.abort()
            raise BrokenOff("the server said something that nobody asked", blames=False)
        self.clean = False
        if self.offers.pipelining and not announced:
            self._say(b"".join(command for _, command in commands), blames=False)
        refusal = self._answers(letter, commands)
        self._reset_is_due = refusal is not None
        if refusal is not None:
            self.clean = self.alive
            self.answered += self.closing is None
        return refusal

    def _answers(self, letter: Letter, commands: list[tuple[Phase, bytes]]) -> Outcome | None:
        """Read the replies to an envelope, sending what is not on its way yet."""
        refusal: Outcome | None = None
        for phase, command in commands:
            blames = phase in (Phase.RCPT, Phase.DATA)
            if not self.offers.pipelining:
                self._say(command, blames=blames)
            try:
                reply = self._wire.reply()
            except LostConnection as lost:
                self.abort()
                if refusal is not None:
                    return refusal
                raise BrokenOff(
                    f"broke before the message was sent: {lost}", blames=blames
                ) from None
            if reply.code in _WANTED[phase]:
                if refusal is not None and phase is Phase.DATA:
                    # It waits for a message that has no recipient; whatever comes now is no good.
                    self.abort()
                continue
            if reply.code == 421 or not reply.refuses or phase is Phase.RSET:
                self.closing = reply if reply.code == 421 else None
                self.abort()
                if refusal is None and reply.code == 421 and blames:
                    return outcome_of(letter.delivery, phase, reply)
                if refusal is None:
                    raise BrokenOff(f"the server answered {phase} with: {reply}", blames=blames)
                return refusal
            if refusal is None:
                refusal = outcome_of(letter.delivery, phase, reply)
            if not self.offers.pipelining:
                break
        return refusal

    def write(self, letter: Letter) -> None:
        """Hand over all of the message but its last bytes; raises `BrokenOff`."""
        for piece in letter.pieces(_TAIL):
            self._say(piece, blames=True, more=True)
        # A reply too many would be taken for the one to the dot.
        if self._wire.babbles:
            self.abort()
            raise BrokenOff("the server said something before the message's end", blames=True)

    def finish(self, letter: Letter, following: Letter | None) -> Outcome:
        """Write the message's end and read what the server says to it.

        `following`: the next message, whose envelope is announced in the same write.
        """
        end = letter.tail(_TAIL) + _DOT
        real = len(end)
        if following is not None:
            end += b"".join(following.commands)
        lost: LostConnection | None = None
        try:
            self._wire.write(end)
        except LostConnection as error:
            lost = error
            if error.taken < real:
                self.abort()
                detail = f"broke before the message's end was written: {error}"
                return Outcome(letter.delivery, OutcomeKind.DEFERRED, detail=detail)
        try:
            reply = self._wire.reply(self._answer_seconds)
        except LostConnection as error:
            self.abort()
            detail = f"no answer to the dot: {error}"
            return Outcome(letter.delivery, OutcomeKind.UNKNOWN, detail=detail)
        outcome = outcome_of(letter.delivery, Phase.DOT, reply)
        if reply.code == 421 or outcome.kind is OutcomeKind.UNKNOWN:
            self.closing = reply if reply.code == 421 else None
            self.abort()
            return outcome
        self.answered += 1
        if lost is not None:
            self.abort()
            return outcome
        self._announced, self.clean = following, following is None
        return outcome

    def is_stale(self) -> bool:
        """Ask with a NOOP whether an idle connection is still good."""
        try:
            if self._wire.babbles:
                return True
            self._wire.write(b"NOOP\r\n")
            return self._wire.reply().code != 250
        except LostConnection:
            return True

    def idle(self) -> None:
        """Note when the connection was last used."""
        self.idle_since = time.monotonic()

    def quit(self) -> None:
        """End in good order, without waiting long for it."""
        try:
            if self.clean and self.alive:
                self._wire.seconds = min(self._wire.seconds, _QUIT_SECONDS)
                self._wire.write(b"QUIT\r\n")
                self._wire.reply()
        except LostConnection:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """End at once."""
        self.clean = False
        self._wire.close()

    def _say(self, data: bytes | memoryview, *, blames: bool, more: bool = False) -> None:
        try:
            self._wire.write(data, more=more)
        except LostConnection as lost:
            self.abort()
            raise BrokenOff(f"broke before the message was sent: {lost}", blames=blames) from None
