"""A victim: serves `Tally` to everybody, the hostile service among them."""

from __future__ import annotations

from contracts import Mood, Pair, Tally

from neokernel.lang import Array, Provides, Span, array, provides, struct, u8, u16, u32, u64, usize, wrapping_add
from neokernel.runtime.interface import client_of
from neokernel.runtime.lend import Lent
from neokernel.runtime.process import Process

tally: Provides[Tally] = provides()

CLIENTS = 16


@struct
class Sums:
    """What it gets is of its parameters' types, whatever was sent; so it is checked here, too."""

    process: Process
    sums: Array[u64] = array(CLIENTS)
    #: room for all that a client lends
    piece: Array[u8] = array(4096)

    def add(self, amount: u32) -> u64:
        client = usize(client_of(self.process.client))
        self.sums[client] = wrapping_add(self.sums[client], u64(amount))
        return self.sums[client]

    def name(self, text: str, mood: Mood, short: u16) -> bool:
        length = len(text.encode())
        assert length <= 24, "a text is as long as the contract lets it"
        return (mood is Mood.CALM or mood is Mood.CROSS) and u64(short) <= 0xFFFF and length != 0

    def fill(self, into: Span[u8], flag: bool) -> u64:
        assert len(into) <= 16, "room is as large as the contract lets it"
        for place in range(len(into)):
            into[place] = 1 if flag else 2
        return u64(len(into))

    def look(self, pair: Pair) -> Pair:
        return Pair(pair.small, Mood.CROSS if pair.mood is Mood.CALM else Mood.CALM)

    def of(self, client: u32) -> u64:
        return self.sums[usize(client) % CLIENTS]

    def copied(self, data: Lent) -> u64:
        data.read(0, self.piece[: data.length])
        return data.length


def main(process: Process) -> None:
    sums = Sums(process=process)
    failure = tally.serve(process, sums)
    process.exit(u64(failure.status.value))
