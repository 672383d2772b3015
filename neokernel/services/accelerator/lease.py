"""What one process is leased: pages of a bundle, filled here, in memory of the manager's.

Invariants: the pages are in `kept`, in the order of `interfaces/accelerator.py`, and are mapped nowhere here; what is
handed out are copies, with the rights that their part has, so no page can be written and executed. `pages` is 0 if
nothing is leased: then nobody has any of it.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_TABLE
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.rights import EXECUTE, READ, WRITE
from neokernel.interfaces.accelerator import MOST_PAGES, NoLease
from neokernel.interfaces.models import NoPush
from neokernel.lang import Embedded, struct, u16, u64
from neokernel.runtime import system
from neokernel.runtime.objects import Frame
from neokernel.runtime.process import Process
from neokernel.runtime.space import Kept, fill
from neokernel.runtime.system import Failure
from neokernel.services.accelerator.bundle import Loadable


@struct
class Lease:
    #: index of the Memory that all of it is made of, 0 as long as there is none: it is used again, as a whole
    memory: u64 = 0
    kept: Embedded[Kept] = Kept()
    pages: u64 = 0
    #: where its parts end, as pages of the lease
    head: u64 = 0
    code: u64 = 0
    constants: u64 = 0

    def make(self, process: Process, pool: u64, quota: u64, bundle: u64, parts: Loadable) -> NoPush | None:
        """Lease the parts of the bundle at the address `bundle`. `pool`: the Memory that each lease has `quota` bytes
        of. QUOTA: it is more than that."""
        self.take_back(process)
        if parts.pages() > MOST_PAGES:
            return NoPush.QUOTA
        if self.memory == 0:
            made = process.make_of(pool, Kind.MEMORY, quota)
            if isinstance(made, Failure):
                return NoPush.QUOTA
            self.memory = made
        table = process.make_of(self.memory, Kind.CAP_TABLE, parts.pages())
        if isinstance(table, Failure):
            return NoPush.QUOTA
        self.kept.table, self.kept.next = table, 0
        failure = self.copy(process, bundle, parts.head)
        if failure is None:
            failure = self.copy(process, bundle + parts.code, parts.code_pages)
        if failure is None:
            failure = self.copy(process, bundle + parts.constants, parts.constants_pages)
        if failure is None:
            failure = self.copy(process, bundle + parts.sample, parts.sample_pages)
        if failure is None:
            failure = self.copy(process, 0, parts.arena_pages)
        if failure is not None:
            self.take_back(process)
            return NoPush.QUOTA
        self.head = parts.head
        self.code = self.head + parts.code_pages
        self.constants = self.code + parts.constants_pages + parts.sample_pages
        self.pages = parts.pages()
        return None

    def copy(self, process: Process, source: u64, pages: u64) -> Failure | None:
        """So many pages more, with what is at this address; cleared ones, if that is 0."""
        for page in range(pages):
            frame = process.make_of(self.memory, Kind.FRAME)
            if isinstance(frame, Failure):
                return frame
            failure = fill(process, frame, source + page * PAGE_SIZE) if source != 0 else None
            if failure is not None:
                _ = process.drop(frame)
                return failure
            failure = self.kept.keep(process, frame)
            if failure is not None:
                return failure
        return None

    def page(self, process: Process, number: u64) -> Frame | NoLease:
        """A copy of a page, with what may be done with it."""
        if number >= self.pages:
            return NoLease.PAGE
        slot = process.slot()
        if isinstance(slot, Failure):
            return NoLease.PAGE
        if system.copy_out(process.buffer, self.kept.table, number, self.rights(number), slot) is not None:
            process.slots().release(slot)
            return NoLease.PAGE
        return Frame(slot)

    def rights(self, number: u64) -> u16:
        if self.head <= number < self.code:
            return READ | EXECUTE
        return READ if number < self.constants else READ | WRITE

    def take_back(self, process: Process) -> None:
        """All of it: who has pages mapped has them no more."""
        self.pages = 0
        if self.memory == 0:
            return
        failure = system.revoke(OWN_TABLE, self.memory)
        assert failure is None, "nobody can pin what only a process without devices has"
        if self.kept.table != 0:
            process.slots().release(self.kept.table)
            self.kept.table = 0
