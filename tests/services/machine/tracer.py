"""A service that has the kernel record messages."""

from neokernel.abi.description import FIRST_DECLARED
from neokernel.abi.kinds import Kind
from neokernel.abi.trace import Event
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process


def main(process: Process) -> None:
    must(system.trace_start(FIRST_DECLARED, u64(1) << u64(Event.SEND.value) | u64(1) << u64(Event.REPLY.value)))
    _ = system.wait(must_get(process.make(Kind.NOTIFICATION)))
