"""A service that tries all that it wasn't given, and says of each try whether it ended as the manual says.

It has two interfaces of others, and serves one itself. In its first life it tries what it can, and talks nonsense to
init in the end, which ends it; in its second one it finds what it had before.
"""

from __future__ import annotations

from contracts import Bait, Court, Tally
from prober import Prober, probing
from sweeps import next_random, sweep_instructions, sweep_machine, sweep_memory, sweep_random
from trial import Trial

from neokernel.abi.boot import BOOT_INFO_ADDRESS, OWN_SPACE, OWN_TABLE, OWN_THREAD, PROCESSOR
from neokernel.abi.call import GIVEN_BIT, NOW, Call, message, status_of
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation, operation_of
from neokernel.abi.rights import ALL, EXECUTE, READ, WRITE
from neokernel.abi.status import INVOKED, REPLY, WORD, Status
from neokernel.lang import Order, Provides, Uses, provides, slot_of, truncate, u8, u16, u32, u64, uses, usize
from neokernel.runtime import system
from neokernel.runtime.interface import REFUSED
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import HAND_OVER, READY, Process
from neokernel.runtime.system import Failure
from neokernel.runtime.thread import drop_thread, make_thread, start_thread

tally: Uses[Tally] = uses(lend=4096)
court: Uses[Court] = uses()
bait: Provides[Bait] = provides()

#: slots of its table, as the system file has it
SLOTS: u64 = 256
#: numbers of operations that are tried: more than there are
LABELS: u64 = 64
#: slots beyond the table
BEYOND: u64 = 64
PROBE: u64 = 1
IDLE: u64 = 2
LIES: u64 = 4000
FLOOD: u64 = 20_000
ANSWERS: u64 = 400
#: the number of the method, and bytes that are lent
COPIED: u64 = 6
LENT: u64 = 4096
#: numbers at which a look at a region could be wrong
EXTREMES: tuple[u64, ...] = (
    0,
    1,
    7,
    4088,
    4095,
    4096,
    4097,
    8192,
    0x3_FFFF,
    0x4_0000,
    0x4_0001,
    1 << 31,
    1 << 32,
    (1 << 32) + 8,
    1 << 63,
    0xFFFF_FFFF_FFFF_F000,
    0xFFFF_FFFF_FFFF_FFFF,
)
#: where nothing is mapped
ADDRESS: u64 = 0x12_0000_0000
SEED: u64 = 0x1234_5678_9ABC_DEF1

assert u64(Operation.DENIALS.value) < LABELS, "all operations are tried"


def main(process: Process) -> None:
    trial = Trial(court=court)
    state = process.state()
    free = must_get(system.memory_info(process.memory)).free
    if state[0] != 0:
        again(process, trial, free)
    state[0] = 1
    for place in range(usize(8)):
        state[8 + place] = truncate(u8, free >> 8 * place)
    must(court.begin())
    empty_slots(process, trial)
    own_capabilities(process, trial)
    rights(process, trial)
    priorities(process, trial)
    replies(process, trial)
    maps(process, trial)
    lies(process, trial)
    lends(trial)
    bad_server(process, trial)
    prober = Prober(process=process)
    prober.begin(PROBE)
    sweep_memory(process, prober, trial)
    sweep_machine(prober, trial)
    sweep_random(prober, trial, SEED)
    sweep_instructions(prober, trial)
    flood(trial)
    spin(process, trial)
    exhaust(process, trial)
    talk(process)


def thread(process: Process, argument: u64) -> None:
    if argument == PROBE:
        probing()
    # The other one runs on a context that nobody has configured: never.
    court_is_odd: Uses[Court] = uses(slot_of(court))
    _ = court_is_odd.odd(argument, 0, 0)


def again(process: Process, trial: Trial, free: u64) -> None:
    """The second life."""
    before: u64 = 0
    state = process.state()
    for place in range(usize(8)):
        before |= u64(state[8 + place]) << 8 * u64(place)
    trial.check(free == before, 0, before, free)
    trial.check(must_get(tally.add(0)) != 0, 1)
    trial.end("what the next life has, as before")
    must(court.done())


# --- capabilities -----------------------------------------------------------------------------------------------------


def kind_at(slot: u64) -> u64:
    return must_get(system.inspect(OWN_TABLE, slot)).kind


def empty_slots(process: Process, trial: Trial) -> None:
    """Each slot that holds nothing, and many beyond the table: every call, and every operation."""
    known: u64 = 0
    for label in range(LABELS):
        known += 1 if operation_of(label) is not None else 0
    trial.check(known == u64(Operation.DENIALS.value), 0, known)
    reply = must_get(process.make(Kind.REPLY))
    for slot in range(u64(0), SLOTS + BEYOND):
        if slot >= SLOTS or kind_at(slot) == 0:
            nothing_at(slot, reply, trial)
    for bit in range(u64(9), u64(64)):
        nothing_at(u64(1) << bit, reply, trial)
        nothing_at((u64(1) << bit) + OWN_TABLE, reply, trial)
    nothing_at(0xFFFF_FFFF_FFFF_FFFF, reply, trial)
    must(process.drop(reply))
    trial.end("slots without a capability")


def nothing_at(slot: u64, reply: u64, trial: Trial) -> None:
    no = Status.NO_CAPABILITY
    for label in range(LABELS):
        trial.failed(system.enter(Call.CALL, slot, message(label, 4), 1, 0, 1), no, INVOKED, label, slot)
    trial.failed(system.enter(Call.SEND, slot, message(1)), no, INVOKED, LABELS, slot)
    trial.failed(system.enter(Call.TRY_SEND, slot, message(1)), no, INVOKED, LABELS + 1, slot)
    trial.failed(system.enter(Call.SIGNAL, slot, 0), no, INVOKED, LABELS + 2, slot)
    trial.failed(system.enter(Call.WAIT, slot, 0, NOW), no, INVOKED, LABELS + 3, slot)
    trial.failed(system.enter_with(reply, Call.RECEIVE, slot, 0, NOW), no, INVOKED, LABELS + 4, slot)
    trial.failed(system.enter_with(reply, Call.REPLY_RECEIVE, slot, 0), no, INVOKED, LABELS + 5, slot)
    if slot != 0:
        trial.failed(system.enter_with(slot, Call.REPLY, 0, 0), no, REPLY, LABELS + 6, slot)


def own_capabilities(process: Process, trial: Trial) -> None:
    """What it has does what it is for, and nothing else."""
    held: u64 = 0
    for slot in range(u64(1), SLOTS):
        kind = kind_at(slot)
        if kind == 0:
            continue
        held += 1
        for label in range(u64(1), LABELS):
            operation = operation_of(label)
            if kind == u64(Kind.ENDPOINT.value) or (operation is not None and is_for(operation, kind)):
                continue
            got = system.enter(Call.CALL, slot, message(label, 4), 0, 0, 0)
            if operation is None:
                trial.failed(got, Status.UNKNOWN_OPERATION, WORD, label, slot)
            elif kind == u64(Kind.FRAME.value):
                # Its buffer's: without CONTROL.
                right = status_of(got.word) in (u64(Status.MISSING_RIGHT.value), u64(Status.WRONG_KIND.value))
                trial.check(right, label, slot, got.word)
            else:
                trial.failed(got, Status.WRONG_KIND, INVOKED, label, slot)
    trial.end("operations of other kinds")
    must(court.counted("capabilities that it has", held))


def is_for(operation: Operation, kind: u64) -> bool:
    """Is the operation one of that kind of object's? Labels of one kind follow each other, but for the newest."""
    number = u64(operation.value)
    if kind == u64(Kind.MEMORY.value):
        return number <= u64(Operation.MEMORY_INFO.value)
    if kind == u64(Kind.CAP_TABLE.value):
        of_slots = u64(Operation.COPY.value) <= number <= u64(Operation.INSPECT.value)
        return of_slots or number >= u64(Operation.CANCEL_SENDERS.value)
    if kind == u64(Kind.ADDRESS_SPACE.value):
        return number == u64(Operation.MAP.value) or number == u64(Operation.INSTALL.value)
    if kind == u64(Kind.FRAME.value):
        return number == u64(Operation.UNMAP.value)
    if kind == u64(Kind.SCHED_CONTEXT.value):
        return number == u64(Operation.CONTEXT_INFO.value)
    return kind == u64(Kind.THREAD.value) and u64(Operation.BIND.value) <= number <= u64(Operation.THREAD_INFO.value)


def rights(process: Process, trial: Trial) -> None:
    """Copies have no more rights than what they are copied from, and no other badge; endpoints of others can't be
    received from, nor are capabilities sent there."""
    buffer = process.buffer
    slot, reply = must_get(process.slot()), must_get(process.make(Kind.REPLY))
    for source in range(u64(1), SLOTS):
        had = must_get(system.inspect(OWN_TABLE, source))
        if had.kind == 0 or source == slot:
            if source != slot:
                for bit in range(u64(10)):
                    refused = system.copy(buffer, OWN_TABLE, slot, u16(u64(1) << bit), 0, source)
                    trial.refused(refused, Status.NO_CAPABILITY, 0, source)
            continue
        if system.copy(buffer, OWN_TABLE, slot, ALL, 0, source) is None:
            has = must_get(system.inspect(OWN_TABLE, slot))
            trial.check(has.rights & ~had.rights == 0 and has.badge == had.badge, 1, source, has.rights)
            must(system.delete(OWN_TABLE, slot))
        trial.refused(system.copy(buffer, OWN_TABLE, slot, ALL + 1, 0, source), Status.OUT_OF_RANGE, 2, source)
        if had.badge != 0 or had.kind != u64(Kind.ENDPOINT.value):
            trial.refused(system.copy(buffer, OWN_TABLE, slot, ALL, 77, source), Status.BADGED, 3, source)
        if had.kind == u64(Kind.ENDPOINT.value) and had.badge != 0:
            got = system.enter_with(reply, Call.RECEIVE, source, 0, NOW)
            trial.failed(got, Status.MISSING_RIGHT, INVOKED, 4, source)
            buffer.capabilities[0].store(u32(OWN_TABLE), Order.RELAXED)
            got = system.enter(Call.TRY_SEND, source, message(1, 0, 1))
            trial.failed(got, Status.MISSING_RIGHT, WORD, 5, source)
            trial.failed(system.enter(Call.SIGNAL, source, 0), Status.WRONG_KIND, INVOKED, 6, source)
            trial.failed(system.enter(Call.WAIT, source, 0, NOW), Status.WRONG_KIND, INVOKED, 7, source)
    must(process.drop(reply))
    process.slots().release(slot)
    trial.end("more rights, other badges")
    trial.refused(made(process, Kind.INTERRUPT, 0), Status.OUT_OF_RANGE, 0)
    trial.refused(made(process, Kind.PROCESSOR, 0), Status.OUT_OF_RANGE, 1)
    trial.refused(made(process, Kind.PLATFORM, 0), Status.OUT_OF_RANGE, 2)
    trial.refused(made(process, Kind.NONE, 0), Status.OUT_OF_RANGE, 3)
    trial.refused(made(process, Kind.DMA_SPACE, 1), Status.MISSING_RIGHT, 4)
    trial.refused(made(process, Kind.MEMORY, 1 << 40), Status.OUT_OF_MEMORY, 5)
    trial.refused(made(process, Kind.TRACE, 1), Status.MISSING_RIGHT, 6)
    trial.end("objects that nobody can make")


def made(process: Process, kind: Kind, size: u64) -> Failure | None:
    found = process.make(kind, size)
    return found if isinstance(found, Failure) else None


def priorities(process: Process, trial: Trial) -> None:
    """No time but its own, no other priority; a context that was never configured is no time."""
    buffer = process.buffer
    before = must_get(system.thread_info(OWN_THREAD)).priority
    context = must_get(process.make(Kind.SCHED_CONTEXT))
    tick = process.frequency // 1000
    trial.refused(system.set_floor(buffer, PROCESSOR, 255, OWN_THREAD), Status.NO_CAPABILITY, 0)
    trial.refused(system.configure(buffer, PROCESSOR, 255, tick, tick, context), Status.NO_CAPABILITY, 1)
    trial.refused(system.bind(buffer, OWN_THREAD, Binding.CONTEXT, context), Status.OCCUPIED, 2)
    idle = must_get(make_thread(process, IDLE, 255))
    must(start_thread(process, idle.thread, context))
    never = must_get(process.make(Kind.NOTIFICATION))
    _ = system.wait(never, system.now() + 2 * tick)
    trial.check(must_get(system.context_info(context)).used == 0, 3)
    trial.check(must_get(system.thread_info(OWN_THREAD)).priority == before, 4)
    drop_thread(process, idle)
    must(process.drop(context))
    trial.end("more time, another priority")


def replies(process: Process, trial: Trial) -> None:
    """Nobody is answered who hasn't asked."""
    reply = must_get(process.make(Kind.REPLY))
    for slot in range(u64(1), SLOTS):
        kind = kind_at(slot)
        if kind == u64(Kind.REPLY.value):
            trial.failed(system.enter_with(slot, Call.REPLY, 0, 0), Status.WRONG_STATE, REPLY, 0, slot)
        elif kind != 0:
            trial.failed(system.enter_with(slot, Call.REPLY, 0, 0), Status.WRONG_KIND, REPLY, 1, slot)
            trial.failed(system.enter_with(slot, Call.RECEIVE, bait.slot, 0, NOW), Status.WRONG_KIND, REPLY, 2, slot)
    must(process.drop(reply))
    trial.end("forged replies")


def maps(process: Process, trial: Trial) -> None:
    """Frames go below 2^38 and nowhere else, and are never written and executed."""
    frame, buffer = must_get(process.make(Kind.FRAME)), process.buffer
    for bit in range(u64(38), u64(64)):
        trial.refused(system.map(buffer, OWN_SPACE, u64(1) << bit, READ, frame), Status.OUT_OF_RANGE, 0, bit)
    for rights in range(u64(0), u64(ALL) + 1):
        allowed = rights in (u64(READ), u64(READ | WRITE), u64(EXECUTE), u64(READ | EXECUTE))
        if not allowed:
            failure = system.map(buffer, OWN_SPACE, ADDRESS, u16(rights), frame)
            trial.refused(failure, Status.OUT_OF_RANGE, 1, rights)
    trial.refused(system.map(buffer, OWN_SPACE, ADDRESS + 1, READ, frame), Status.MISALIGNED, 2)
    # Beside the page that it began with, so no table is missing.
    must(system.map(buffer, OWN_SPACE, BOOT_INFO_ADDRESS, READ, frame))
    trial.refused(system.map(buffer, OWN_SPACE, BOOT_INFO_ADDRESS + 4096, READ, frame), Status.OCCUPIED, 3)
    other = must_get(process.make(Kind.FRAME))
    trial.refused(system.map(buffer, OWN_SPACE, BOOT_INFO_ADDRESS, READ, other), Status.OCCUPIED, 4)
    must(process.drop(other))
    must(process.drop(frame))
    trial.end("mappings that can't be")


# --- others -----------------------------------------------------------------------------------------------------------


def lies(process: Process, trial: Trial) -> None:
    """Messages that no proxy sends: the server refuses them, or answers what they happen to mean."""
    version = must_get(system.call(slot_of(tally), 0)).w0
    words = process.buffer.words
    state = SEED
    for _ in range(LIES):
        state = next_random(state)
        label = version >> 40 << 8 | (state & 7)
        match state >> 3 & 7:
            case 0:
                label = state >> 30 & 0xFFFF_FFFF
            case 1:
                label = HAND_OVER if state & 1 == 0 else READY
            case 2:
                label = version >> 40 << 8 | (state & 0xFF)
            case _:
                pass
        length = state >> 8 & 7 if state & 0x800 == 0 else state >> 8 & 0x3FF
        capabilities = state >> 20 & 7 if state >> 18 & 3 == 0 else u64(0)
        word = message(label, length, capabilities)
        if state >> 40 & 15 == 0:
            # And bits that are the kernel's.
            word |= state & 0xFFFF_E000_0000_0000
        for place in range(usize(8)):
            words[place] = next_random(state + u64(place))
        got = system.enter(Call.CALL, slot_of(tally), word, state >> 5 & 3, state >> 9, state & 0x1F, state >> 1)
        status = status_of(got.word)
        fine = status == 0 or status == u64(Status.OUT_OF_RANGE.value) or status == u64(Status.MISSING_RIGHT.value)
        trial.check(fine, word, state, got.word)
        trial.check(status == 0 or got.word >> 56 == WORD, word, state, got.word)
    trial.check(must_get(tally.add(1)) != 0, 0)
    trial.end("lies to a server")


def lends(trial: Trial) -> None:
    """Memory that isn't lent: the server looks at none of it, neither others' nor its own."""
    word = message(must_get(system.call(slot_of(tally), 0)).w0 >> 40 << 8 | COPIED, 2)
    for first in EXTREMES:
        for length in EXTREMES:
            got = system.enter(Call.CALL, slot_of(tally), word, first, length)
            fits = first <= LENT and length <= LENT - first
            taken = got.word == message(0, 1) and got.w0 == length
            trial.check(taken if fits else got.word & REFUSED != 0, first, length, got.word)
    trial.end("lies about memory that is lent")


def bad_server(process: Process, trial: Trial) -> None:
    """Answers of all shapes to who asks in good faith."""
    reply = must_get(process.make(Kind.REPLY))
    state = SEED
    asked = must_get(system.receive(bait.slot, reply))
    for _ in range(ANSWERS):
        state = next_random(state)
        word = state if state & 3 == 0 else message(state >> 8 & 3, state >> 16 & 7)
        if state & 7 == 7:
            word = message(1 << 31 | state >> 8 & 0xFFFF)
        answered = system.reply(reply, word, state >> 3 & 0x1FF, state >> 5 & 7, state, state)
        if answered is not None or word & GIVEN_BIT != 0:
            # A word that can't be sent, or says that it has been: the caller waits on, and gets another one.
            must(system.reply(reply, message(0)))
        trial.check(asked.badge != 0, 0)
        asked = must_get(system.receive(bait.slot, reply))
    must(system.reply(reply, message(0)))
    must(process.drop(reply))
    trial.end("lies to a client")


def flood(trial: Trial) -> None:
    """More calls than anybody needs; messages that nobody answers."""
    for number in range(FLOOD):
        got = system.enter(Call.CALL, slot_of(tally), 0, number)
        trial.failed(got, Status.OK, 0, 0, number)
        if number % 16 == 0:
            _ = system.try_send(slot_of(tally), message(number & 0xFFFF_FFFF, 4), number)
    trial.end("calls without end")


def spin(process: Process, trial: Trial) -> None:
    """Never give the processor back."""
    end = system.now() + process.frequency // 25
    while system.now() < end:
        pass
    trial.check(True, 0)
    trial.end("a loop that gives nobody a turn")


def exhaust(process: Process, trial: Trial) -> None:
    """All slots, then all memory."""
    while True:
        made = process.make(Kind.ENDPOINT)
        if isinstance(made, Failure):
            slots = made.status is Status.OUT_OF_SLOTS or made.status is Status.OUT_OF_MEMORY
            trial.check(slots, 0, made.argument, u64(made.status.value))
            break
        trial.check(True, 0)
    memory = must_get(system.memory_info(process.memory)).free
    # In the slot of the last one that was made.
    slot: u64 = SLOTS - 3
    while kind_at(slot) == 0 and slot > 8:
        slot -= 1
    must(process.drop(slot))
    size = memory
    while size >= 4096:
        failure = system.retype(process.buffer, process.memory, Kind.MEMORY, size // 4096 * 4096, 1, slot)
        trial.check(failure is None or failure.status is Status.OUT_OF_MEMORY, 1, size)
        if failure is None:
            break
        size -= 4096
    for number in range(u64(200)):
        failure = system.retype(process.buffer, process.memory, Kind.FRAME, 0, 1, slot)
        trial.check(failure is not None, 2, number)
    trial.end("all of its quota")


def talk(process: Process) -> None:
    """Nonsense to init, until that has enough."""
    number: u64 = 0
    while True:
        number += 1
        _ = system.send(process.supervisor, message(number & 0xFFFF, 4), number, number, number, number)
