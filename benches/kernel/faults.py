"""Faults and their handler: the root program faults, a second process of this program handles it.

The handler is passive: it runs on the time of the thread that faulted. What it does in user mode is subtracted, by its
own readings; with the page, the cost of its `MAP` call is in.
"""

from __future__ import annotations

from support import (
    ABOVE,
    SHARED,
    WARM,
    Timed,
    begin,
    give_up,
    grant,
    invoked,
    made,
    mean,
    run,
    settle,
    share,
    shared,
    timed,
    travelling,
)

from neokernel.abi.boot import OWN_SPACE, OWN_THREAD
from neokernel.abi.call import LABEL_MASK, NEVER, Call, message
from neokernel.abi.fault import Fault, Resume
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.operations import Binding, Operation
from neokernel.abi.rights import READ, WRITE
from neokernel.lang import asm, u64, unsafe
from neokernel.runtime import system
from neokernel.runtime.child import Child
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_at

unsafe("it faults on purpose")

NAME = b"faults"
FAULTS = 32
#: pages that aren't mapped, in a part of the address space that has its page tables
PLACE = 0x3B_0040_0000

#: places in the shared page
USER = 0
MAPPING = 1
#: what the handler executes after it has measured its time
BEYOND = 3


def main(process: Process) -> None:
    if not process.is_root:
        handle(process, process.arguments[1], process.arguments[2])
        return
    settle(process)
    page = share(process)
    endpoint = made(process, "endpoint", process.make(Kind.ENDPOINT))
    reply = made(process, "reply", process.make(Kind.REPLY))
    handler = Child()
    begin(process, handler, NAME, page)
    there = grant(process, handler, "endpoint", endpoint)
    reply_there = grant(process, handler, "reply", reply)
    space_there = grant(process, handler, "space", OWN_SPACE)
    frames = made(process, "frames", process.make(Kind.FRAME, 0, FAULTS))
    # The page tables on the way are there afterwards.
    if map_at(process, OWN_SPACE, process.memory, PLACE, READ | WRITE, frames) is not None:
        give_up(process, "map", 0)
    if system.unmap(frames) is not None:
        give_up(process, "unmap", 0)
    for number in range(u64(0), u64(FAULTS)):
        if grant(process, handler, "frame", frames + number) != space_there + 1 + number:
            give_up(process, "frames aren't in a row", number)
    if system.bind(process.buffer, OWN_THREAD, Binding.HANDLER, endpoint) is not None:
        give_up(process, "bind the handler", 0)
    run(process, handler, ABOVE, space_there, there, reply_there)
    if system.unbind(handler.thread, Binding.CONTEXT) is not None:
        give_up(process, "unbind", 0)
    measure(process)
    process.exit()


def measure(process: Process) -> None:
    page = shared()
    plain: u64 = 0
    mapped: u64 = 0
    undefined: u64 = 0
    for number in range(u64(0), u64(FAULTS)):
        address = PLACE + number * PAGE_SIZE
        # Skipped, ...
        page.put(MAPPING, 0)
        cost = touch(address)
        cost = touch(address) - page.get(USER) - BEYOND
        if number >= WARM:
            plain += cost
        # ... mapped and done again.
        page.put(MAPPING, 1)
        cost = touch(address) - page.get(USER) - BEYOND
        if number >= WARM:
            mapped += cost
        if touch(address) != 1:
            give_up(process, "the page isn't there", number)
        page.put(MAPPING, 0)
        cost = undefined_instruction() - page.get(USER) - BEYOND
        if number >= WARM:
            undefined += cost
    mean(process, "page_fault", plain, FAULTS - WARM)
    mean(process, "page_fault_map", mapped, FAULTS - WARM)
    mean(process, "undefined_instruction", undefined, FAULTS - WARM)


def touch(address: u64) -> u64:
    """Instructions of a read."""
    before, after = asm(
        "rdinstret s2\n.option push\n.option norvc\nlw zero, 0(t1)\n.option pop\nrdinstret t0",
        address,
        inputs="t1",
        results="s2 t0",
        clobbers="memory",
    )
    return after - before - 1


def undefined_instruction() -> u64:
    before, after = asm(
        # A write to `cycle`, which can't be written.
        "rdinstret s2\n.4byte 0xC0001073\nrdinstret t0",
        results="s2 t0",
        clobbers="memory",
    )
    return after - before - 1


def handle(process: Process, endpoint: u64, reply: u64) -> None:
    """Skip the instruction; or map the next frame, and let it be done again."""
    page = shared()
    space = process.arguments[0]
    frame = space + 1
    got = timed(Call.RECEIVE, endpoint, 0, NEVER, reply=reply)
    while True:
        arrived = got.after
        user: u64 = 0
        if page.get(MAPPING) != 0 and got.word & LABEL_MASK == u64(Fault.PAGE.value):
            travelling(process, frame)
            frame += 1
            user = invoked(process, "map", space, Operation.MAP, 2, got.w0, u64(READ), capabilities=1)
            got = again(endpoint, reply, message(u64(Resume.RETRY.value)), 0, arrived + user)
        else:
            got = again(endpoint, reply, message(u64(Resume.SKIP.value), 1), got.w1 + 4, arrived)


def again(endpoint: u64, reply: u64, word: u64, counter: u64, arrived: u64) -> Timed:
    """Answer. In the shared page: for how long the handler was in user mode, but for the last `BEYOND` instructions."""
    badge, answer, r0, r1, r2, r3, after = asm(
        "rdinstret s2\nsub s2, s2, t1\nsd s2, 0(t2)\necall\nrdinstret t0",
        u64(Call.REPLY_RECEIVE.value),
        endpoint,
        word,
        counter,
        reply,
        arrived,
        u64(SHARED + 8 * USER),
        inputs="a7 a0 a1 a2 a6 t1 t2",
        results="a0 a1 a2 a3 a4 a5 t0",
        clobbers="a6 a7 ra s2 t1 t2 t3 t4 t5 t6 memory",
    )
    return Timed(badge, answer, r0, r1, r2, r3, 0, after)
