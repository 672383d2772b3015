"""What serves `Calls`."""

from __future__ import annotations

from calls import Level, Missing, Place, Trouble

from neokernel.abi.kinds import Kind
from neokernel.lang import Span, f64, i8, i64, struct, u8, u32, u64, usize, wrapping_add
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Notification
from neokernel.runtime.process import Process


@struct
class Handler:
    process: Process
    calls: u32 = 0

    def add(self, a: u64, b: u64) -> u64:
        self.calls += 1
        return wrapping_add(a, b)

    def moved(self, place: Place, by: i8) -> Place | Trouble:
        if place.level is Level.ODD:
            return Trouble.SIGNED
        if i64(place.column) + i64(by) > 127:
            return Trouble.FULL
        return Place(place.row, place.column + by, Level.ODD, not place.inside)

    def halved(self, number: f64) -> f64:
        return number / 2.0

    def many(self, a: u64, b: u8, c: i64, d: bool, e: Level, f: u32) -> i64 | Missing | Trouble:
        if e is Level.HIGH:
            return Missing(f, b)
        if d:
            return Trouble.FULL
        return c - i64(a)

    def write(self, level: Level, text: str) -> u32:
        found: u32 = 0
        for byte in text.encode():
            found += u32(byte)
        return found + u32(level.value)

    def join(self, left: bytes, number: u64, right: bytes) -> u64:
        return number + len(left) * 1000 + len(right)

    def read(self, first: u8, into: Span[u8]) -> usize | Trouble:
        if len(into) == 0:
            return Trouble.FULL
        for place in range(len(into)):
            into[place] = first + u8(place)
        return len(into)

    def tell(self, whom: Notification, whom_too: Notification) -> None:
        must(system.signal(whom.slot))
        must(system.signal(whom_too.slot))
        must(self.process.drop(whom.slot))
        must(self.process.drop(whom_too.slot))

    def fresh(self, wanted: bool) -> Notification | None:
        if not wanted:
            return None
        made = must_get(self.process.make(Kind.NOTIFICATION))
        must(system.signal(made))
        return Notification(made)
