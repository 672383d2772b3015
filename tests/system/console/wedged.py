"""A console that takes a line, and hangs in the second."""

from __future__ import annotations

from neokernel.abi.kinds import Kind
from neokernel.interfaces.console import Console
from neokernel.lang import Provides, provides, struct, u64, usize
from neokernel.runtime import system
from neokernel.runtime.must import must_get
from neokernel.runtime.process import Process

console: Provides[Console] = provides()


@struct
class Wedged:
    never: u64
    lines: u64 = 0

    def write(self, data: bytes) -> usize:
        self.lines += 1
        if self.lines > 1:
            _ = system.wait(self.never)
        return len(data)


def main(process: Process) -> None:
    wedged = Wedged(never=must_get(process.make(Kind.NOTIFICATION)))
    process.ready()
    _ = console.serve(process, wedged)
