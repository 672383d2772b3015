"""Kills the drivers in turn, at any moment, when it is told to begin: it is more urgent than all whom it disturbs.

With `paced`, it is told each time: so its client has done something with each life of the drivers.
"""

from __future__ import annotations

from killing import Killing

from neokernel.abi.boot import OWN_THREAD
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding
from neokernel.interfaces.system import System
from neokernel.lang import (
    Provides,
    Setting,
    Uses,
    provides,
    setting,
    struct,
    u32,
    u64,
    uses,
    wrapping_add,
    wrapping_mul,
)
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process

init: Uses[System] = uses()
killing: Provides[Killing] = provides()
#: how often each driver is killed, and ticks between two kills, at most
kills: Setting[u32] = setting(6)
ticks: Setting[u64] = setting(100_000)
#: 1: each time only when told
paced: Setting[u32] = setting(0)

#: the first services, in the order in which they start
drivers: Setting[u64] = setting(2)


@struct
class Handler:
    bell: u64

    def begin(self) -> u32:
        must(system.signal(self.bell))
        return 0


def main(process: Process) -> None:
    bell = must_get(process.make(Kind.NOTIFICATION))
    never = must_get(process.make(Kind.NOTIFICATION))
    must(system.bind(process.buffer, OWN_THREAD, Binding.NOTIFICATION, bell))
    reply = must_get(process.make(Kind.REPLY))
    handler = Handler(bell=bell)
    random: u64 = 1
    most = ticks.get(process)
    for number in range(kills.get(process)):
        if number == 0 or paced.get(process) != 0:
            _ = must_get(killing.serve_until_signals(process, handler, reply))
        for driver in range(drivers.get(process)):
            random = wrapping_add(wrapping_mul(random, 6364136223846793005), 1442695040888963407)
            _ = system.wait(never, system.now() + 200 + (random >> 33) % most)
            refused = init.kill(driver)
            while refused is not None:
                # It is just being started again.
                _ = system.wait(never, system.now() + 100)
                refused = init.kill(driver)
    while True:
        _ = killing.serve_until_signals(process, handler, reply)
