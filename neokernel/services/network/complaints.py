"""What comes wrong, told in the log: how many packets of each kind since the last line, one line a minute at most.

Only what no correct sender sends on a link that damages nothing: what is for somebody else, late or too much is
counted, and isn't worth a line.
"""

from __future__ import annotations

from neokernel.interfaces.clients.log_line import LogLine
from neokernel.lang import Array, array, struct, u64, usize
from neokernel.services.network.clock import MINUTE
from neokernel.services.network.drop import REASONS, Counters, Drop


@struct
class Complaints:
    """`told`: of each reason, how many were told of; `next`: not before is it told of more."""

    told: Array[u64] = array(REASONS)
    next: u64 = 0

    def say(self, counters: Counters, said: LogLine, now: u64) -> bool:
        """What has come wrong; False: nothing that is to be told now."""
        if now < self.next:
            return False
        self.say_of(counters, Drop.LENGTH, "length", said)
        self.say_of(counters, Drop.CHECKSUM, "checksum", said)
        self.say_of(counters, Drop.FORM, "form", said)
        self.say_of(counters, Drop.OPTIONS, "options", said)
        self.say_of(counters, Drop.SOURCE, "source", said)
        self.say_of(counters, Drop.FRAGMENTS, "fragments", said)
        if said.length == 0:
            return False
        self.next = now + MINUTE
        return True

    def say_of(self, counters: Counters, reason: Drop, what: str, said: LogLine) -> None:
        place = usize(reason.value)
        fresh = counters.dropped[place] - self.told[place]
        if fresh == 0:
            return
        self.told[place] = counters.dropped[place]
        said.write("packets came wrong: " if said.length == 0 else ", ")
        said.write(f"{fresh} {what}")
