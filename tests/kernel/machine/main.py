"""The kernel's interface, seen from user mode: what each operation does, and what it refuses.

The cases are written from `neokernel/abi` and know nothing of the kernel. `tests/kernel/test_machine.py` runs them.
"""

import agents
import captable
import devices
import faults
import invocations
import ipc
import memory
import refusals
import registers
import spaces
import threads
import times
from agents import MIDDLE
from tap import Tap
from world import World

from neokernel.abi.boot import OWN_CONTEXT, PROCESSOR
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.process import Process


def main(process: Process) -> None:
    t = Tap(process=process)
    # Below the urgent agents, above the low one.
    t.done(system.configure(process.buffer, PROCESSOR, MIDDLE, process.frequency, process.frequency, OWN_CONTEXT))
    process.priority = MIDDLE
    w = World(t=t, process=process)
    w.begin(process)
    invocations.run(w)
    memory.run(w)
    captable.run(w)
    ipc.run(w)
    faults.run(w)
    spaces.run(w)
    registers.run(w)
    threads.run(w)
    times.run(w)
    devices.run(w)
    refusals.run(w)
    t.finish()


def thread(process: Process, argument: u64) -> None:
    agents.work(agents.agent_at(argument))
