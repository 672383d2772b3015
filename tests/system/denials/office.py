"""Serves `Office`: takes what is posted to it."""

from __future__ import annotations

from contracts import Notes, Office

from neokernel.lang import Provides, Takes, provides, struct, takes, u32, u64
from neokernel.runtime.lend import Lent
from neokernel.runtime.process import Process
from neokernel.runtime.ring import Broken

office: Provides[Office] = provides()


@struct
class Clerk:
    ring: Lent = Lent(0, 0)
    sum: u64 = 0

    def open(self, ring: Lent) -> None:
        self.ring = ring

    def count(self) -> u64:
        notes: Takes[Notes] = takes(self.ring, 0)
        taken = notes.take(self, u32(8))
        assert not isinstance(taken, Broken), "the ring is in order"
        return self.sum

    def note(self, number: u64) -> None:
        self.sum += number


def main(process: Process) -> None:
    clerk = Clerk()
    _ = office.serve(process, clerk)
