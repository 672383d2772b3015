"""A victim: counts on `Tally`, once a millisecond, and shows that it lives. What it has counted must be right."""

from __future__ import annotations

from contracts import Tally

from neokernel.abi.kinds import Kind
from neokernel.lang import Uses, u64, uses
from neokernel.runtime import system
from neokernel.runtime.must import must_get
from neokernel.runtime.process import Process

tally: Uses[Tally] = uses(lend=4096)


def main(process: Process) -> None:
    never = must_get(process.make(Kind.NOTIFICATION))
    counted: u64 = 0
    due = system.now()
    while True:
        counted += 3
        assert must_get(tally.add(3)) == counted, "nobody else counts on this sum"
        process.beat()
        due += process.frequency // 1000
        _ = system.wait(never, due)
