"""Writes into the log what the kernel has denied the services, each denial with the rule that denies it.

Init is asked twice a second how often each was denied something, so nobody waits for it. Who tries everything doesn't
fill the log: equal denials are one line, and of each service come 64 lines at once at most, then one in four seconds.
What isn't kept any more is counted.

It is more urgent than those it watches: of one that is denied something without end, it would otherwise come too late
for what init tells it that there is.

Invariant: `Told` says how many of a service's denials were told, also after a restart; each is told once, or twice if
this service ended while it told it.
"""

from __future__ import annotations

from neokernel.abi.denials import KEPT_DENIALS
from neokernel.abi.description import MAXIMUM_NAME, MAXIMUM_SERVICES
from neokernel.abi.kinds import Kind
from neokernel.interfaces.clients.log_line import LogLine
from neokernel.interfaces.log import Level, Log
from neokernel.interfaces.system import Denial, GrantInfo, Trespass, Unknown, Watch
from neokernel.lang import Array, Span, Uses, array, size_of, struct, text_of, u8, u64, uses, wire, wire_view
from neokernel.runtime import system
from neokernel.runtime.must import must_get
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.services.audit.words import is_everyday, place_of, say, say_access, say_times

log: Uses[Log] = uses()
watch: Uses[Watch] = uses()

#: looks in a second
LOOKS: u64 = 2
#: lines of a service that come at once, if it had none for long; and seconds for each of those after them
AT_ONCE: u64 = 64
PAUSE: u64 = 4


@wire
class Told:
    """Of one service what outlives the process, zero at first; the services' stand behind each other."""

    count: u64


@struct
class Audit:
    frequency: u64
    told: Span[u8]
    #: by service, until when the lines that it had are paid for
    paid: Array[u64] = array(MAXIMUM_SERVICES)

    def look(self, now: u64) -> None:
        """Tell what is new of all services."""
        text: Array[u8] = array(MAXIMUM_NAME)
        answered = watch.own()
        own = u64(MAXIMUM_SERVICES) if isinstance(answered, Failure) else answered
        for index in range(u64(MAXIMUM_SERVICES)):
            found = watch.service(index, text[:])
            if isinstance(found, Unknown | Failure):
                return
            told = wire_view(Told, self.told[index * size_of(Told) :])
            if index == own:
                # That the log has ended can't be told by the log.
                told.count = found.denied
            if told.count < found.denied and self.paid[index] <= now + AT_ONCE * PAUSE * self.frequency:
                lines = tell(index, text_of(text[: min(found.length, MAXIMUM_NAME)].bytes()), told.count, found.denied)
                self.paid[index] = max(self.paid[index], now) + lines * PAUSE * self.frequency
                told.count = found.denied


def tell(index: u64, name: str, first: u64, end: u64) -> u64:
    """Tell of a service's denials from number `first` up to `end`: in how many lines."""
    kept = max(first, end - min(end, KEPT_DENIALS))
    lost = kept - first
    lines: u64 = 0
    # Of what isn't kept, that it was like the rest is the best guess.
    worst = Level.INFO
    number = kept
    while number < end:
        denial = watch.denial(index, number)
        times = equal_from(index, number, end, denial)
        number += times
        lines += 1
        match denial:
            case Denial():
                if not tell_call(index, name, denial, times):
                    worst = Level.WARNING
            case Trespass():
                tell_access(name, denial, times)
                worst = Level.WARNING
            case _:
                lines -= 1
                lost += times
    if lost != 0:
        lines += 1
        line = LogLine()
        line.write(f"{name} was denied something {lost} times more, of which nothing is kept")
        _ = log.write(Level.WARNING if lines == 1 else worst, line.text())
    return lines


def equal_from(index: u64, number: u64, end: u64, denial: Denial | Trespass | Unknown | Failure) -> u64:
    """How many, from `number` up to `end`, are this one over and over."""
    times: u64 = 1
    while number + times < end and is_same(watch.denial(index, number + times), denial):
        times += 1
    return times


def is_same(one: Denial | Trespass | Unknown | Failure, other: Denial | Trespass | Unknown | Failure) -> bool:
    match one:
        case Denial():
            return isinstance(other, Denial) and one == other
        case Trespass():
            return isinstance(other, Trespass) and one == other
        case _:
            return False


def tell_call(index: u64, name: str, denial: Denial, times: u64) -> bool:
    """Is it everyday?"""
    text: Array[u8] = array(MAXIMUM_NAME)
    place = place_of(denial.capability)
    found = Unknown.GRANT if place is None else watch.grant(index, place, text[:])
    grant = found if isinstance(found, GrantInfo) else None
    length = 0 if grant is None else min(grant.length, MAXIMUM_NAME)
    line = LogLine()
    say(line, name, denial, grant, text_of(text[:length].bytes()))
    say_times(line, times)
    everyday = is_everyday(denial, grant)
    _ = log.write(Level.INFO if everyday else Level.WARNING, line.text())
    return everyday


def tell_access(name: str, trespass: Trespass, times: u64) -> None:
    line = LogLine()
    say_access(line, name, trespass)
    say_times(line, times)
    _ = log.write(Level.WARNING, line.text())


def main(process: Process) -> None:
    state = process.state()
    assert len(state) >= MAXIMUM_SERVICES * size_of(Told), "its `preserve` is smaller than that of its service.toml"
    never = must_get(process.make(Kind.NOTIFICATION))
    audit = Audit(frequency=process.frequency, told=state)
    process.ready()
    while True:
        audit.look(system.now())
        _ = system.wait(never, system.now() + process.frequency // LOOKS)
