"""Finding out what there is to know of a process that has ended, while all of it is still there.

Invariants: it takes a bounded time, whatever the process was; what can't be found out stays zero. The process isn't
changed, but that its first thread is stopped.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_SPACE, OWN_TABLE
from neokernel.abi.kinds import PAGE_SIZE
from neokernel.abi.rights import READ
from neokernel.abi.status import Status
from neokernel.lang import Array, array, copy, span_at, u64, unsafe, usize
from neokernel.runtime import system
from neokernel.runtime.child import CHILD_STACK_PAGES, CHILD_STACK_TOP, CONTEXT, KEPT, THREAD, Death
from neokernel.runtime.process import Process
from neokernel.runtime.space import SCRATCH, map_at
from neokernel.runtime.system import THREAD_REGISTERS, Failure
from neokernel.services.init.post_mortem import POST_MORTEMS, STACK_WORDS, Cause, PostMortem, show
from neokernel.services.init.state import Init, first_slot, memory_left
from neokernel.services.init.trace import read_messages

unsafe("a page of the process's stack is read where it is mapped for that")

STACK_PAGES: u64 = CHILD_STACK_PAGES
STACK_BOTTOM: u64 = CHILD_STACK_TOP - STACK_PAGES * PAGE_SIZE
STACK_POINTER = 2
#: post-mortems of a service that are shown in full on the console, in each window of its restarts
SHOWN = 3


def next_post_mortem(init: Init, index: u64, cause: Cause) -> PostMortem:
    """The place for the next one: that of the oldest."""
    post_mortem = init.post_mortems[init.deaths % POST_MORTEMS]
    init.deaths += 1
    unit = init.units[index]
    clear(post_mortem)
    post_mortem.service = index
    post_mortem.cause = u64(cause.value)
    post_mortem.starts = unit.starts
    post_mortem.time = system.now()
    post_mortem.program.assign(unit.program.view())
    return post_mortem


def clear(post_mortem: PostMortem) -> None:
    """Of what isn't always set."""
    post_mortem.fault = post_mortem.status = post_mortem.argument = post_mortem.address = post_mortem.access = 0
    post_mortem.used = post_mortem.free = post_mortem.identifier = 0
    post_mortem.stack_words = post_mortem.message_count = 0
    for place in range(THREAD_REGISTERS):
        post_mortem.registers[place] = 0


def not_made(init: Init, index: u64, failure: Failure) -> None:
    """A process couldn't be made."""
    post_mortem = next_post_mortem(init, index, Cause.NOT_MADE)
    post_mortem.status, post_mortem.argument = u64(failure.status.value), failure.argument
    show(init.outbox, init.name(index), post_mortem, False)
    init.outbox.write(f"{failure.status.name} of argument {failure.argument}")
    if failure.status is Status.OUT_OF_MEMORY:
        init.outbox.write("; its `memory` is too small, or the machine's is used up")
    init.outbox.write("\n")


def examine(process: Process, init: Init, index: u64, cause: Cause, death: Death | None) -> None:
    """Keep what is to be known of a unit's process, and say so on the console."""
    post_mortem = next_post_mortem(init, index, cause)
    unit = init.units[index]
    if death is not None:
        post_mortem.status = death.status
        post_mortem.address, post_mortem.access = death.address, death.access
        if death.fault is not None:
            post_mortem.fault = u64(death.fault.value)
    first = first_slot(process, unit.number)
    if first != 0:
        look_at(process, post_mortem, first)
        post_mortem.free = memory_left(process, first, unit.own_memory)
        if death is not None and death.fault is not None and post_mortem.registers[0] != death.counter:
            # Another thread of it: of this one nothing else is known.
            for place in range(THREAD_REGISTERS):
                post_mortem.registers[place] = 0
            post_mortem.registers[0] = death.counter
        read_stack(process, post_mortem, first, unit.stack)
        if init.traced:
            read_messages(post_mortem)
    show(init.outbox, init.name(index), post_mortem, unit.restarts < SHOWN)


def look_at(process: Process, post_mortem: PostMortem, first: u64) -> None:
    """Its first thread, and what it has used."""
    _ = system.suspend(first + THREAD)
    registers: Array[u64] = array(THREAD_REGISTERS)
    if system.read_registers(process.buffer, first + THREAD, registers) is None:
        copy(post_mortem.registers, registers.view())
    thread = system.thread_info(first + THREAD)
    if not isinstance(thread, Failure):
        post_mortem.identifier = thread.identifier
    context = system.context_info(first + CONTEXT)
    if not isinstance(context, Failure):
        post_mortem.used = context.used


def read_stack(process: Process, post_mortem: PostMortem, first: u64, stack: u64) -> None:
    """What lies on the stack of its first thread, if its pointer points there, up to STACK_WORDS words."""
    pointer = post_mortem.registers[STACK_POINTER] & ~u64(7)
    if not STACK_BOTTOM <= pointer < CHILD_STACK_TOP:
        return
    end = min(CHILD_STACK_TOP, pointer + STACK_WORDS * 8)
    while pointer < end:
        page = (pointer - STACK_BOTTOM) // PAGE_SIZE
        upto = min(end, STACK_BOTTOM + (page + 1) * PAGE_SIZE)
        if read_page(process, post_mortem, first + KEPT, stack + page, pointer % PAGE_SIZE, (upto - pointer) // 8):
            return
        pointer = upto


def read_page(process: Process, post_mortem: PostMortem, kept: u64, frame: u64, offset: u64, count: u64) -> bool:
    """Add `count` words of a page, from `offset` on, to the stack's. True if it can't be done."""
    slot = process.slot()
    if isinstance(slot, Failure):
        return True
    failure = system.copy_out(process.buffer, kept, frame, READ, slot)
    if failure is None:
        failure = map_at(process, OWN_SPACE, process.memory, SCRATCH, READ, slot)
        if failure is None:
            done = usize(post_mortem.stack_words)
            copy(post_mortem.stack[done : done + count], span_at(u64, SCRATCH + offset, count).view())
            post_mortem.stack_words += count
    _ = system.delete(OWN_TABLE, slot)
    process.slots().release(slot)
    return failure is not None
