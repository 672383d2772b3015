"""Writes into the log what the kernel has denied the services, each denial with the rule that denies it.

Init is asked twice a second how often each was denied something, so nobody waits for it, and who tries everything
doesn't fill the log: of each service eight lines at a time, and how many more there were.

Invariant: `told` says how many of a service's denials were dealt with, also after a restart; each is told once, or
twice if this service ended while it told it.
"""

from __future__ import annotations

from neokernel.abi.denials import KEPT_DENIALS
from neokernel.abi.description import MAXIMUM_NAME, MAXIMUM_SERVICES
from neokernel.abi.kinds import Kind
from neokernel.interfaces.clients.log_line import LogLine
from neokernel.interfaces.log import Level, Log
from neokernel.interfaces.system import Denial, GrantInfo, Trespass, Unknown, Watch
from neokernel.lang import Array, Span, Uses, array, size_of, text_of, u8, u64, uses, wire, wire_view
from neokernel.runtime import system
from neokernel.runtime.must import must_get
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.services.audit.words import is_everyday, place_of, say, say_access

log: Uses[Log] = uses()
watch: Uses[Watch] = uses()

#: looks in a second
LOOKS: u64 = 2


@wire
class Told:
    """Of one service what outlives the process, zero at first; the services' stand behind each other."""

    count: u64


def look(state: Span[u8]) -> None:
    """Tell what is new of all services."""
    text: Array[u8] = array(MAXIMUM_NAME)
    for index in range(u64(MAXIMUM_SERVICES)):
        found = watch.service(index, text[:])
        if isinstance(found, Unknown | Failure):
            return
        told = wire_view(Told, state[index * size_of(Told) :])
        first = told.count
        told.count = found.denied
        if first < found.denied:
            tell(index, text_of(text[: min(found.length, MAXIMUM_NAME)].bytes()), first, found.denied)


def tell(index: u64, name: str, first: u64, end: u64) -> None:
    """Tell of a service's denials from number `first` up to `end`."""
    kept = max(first, end - min(end, KEPT_DENIALS))
    lost = kept - first
    for number in range(kept, end):
        denial = watch.denial(index, number)
        match denial:
            case Denial():
                tell_call(index, name, denial)
            case Trespass():
                tell_access(name, denial)
            case _:
                lost += 1
    if lost != 0:
        line = LogLine()
        line.write(f"{name} was denied something {lost} times more, of which nothing is kept")
        _ = log.write(Level.WARNING, line.text())


def tell_call(index: u64, name: str, denial: Denial) -> None:
    text: Array[u8] = array(MAXIMUM_NAME)
    place = place_of(denial.capability)
    found = Unknown.GRANT if place is None else watch.grant(index, place, text[:])
    grant = found if isinstance(found, GrantInfo) else None
    length = 0 if grant is None else min(grant.length, MAXIMUM_NAME)
    line = LogLine()
    say(line, name, denial, grant, text_of(text[:length].bytes()))
    _ = log.write(Level.INFO if is_everyday(denial, grant) else Level.WARNING, line.text())


def tell_access(name: str, trespass: Trespass) -> None:
    line = LogLine()
    say_access(line, name, trespass)
    _ = log.write(Level.WARNING, line.text())


def main(process: Process) -> None:
    state = process.state()
    assert len(state) >= MAXIMUM_SERVICES * size_of(Told), "its `preserve` is smaller than that of its service.toml"
    never = must_get(process.make(Kind.NOTIFICATION))
    process.ready()
    while True:
        look(state)
        _ = system.wait(never, system.now() + process.frequency // LOOKS)
