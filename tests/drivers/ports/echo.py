"""Greets whoever connects, and sends back what it is sent, on two ports.

Of a first byte `k` it kills the ports' driver, of `h` it hangs up, of `q` it switches the machine off. Before that it
says whether init has as much as at the beginning.
"""

from __future__ import annotations

from neokernel.abi.kinds import Kind
from neokernel.abi.rights import SIGNAL
from neokernel.interfaces.port import MOST_BYTES, Gone, Port
from neokernel.interfaces.system import Resources, System, Watch
from neokernel.lang import Array, Uses, array, copy, slot_of, struct, u8, u64, uses, usize
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Console, Notification, Power
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

first: Uses[Port] = uses()
second: Uses[Port] = uses()
third: Uses[Port] = uses()
init: Uses[System] = uses()
watch: Uses[Watch] = uses()
power: Uses[Power] = uses()
console: Uses[Console] = uses()

#: the driver, among the services
DRIVER: u64 = 0


@struct
class Session:
    """One of the ports."""

    slot: u64
    #: of init, at the beginning
    resources: Resources
    buffer: Array[u8] = array(MOST_BYTES)
    number: u64 = 0
    #: what was read and not yet sent back
    held: usize = 0
    sent: usize = 0

    def attend(self, process: Process) -> bool | Failure:
        """Whatever can be done now. True: there may be more."""
        port: Uses[Port] = uses(self.slot)
        number = port.connection()
        if isinstance(number, Failure):
            return number
        if number != self.number:
            self.number, self.sent = number, 0
            self.held = self.greet() if number != 0 else 0
        if number == 0:
            return False
        if self.sent == self.held:
            came = port.read(number, self.buffer[:])
            if isinstance(came, Failure):
                return came
            if isinstance(came, Gone):
                return False
            self.held, self.sent = came, 0
            if came != 0:
                self.obey(process, port)
        taken = port.write(number, self.buffer[self.sent : self.held].bytes())
        if isinstance(taken, Failure):
            return taken
        if isinstance(taken, Gone):
            return False
        self.sent += taken
        return taken != 0

    def greet(self) -> usize:
        text = b"hello\n"
        copy(self.buffer[: len(text)], text)
        return len(text)

    def obey(self, process: Process, port: Uses[Port]) -> None:
        match self.buffer[0]:
            case 104:
                assert port.hang_up(self.number) is None
                self.held = 0
            case 107:
                assert init.kill(DRIVER) is None
            case 113:
                left = resources()
                same = left.memory == self.resources.memory and left.slots == self.resources.slots
                process.console.write("init has as much as before\n" if same else "init has less than before\n")
                process.console.write("good-bye\n")
                must(system.power_off(slot_of(power), 0))
            case _:
                pass


def main(process: Process) -> None:
    signals = must_get(process.make(Kind.NOTIFICATION))
    held = resources()
    one, other = Session(slot=slot_of(first), resources=held), Session(slot=slot_of(second), resources=held)
    assert must_get(third.connection()) == 0 and third.write(0, b"x") is Gone.PEER, "a port that the device hasn't"
    listen(process, signals)
    while True:
        found = one.attend(process)
        more = other.attend(process)
        if isinstance(found, Failure) or isinstance(more, Failure):
            # The driver's next life knows nothing of whom to tell.
            listen(process, signals)
        elif (
            not found and not more and isinstance(system.wait(signals, system.now() + process.frequency // 10), Failure)
        ):
            # One that has come and gone meanwhile didn't, either.
            listen(process, signals)


def listen(process: Process, signals: u64) -> None:
    """Be told by the driver of this life."""
    ask(process, signals, slot_of(first))
    ask(process, signals, slot_of(second))


def ask(process: Process, signals: u64, slot: u64) -> None:
    port: Uses[Port] = uses(slot)
    while True:
        own = must_get(process.derive(signals, SIGNAL))
        if port.notify(Notification(own)) is None:
            return
        if process.slots().is_taken(own):
            _ = process.drop(own)


def resources() -> Resources:
    """When all services run."""
    while True:
        found = must_get(watch.resources())
        if found.running == found.services:
            return found
