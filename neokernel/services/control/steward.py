"""Whom the control service serves beside its line: who passes on operators' orders, or watches the kernel's events.

They are clients like any other, and may be anybody's tools by now: a page that strangers reach. So orders count by
their signatures alone, and an operator's recording comes before theirs.
"""

from __future__ import annotations

from neokernel.abi.description import MAXIMUM_NAME
from neokernel.interfaces.clients.log_line import LogLine
from neokernel.interfaces.entropy import Entropy, NoEntropy
from neokernel.interfaces.log import Level
from neokernel.interfaces.orders import LIFETIME, MACHINE_SIZE, NONCE_SIZE, Ended, NotOrdered
from neokernel.interfaces.recorder import MOST_SECONDS, Counters, NoRing, Ring
from neokernel.interfaces.system import MOST_POST_MORTEM, Refused, System, Unknown, Watch
from neokernel.lang import Array, Embedded, Span, array, copy, size_of, struct, text_of, u8, u32, u64, wire, wire_view
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.services.control.desk import Desk
from neokernel.services.control.orders import Nonces, Order, Verb, is_signed, read_order

#: microseconds for each side of a replacement: the one who asks waits as long, and all whom this service serves
PATIENCE: u64 = 2_000_000
#: for how long no order is looked at after a wrong signature: seconds are divided by it
WAITS: u64 = 4


@wire
class Beginning:
    """Of a post-mortem: its numbers, the program's name, and the first register (`services/init/post_mortem.py`)."""

    service: u64
    cause: u64
    starts: u64
    time: u64
    fault: u64
    status: u64
    argument: u64
    address: u64
    access: u64
    used: u64
    free: u64
    identifier: u64
    stack_words: u64
    message_count: u64
    program: Array[u8] = array(MAXIMUM_NAME)
    counter: u64


@struct
class Steward:
    """Handles `Orders`."""

    process: Process
    desk: Desk
    entropy: Entropy
    watch: Watch
    init: System
    nonces: Embedded[Nonces] = Nonces(frequency=1)
    #: wrong signatures, and until when none is looked at
    wrong: u64 = 0
    until: u64 = 0

    def challenge(self, machine: Span[u8], nonce: Span[u8]) -> u64 | NotOrdered:
        line = self.desk.line
        if line.operators.count == 0:
            return NotOrdered.ENROLMENT
        if len(machine) != MACHINE_SIZE or len(nonce) != NONCE_SIZE:
            return NotOrdered.WORDS
        now = system.now()
        if self.nonces.is_due(now):
            random: Array[u8] = array(NONCE_SIZE)
            found = self.entropy.fill(random[:])
            if isinstance(found, NoEntropy | Failure) or found != NONCE_SIZE:
                return NotOrdered.ENTROPY
            self.nonces.renew(random.bytes(), now)
        copy(machine, line.session.machine.bytes())
        copy(nonce, self.nonces.fresh.bytes())
        return LIFETIME

    def carry_out(self, order: bytes, nonce: bytes, key: bytes, signature: bytes) -> Refused | NotOrdered | None:
        line = self.desk.line
        now = system.now()
        if line.operators.count == 0:
            return NotOrdered.ENROLMENT
        read = read_order(order)
        if read is None:
            return NotOrdered.WORDS
        if not self.nonces.is_good(nonce, now):
            return NotOrdered.NONCE
        if now < self.until:
            return NotOrdered.WAIT
        operator = line.operators.find(key)
        if operator is None or not is_signed(line.session.machine.bytes(), nonce, order, key, signature):
            self.suspect(now)
            return NotOrdered.KEY
        index = self.watch.find(read.service)
        if isinstance(index, Unknown | Failure):
            return NotOrdered.SERVICE
        self.nonces.use()
        text = LogLine()
        text.write(f"operator {line.operators.name(operator)}, by way of a page: {text_of(order)}")
        self.desk.say(Level.INFO, text)
        return self.have_done(read, index)

    def have_done(self, order: Order, index: u64) -> Refused | NotOrdered | None:
        done: Refused | Failure | None
        match order.verb:
            case Verb.KILL:
                done = self.init.kill(index)
            case Verb.STOP:
                done = self.init.stop(index)
            case Verb.START:
                done = self.init.start(index)
            case Verb.SWAP:
                program = order.program if len(order.program) != 0 else order.service
                done = self.init.swap(index, program, PATIENCE)
        # init doesn't end before its services do.
        return None if isinstance(done, Failure) else done

    def suspect(self, now: u64) -> None:
        """A wrong signature: look at none for a while, and say so, but not so often that the log has nothing else."""
        self.until = now + self.process.frequency // WAITS
        self.wrong += 1
        if self.wrong & (self.wrong - 1) == 0:
            text = LogLine()
            text.write(f"somebody without an operator's key has sent an order, {self.wrong} times by now")
            self.desk.say(Level.WARNING, text)

    def ended(self, number: u64) -> Ended | NotOrdered:
        data: Array[u8] = array(MOST_POST_MORTEM)
        found = self.init.post_mortem(number, data[:])
        if isinstance(found, Refused | Failure) or found < size_of(Beginning):
            return NotOrdered.END
        of = wire_view(Beginning, data[: size_of(Beginning)])
        return Ended(of.service, of.cause, of.starts, of.time, of.fault, of.status, of.counter, of.address)


@struct
class Onlooker:
    """Handles `Recorder` for who isn't an operator: what an operator records is that one's."""

    desk: Desk

    def counters(self) -> Counters:
        return self.desk.tape.counters()

    def record(self, events: u64) -> Ring | NoRing:
        return self.desk.tape.record_for_a_while(events, MOST_SECONDS * self.desk.process.frequency)

    def ring(self) -> Ring | NoRing:
        return NoRing.TAKEN if self.desk.tape.held else self.desk.tape.ring()

    def read(self, number: u64, into: Span[u8]) -> u32 | NoRing:
        return NoRing.TAKEN if self.desk.tape.held else self.desk.tape.read(number, into)

    def thread(self, index: u64) -> u32:
        return self.desk.tape.thread(index)
