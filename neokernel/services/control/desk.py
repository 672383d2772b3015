"""What a control service does with each frame: one answer for each, put together in memory until the line takes it.

A CALL is passed on as it came, to the capability that its `Peer` is, and to none but those that the program has. So the
service's authority is what its system file grants, and its own code has none to give. What it passes on to init's
`System` is said in the log, with the operator's name, before it is done, and so is that somebody listens to a network,
or pushes a model; what only reads isn't.

Invariant: `ready` bytes of `out` are one whole answer, or none is due.
"""

from __future__ import annotations

from neokernel.abi.call import MAXIMUM_WORDS, REGISTER_WORDS, Call, failure, length_of, message
from neokernel.abi.status import INVOKED, Status
from neokernel.interfaces.clients.log_line import LogLine
from neokernel.interfaces.clients.names import Names
from neokernel.interfaces.log import Level, Log
from neokernel.interfaces.models import Keys
from neokernel.interfaces.recorder import Recorder
from neokernel.lang import (
    Array,
    Embedded,
    Provides,
    Span,
    Uses,
    array,
    copy,
    offset_of,
    provides,
    size_of,
    struct,
    text_of,
    truncate,
    u8,
    u32,
    u64,
    uses,
    usize,
    wire_view,
)
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.system import Message
from neokernel.services.control.protocol import (
    HEADER_SIZE,
    MAGIC,
    MOST_FRAME,
    VERSION,
    Asked,
    Challenge,
    Header,
    Kind,
    Peer,
    Reason,
    Refusal,
    Welcome,
)
from neokernel.services.control.recorder import Tape
from neokernel.services.control.session import Line

PEERS = 7
#: where they are in a Challenge
MACHINE = offset_of(Challenge, "machine")
NONCE = offset_of(Challenge, "nonce")
#: `System.post_mortem`, which changes nothing, by its number in messages
POST_MORTEM: u64 = 7
#: `Capture.begin`, and `Models.finish`, likewise
BEGIN: u64 = 1
FINISH: u64 = 4


@struct
class Desk:
    process: Process
    log: Log
    names: Embedded[Names]
    #: the index of each `Peer`'s capability, 0 for what this service hasn't; RECORDER is the service itself
    peers: Array[u64] = array(PEERS)
    #: that of who is told whose signatures of models are taken, likewise
    keys: u64 = 0
    line: Embedded[Line] = Line()
    tape: Embedded[Tape] = Tape()
    out: Array[u8] = array(MOST_FRAME)
    ready: usize = 0
    #: microseconds that nobody is greeted from now on, as somebody was refused
    pause: u64 = 0

    def greet(self, nonce: Span[u8]) -> None:
        """Somebody has come. `nonce` are fresh random bytes, none if there aren't any."""
        session = self.line.session
        if self.line.operators.count == 0:
            self.refuse(Reason.ENROLMENT, 0)
            return
        if len(nonce) != len(session.nonce):
            self.refuse(Reason.ENTROPY, 0)
            return
        copy(session.nonce[:], nonce.bytes())
        session.begin()
        body = self.begin(Kind.CHALLENGE, size_of(Challenge))
        challenge = wire_view(Challenge, body)
        challenge.magic, challenge.version = MAGIC, VERSION
        copy(body[MACHINE:NONCE], session.machine.bytes())
        copy(body[NONCE:], session.nonce.bytes())

    def hear(self, data: bytes) -> usize:
        """Bytes that came, up to the end of a frame: how many. If an answer is `ready` then, it goes out first."""
        session = self.line.session
        taken = session.take(data)
        found = session.due()
        if isinstance(found, Reason):
            self.line.guard.refused += 1
            self.refuse(found, 0)
        elif found is Kind.PROOF:
            self.prove()
            session.next()
        elif found is Kind.CALL:
            self.call()
            session.next()
        return taken

    # --- answers ------------------------------------------------------------------------------------------------------

    def begin(self, kind: Kind, length: usize) -> Span[u8]:
        """A frame of this length: its bytes behind the header, zeroes at first."""
        for place in range(HEADER_SIZE + length):
            self.out[place] = 0
        header = wire_view(Header, self.out[:HEADER_SIZE])
        header.kind, header.length = u8(kind.value), u32(length)
        self.ready = HEADER_SIZE + length
        return self.out[HEADER_SIZE : HEADER_SIZE + length]

    def refuse(self, reason: Reason, wait: u64) -> None:
        """Say why, and hear nothing more."""
        refusal = wire_view(Refusal, self.begin(Kind.REFUSED, size_of(Refusal)))
        refusal.reason, refusal.wait = u32(reason.value), wait
        self.line.session.shut()

    def prove(self) -> None:
        session, guard = self.line.session, self.line.guard
        reason = session.prove(self.line.operators)
        if reason is not None:
            self.pause = guard.failed()
            text = LogLine()
            text.write(f"somebody without an operator's key has tried to begin a session, {guard.wrong} times by now")
            self.say(Level.WARNING, text)
            self.refuse(reason, self.pause)
            return
        guard.succeeded()
        text = LogLine()
        text.write(f"operator {self.line.operators.name(session.operator)} has begun a session")
        self.say(Level.INFO, text)
        welcome = wire_view(Welcome, self.begin(Kind.WELCOME, size_of(Welcome)))
        welcome.frequency, welcome.time = self.process.frequency, system.now()
        welcome.operator = u32(session.operator)
        welcome.peers = 1
        for number in range(usize(1), PEERS):
            if self.peers[number] != 0:
                welcome.peers |= u32(1) << u32(number)

    def say(self, level: Level, text: LogLine) -> None:
        _ = self.log.write(level, text.text())

    # --- calls --------------------------------------------------------------------------------------------------------

    def call(self) -> None:
        """Make the call that the frame is, and answer with what it brought."""
        session = self.line.session
        peer = usize(session.header().peer)
        body = session.body()
        count = (len(body) - size_of(Asked)) // 8
        self.tape.calls += 1
        label = u64(wire_view(Asked, body[:8]).label)
        if peer == usize(Peer.SYSTEM.value) and self.peers[peer] != 0 and label & 0xFF != POST_MORTEM:
            # The log is called, too, so this comes before the words are in the thread's buffer.
            self.note(label, body, count)
        if peer == usize(Peer.CAPTURE.value) and self.peers[peer] != 0 and label & 0xFF == BEGIN:
            text = LogLine()
            text.write(f"operator {self.line.operators.name(session.operator)}: has frames of the network copied")
            self.say(Level.INFO, text)
        if peer == usize(Peer.MODELS.value) and self.peers[peer] != 0 and label & 0xFF == FINISH:
            text = LogLine()
            text.write(f"operator {self.line.operators.name(session.operator)}: pushes a model")
            self.say(Level.INFO, text)
            self.tell_keys()
        words: Array[u64] = array(REGISTER_WORDS)
        buffer = self.process.buffer
        for place in range(count):
            word = word_at(body, size_of(Asked) + place * 8)
            if place < REGISTER_WORDS:
                words[place] = word
            else:
                buffer.words[place - REGISTER_WORDS] = word
        asked = message(label, count)
        if peer == usize(Peer.RECORDER.value):
            self.answer(self.own(asked, words))
        elif peer >= PEERS or self.peers[peer] == 0:
            self.answer(Message(0, failure(Status.NO_CAPABILITY, INVOKED), 0, 0, 0, 0))
        else:
            found = system.enter(Call.CALL, self.peers[peer], asked, words[0], words[1], words[2], words[3])
            self.answer(found)

    def tell_keys(self) -> None:
        """Let the accelerator manager know who may sign models: whoever signs images. Nobody else has the enrolment. At
        each push: that manager may have begun anew, and with nothing."""
        keys: Uses[Keys] = uses(self.keys)
        enrolled = self.line.operators.enrolment
        for number in range(enrolled.count):
            if keys.enrol(u64(number), u64(enrolled.count), enrolled.public(number)) is not None:
                # It isn't there: then the push fails by itself. Or this line was left out, which the push says.
                return

    def own(self, asked: u64, words: Array[u64]) -> Message:
        """Of the service itself."""
        served: Provides[Recorder] = provides(0)
        guard, tape = self.line.guard, self.tape
        tape.sessions, tape.wrong, tape.refused = guard.sessions, guard.wrong, guard.refused
        made = served.dispatch(self.tape, Message(1, asked, words[0], words[1], words[2], words[3]))
        return Message(0, made.word, made.w0, made.w1, made.w2, made.w3)

    def answer(self, found: Message) -> None:
        count = min(length_of(found.word), MAXIMUM_WORDS)
        body = self.begin(Kind.ANSWER, 8 + count * 8)
        put_word(body, 0, found.word)
        buffer = self.process.buffer
        for place in range(count):
            word = buffer.words[place - REGISTER_WORDS] if place >= REGISTER_WORDS else found.w3
            if place == 0:
                word = found.w0
            elif place == 1:
                word = found.w1
            elif place == 2:
                word = found.w2
            put_word(body, 8 + place * 8, word)

    def note(self, label: u64, body: Span[u8], count: usize) -> None:
        """What is about to be asked of `System`: in words, by the method's number in messages."""
        text = LogLine()
        text.write(f"operator {self.line.operators.name(self.line.session.operator)}: ")
        first = argument(body, 0, count)
        match label & 0xFF:
            case 1:
                text.write("kill ")
                self.tell_name(text, first)
            case 2:
                text.write("stop ")
                self.tell_name(text, first)
            case 3:
                text.write("start ")
                self.tell_name(text, first)
            case 4:
                text.write("swap ")
                self.tell_name(text, first)
            case 5:
                text.write("lend a capability of ")
                self.tell_name(text, first)
                text.write(" to ")
                self.tell_name(text, argument(body, 2, count))
            case 6:
                text.write(f"take back loan {first}")
            case 8:
                text.write("power off")
            case _:
                text.write("nothing that is known")
        self.say(Level.INFO, text)

    def tell_name(self, text: LogLine, index: u64) -> None:
        name = self.names.of(index)
        if len(name) == 0:
            text.write(f"service {index}, of which nothing is known")
        else:
            text.write(text_of(name))


def argument(body: Span[u8], place: usize, count: usize) -> u64:
    """A word of the call; 0 of one that it hasn't."""
    return word_at(body, size_of(Asked) + place * 8) if place < count else 0


def word_at(data: Span[u8], place: usize) -> u64:
    found: u64 = 0
    for byte in range(usize(0), 8):
        found |= u64(data[place + byte]) << u64(byte * 8)
    return found


def put_word(data: Span[u8], place: usize, word: u64) -> None:
    for byte in range(usize(0), 8):
        data[place + byte] = truncate(u8, word >> u64(byte * 8))
