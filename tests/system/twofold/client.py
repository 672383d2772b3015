"""Calls both, by their own names and by each other's."""

from __future__ import annotations

from contracts import Private, Public

from neokernel.lang import Uses, slot_of, u64, uses
from neokernel.runtime import system
from neokernel.runtime.must import must
from neokernel.runtime.objects import Console, Power
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

public: Uses[Public] = uses()
private: Uses[Private] = uses()
console: Uses[Console] = uses()
power: Uses[Power] = uses()


def main(process: Process) -> None:
    tell(process, "public", public.add(3))
    tell(process, "private", private.add(100))
    # The contract that is served, by the right to call the other one.
    masked: Uses[Public] = uses(slot_of(private))
    tell(process, "public by private", masked.add(100))
    foreign: Uses[Private] = uses(slot_of(public))
    tell(process, "private by public", foreign.add(100))
    tell(process, "public", public.add(4))
    must(system.power_off(slot_of(power), 0))


def tell(process: Process, what: str, answer: u64 | Failure) -> None:
    if isinstance(answer, Failure):
        process.console.write(f"{what}: {answer.status.name} of argument {answer.argument}\n")
    else:
        process.console.write(f"{what}: {answer}\n")
