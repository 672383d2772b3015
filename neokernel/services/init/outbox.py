"""What init says on the console, while it waits for nobody: text is put here, and written as the console takes it.

The console may be slow, and init is the most urgent of all: if it waited, everybody would. So it writes what the
console takes at once, and the rest later.

Invariant: `used` bytes from `first` on, around the end, are still to be written. What finds no room is left out as a
whole, and counted.
"""

from __future__ import annotations

from neokernel.abi.boot import PLATFORM
from neokernel.lang import Array, Span, array, struct, u8, u64, usize, writer
from neokernel.runtime import system
from neokernel.runtime.system import CONSOLE_BYTES, Failure


@struct
class Outbox:
    memory: Span[u8]
    first: usize = 0
    used: usize = 0
    lost: u64 = 0

    def room(self) -> usize:
        return len(self.memory) - self.used

    @writer
    def write(self, text: str) -> None:
        data = text.encode()
        if len(data) > self.room():
            self.lost += len(data)
            return
        for byte in data:
            self.memory[(self.first + self.used) % len(self.memory)] = byte
            self.used += 1

    def drain(self) -> bool:
        """Write what the console takes now. Is that all?"""
        piece: Array[u8] = array(CONSOLE_BYTES)
        while self.used != 0:
            count = min(self.used, CONSOLE_BYTES)
            for place in range(count):
                piece[place] = self.memory[(self.first + place) % len(self.memory)]
            taken = system.console_write(PLATFORM, piece[:count].bytes())
            if isinstance(taken, Failure) or taken == 0:
                return False
            self.took(min(taken, count))
        return True

    def took(self, count: usize) -> None:
        self.first = (self.first + count) % len(self.memory)
        self.used -= count
