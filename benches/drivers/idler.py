"""Runs while nobody else does, so that the machine never idles, and counts what it executes itself.

It takes the number of instructions again and again. Of two readings that are further apart than usual, somebody else
ran between them.
"""

from __future__ import annotations

from counting import Count, Counting

from neokernel.lang import Provides, provides, u64, wire_view
from neokernel.runtime import system
from neokernel.runtime.lend import Lent, borrowed
from neokernel.runtime.process import Process

counting: Provides[Counting] = provides()

#: the meter: its number among the services, from 1 on
CLIENT = 6
#: readings that tell what is usual
READINGS = 1000
#: nobody else runs for so few instructions: it takes more to get there and back
LEAST = 150


def main(process: Process) -> None:
    found = borrowed(CLIENT, 0, 4096)
    assert isinstance(found, Lent)
    count = wire_view(Count, found.span())
    usual: u64 = 1 << 20
    own: u64 = 0
    last = system.instructions()
    for reading in range(u64(1) << 62):
        now = system.instructions()
        if reading < READINGS:
            usual = min(usual, now - last)
        # Rounds of the loop differ a little.
        own += now - last if now - last < usual + LEAST else usual
        count.own, count.others = own, now - own
        last = now
