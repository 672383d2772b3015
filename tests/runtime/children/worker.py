"""A child: it does what it is told, and ends in the way that it is told."""

from neokernel.abi.call import message
from neokernel.abi.kinds import Kind
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import ENDED, Process
from neokernel.runtime.system import Failure
from neokernel.runtime.thread import spawn

PRIORITY = 90


def main(process: Process) -> None:
    kind: u64 = process.arguments[0]
    endpoint: u64 = process.arguments[1]
    reply: u64 = process.arguments[2]
    if kind == 0:
        must_get(process.make(Kind.ENDPOINT))
        assert isinstance(process.make(Kind.DMA_SPACE, 1), Failure), "its memory isn't for devices"
        process.exit(42)
    if kind == 1:
        assert kind == 0, "it faults"
    if kind == 2:
        while True:
            pass
    if kind == 4:
        must_get(spawn(process, 0, PRIORITY, process.frequency, process.frequency))
        must_get(system.receive(endpoint, reply))
    if kind == 5:
        process.exit(256)
    if kind == 6:
        must_get(system.call(process.supervisor, message(ENDED, 1), 7))
        while True:
            pass
    if kind == 7:
        must_get(system.pin(process.buffer, reply, process.arguments[3]))
        while True:
            must(system.signal(endpoint))
    if kind == 8:
        for _ in range(3):
            must(system.signal(process.arguments[3]))
        while True:
            pass
    if kind == 9:
        while True:
            must(system.send(process.supervisor, message(1, 0)))
    if kind == 10:
        serve(process, endpoint, reply)
    asked = system.receive(endpoint, reply)
    while not isinstance(asked, Failure):
        asked = system.reply_receive(endpoint, reply, message(0, 1), 10 // asked.w0)


def serve(process: Process, endpoint: u64, reply: u64) -> None:
    """Label 1: work for so many ticks. Label 2: say so, and work until one may stop."""
    asked = system.receive(endpoint, reply)
    while not isinstance(asked, Failure):
        if asked.label() == 1:
            until = system.now() + asked.w0
            while system.now() < until:
                pass
        else:
            must(system.signal(process.arguments[3]))
            while isinstance(system.poll(process.arguments[4]), Failure):
                pass
        asked = system.reply_receive(endpoint, reply, message(0, 1), asked.w0 // 5)


def thread(process: Process, argument: u64) -> None:
    assert argument != 0, "a thread's fault is told, too"
