"""Serves `Store`."""

from __future__ import annotations

from store import Store

from neokernel.lang import Array, Provides, array, provides, struct, truncate, u8, u64, usize
from neokernel.runtime.lend import Lent
from neokernel.runtime.process import Process

store: Provides[Store] = provides()


@struct
class Keeper:
    chunk: Array[u8] = array(256)

    def fill(self, into: Lent, first: u8) -> u64:
        for place in range(into.length):
            self.chunk[place % 256] = truncate(u8, u64(first) + place)
            if place % 256 == 255 or place + 1 == into.length:
                begin = place // 256 * 256
                into.write(begin, self.chunk[: place - begin + 1].bytes())
        return into.length

    def sum(self, data: Lent) -> u64:
        found: u64 = 0
        done: usize = 0
        while done < data.length:
            step = min(data.length - done, 256)
            data.read(done, self.chunk[:step])
            for byte in self.chunk[:step]:
                found += u64(byte)
            done += step
        return found

    def move(self, source: Lent, target: Lent) -> bool:
        size = min(source.length, target.length, 256)
        source.read(0, self.chunk[:size])
        target.write(0, self.chunk[:size].bytes())
        return size == min(source.length, target.length)

    def crash(self) -> None:
        assert len(self.chunk) == 0, "as it was asked"


def main(process: Process) -> None:
    keeper = Keeper()
    _ = store.serve(process, keeper)
