"""A control service's line: who comes is challenged, what it says is heard, and what is answered goes out.

One client at a time, one answer after the other. While a client doesn't take its answer, nothing more of it is heard;
when it goes, what was for it is dropped. A driver that is restarted gives the same client another number: it is
challenged anew.

Where the service has an endpoint, calls of others are answered whenever the line has to be waited for (`steward.py`):
so a client of the line that takes nothing holds up nobody.

Invariant: nothing that was heard on one connection is answered on another.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_SPACE
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import READ, SIGNAL
from neokernel.abi.status import Status
from neokernel.interfaces.clients.log_line import LogLine
from neokernel.interfaces.entropy import Entropy, NoEntropy
from neokernel.interfaces.log import Level
from neokernel.interfaces.orders import Orders
from neokernel.interfaces.port import MOST_BYTES, Gone, Port
from neokernel.interfaces.recorder import Recorder
from neokernel.lang import Array, Provides, array, provides, span_at, struct, u8, u64, unsafe, usize
from neokernel.runtime import system
from neokernel.runtime.interface import provided_of, refused
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Device, Notification
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_kept
from neokernel.runtime.system import Failure, Message
from neokernel.services.control.desk import Desk
from neokernel.services.control.protocol import NONCE_SIZE
from neokernel.services.control.steward import Onlooker, Steward
from neokernel.stage.format import MOST_ENROLMENT

unsafe("the enrolment is where this process maps it")

ENROLMENT: u64 = 0x3A_2000_0000
#: how often, in a second, is looked without news
LOOKS: u64 = 4


@struct
class Link:
    process: Process
    desk: Desk
    port: Port
    entropy: Entropy
    #: signalled when there is news
    news: u64 = 0
    #: the connection, 0 for none; and when the next one is challenged at the earliest
    number: u64 = 0
    due: u64 = 0
    greeted: bool = False
    #: where others than operators call, 0 if nobody does; then `steward` handles their calls
    endpoint: u64 = 0
    reply: u64 = 0
    steward: Steward | None = None

    def serve(self) -> None:
        """For ever."""
        self.news = must_get(self.process.make(Kind.NOTIFICATION))
        if self.endpoint != 0:
            # What arrives at the endpoint and what the line has to say is waited for at once.
            self.reply = must_get(self.process.make(Kind.REPLY))
            must(system.bind(self.process.buffer, self.process.thread, Binding.NOTIFICATION, self.news))
        self.listen()
        self.process.ready()
        while True:
            self.process.beat()
            self.look()
            if self.number == 0 or not self.attend():
                self.pause()

    def look(self) -> None:
        """Who is there? And who has gone?"""
        self.desk.tape.end_what_is_over()
        number = self.port.connection()
        if isinstance(number, Failure):
            self.listen()
            number = 0
        if number != self.number:
            self.number = number
            self.greeted = False
            self.desk.line.session.shut()
            self.desk.tape.let_go()

    def attend(self) -> bool:
        """Challenge, or hear and answer. Was there anything to be done?"""
        if not self.greeted:
            if system.now() < self.due:
                return False
            self.greeted = True
            self.greet()
            self.send()
            return True
        data: Array[u8] = array(MOST_BYTES)
        count = self.port.read(self.number, data[:])
        if isinstance(count, Gone | Failure) or count == 0:
            return False
        return self.hear(data[:count].bytes())

    def hear(self, data: bytes) -> bool:
        """False: the connection has ended meanwhile."""
        desk = self.desk
        heard: usize = 0
        while heard < len(data):
            heard += desk.hear(data[heard:])
            if desk.pause != 0:
                self.due = system.now() + desk.pause * self.process.frequency // 1_000_000
                desk.pause = 0
            if desk.ready != 0 and not self.send():
                return False
        return True

    def greet(self) -> None:
        nonce: Array[u8] = array(NONCE_SIZE)
        found = self.entropy.fill(nonce[:])
        if isinstance(found, NoEntropy):
            # The device was reset meanwhile.
            found = self.entropy.fill(nonce[:])
        fresh = not isinstance(found, NoEntropy | Failure) and found == len(nonce)
        self.desk.greet(nonce[:] if fresh else nonce[:0])

    def send(self) -> bool:
        """The answer goes out. False: the connection has ended, and the answer with it."""
        desk = self.desk
        size = desk.ready
        desk.ready = 0
        done: usize = 0
        while done < size:
            piece = min(size - done, MOST_BYTES)
            taken = self.port.write(self.number, desk.out[done : done + piece].bytes())
            if isinstance(taken, Gone | Failure):
                return False
            if taken == 0:
                self.pause()
                self.process.beat()
            done += min(taken, piece)
        return True

    def pause(self) -> None:
        """Until there is news, or somebody has called; or for a while: who notifies may have been restarted."""
        deadline = system.now() + self.process.frequency // LOOKS
        if self.endpoint == 0:
            _ = system.wait(self.news, deadline)
            return
        # Whoever calls without end doesn't keep the line from being looked at.
        while system.now() < deadline:
            asked = system.receive(self.endpoint, self.reply, deadline)
            if isinstance(asked, Failure) or asked.is_signals():
                return
            self.answer(asked)

    def answer(self, asked: Message) -> None:
        """A call by somebody who isn't at the line."""
        steward = self.steward
        assert steward is not None, "who has an endpoint has one"
        orders: Provides[Orders] = provides(self.endpoint)
        recorder: Provides[Recorder] = provides(self.endpoint)
        if provided_of(asked.badge) == 0:
            made = orders.dispatch(steward, asked, self.reply)
        else:
            made = recorder.dispatch(Onlooker(desk=self.desk), asked, self.reply)
        if system.reply(self.reply, made.word, made.w0, made.w1, made.w2, made.w3) is not None:
            _ = system.reply(self.reply, refused(Status.NO_BUFFER, 0).word)

    def listen(self) -> None:
        """Have the port notify us; one that was restarted has forgotten."""
        copy = self.process.derive(self.news, SIGNAL)
        if isinstance(copy, Failure):
            return
        if self.port.notify(Notification(copy)) is not None and self.process.slots().is_taken(copy):
            _ = self.process.drop(copy)


def enrol(process: Process, desk: Desk, device: Device) -> None:
    """Take the operators' keys out of the board's enrolment; without any, nobody is let in, and the log says why."""
    frame = must_get(process.make_of(device.slot, Kind.FRAME))
    must(map_kept(process, OWN_SPACE, process.memory, ENROLMENT, READ, frame, None))
    line = desk.line
    refusal = line.operators.read(span_at(u8, ENROLMENT, MOST_ENROLMENT).bytes(), line.session.machine[:])
    if line.operators.count == 0:
        text = LogLine()
        text.write("nobody can begin a session: the board is enrolled with no operator's key")
        if refusal is not None:
            text.write(f" ({refusal.name})")
        desk.say(Level.WARNING, text)
