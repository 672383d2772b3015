"""An attacker: system calls without end, most of which could succeed.

It can't see the kernel. What it has it learns by INSPECT, now and then; what it has done with it, from how its calls
end. Others change both, so what it believes is sometimes wrong: that is as good an attack as any.
"""

from common import NUMBER, SEED, Chance, counters, trespass, unknown_call

from neokernel.abi.boot import FIRST_DYNAMIC, OWN_TABLE
from neokernel.abi.buffer import MOVE
from neokernel.abi.call import NEVER, Call, argument_of, message, status_of
from neokernel.abi.kinds import PAGE_SIZE
from neokernel.abi.operations import Operation
from neokernel.abi.rights import ALL
from neokernel.abi.status import FIRST, TRAVELLING, Status
from neokernel.lang import Array, Embedded, Order, array, struct, u32, u64
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

SLOTS = 64
#: what it was given ends here; it rarely deletes any of it
GIVEN_END = FIRST_DYNAMIC + 10
#: calls between two looks at the own table
LOOK = 300
#: kinds (`abi/kinds.py`) that are named below
ENDPOINT = 1
REPLY = 2
NOTIFICATION = 3
MEMORY = 4
CAP_TABLE = 8
THREAD = 9
#: any kind
ANY = 99
#: where the kernel has all memory (`docs/design/kernel.md`)
KERNEL = 0xFFFF_FFC0_8000_0000
# fmt: off
#: of each operation how often it is tried
WEIGHTS: tuple[u64, ...] = (
    0, 24, 4, 6, 14, 6, 6, 4, 8, 3, 4,
    10, 6, 8, 3, 14, 8, 6, 4, 5, 5,
    4, 3, 5, 4, 4, 6, 6, 6, 3, 6,
    1, 1, 1, 1, 1, 3, 4, 3, 2,
)
#: the kind of capability that is invoked: see `abi/operations.py`
KINDS: tuple[u64, ...] = (
    0, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8,
    7, 7, 5, 6, 9, 9, 9, 9, 9, 9,
    9, 9, 9, 9, 9, 9, 15, 15, 15, 10,
    12, 12, 12, 13, 13, 14, 14, 8, 8,
)
#: what of its `used` must be clear, and what must be set
CLEAR: tuple[u64, ...] = (
    0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0x300, 0x200, 0x300, 0,
    0x300, 0x300, 0x290, 0x200, 0x200, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0,
)
SET: tuple[u64, ...] = (
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    3, 0, 1, 1, 0, 0, 0, 0x100, 0, 0,
    0, 0, 0, 0x80, 0x180, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0,
)
#: the kind of capability that travels with it
GIVEN: tuple[u64, ...] = (
    0, 0, 0, 0, 99, 99, 0, 0, 0, 0, 0,
    5, 6, 0, 0, 98, 0, 0, 0, 0, 0,
    0, 0, 3, 0, 0, 0, 10, 9, 0, 0,
    3, 0, 0, 5, 5, 0, 0, 0, 0,
)
#: and what a binding wants
BOUND: tuple[u64, ...] = (7, 8, 5, 1, 10, 3, 11)
# fmt: on
#: the last places stand for CANCEL_SENDERS and DENIALS: the Platform isn't attacked
OPERATIONS = 40

#: `used` of most: bit 0, it is mapped, installed, bound, signalled, full, or holds a caller. Of an address space: it
#: has a table of level 2 (bit 0), and one of level 1 (bit 1). Of a thread: its bindings, that it is held (bit 7), that
#: it was started (bit 8), that it may be an attacker's (bit 9)
IN_USE = 1
BOTH_LEVELS = 3
ALL_BINDINGS = 0x7F
HELD_BIT = 0x80
STARTED = 0x100
FOREIGN = 0x200


@struct
class Mind:
    """What an attacker believes of each of its slots: the kind that is in it (0: none), and how it is used."""

    chance: Embedded[Chance] = Chance()
    kinds: Array[u64] = array(SLOTS)
    used: Array[u64] = array(SLOTS)
    #: look at all of them before the next call
    unsure: bool = True


def main(process: Process) -> None:
    number = process.arguments[NUMBER]
    mind = Mind()
    mind.chance.seed = process.arguments[SEED]
    done: u64 = 0
    while True:
        if done % LOOK == 0 or mind.unsure:
            look(mind)
        done += 1
        if mind.chance.below(3000) == 0:
            _ = trespass(KERNEL + 8 * mind.chance.below(1 << 24))
            counters().leaks[number] += 1
        talks = mind.chance.below(4) == 0
        ended = communicate(process, mind) if talks else operate(process, mind)
        counters().calls[number] += 1
        if status_of(ended) == 0:
            counters().successes[number] += 1


def look(mind: Mind) -> None:
    """See what is in the own slots; of what wasn't expected, nothing is known."""
    mind.unsure = False
    for index in range(SLOTS):
        found = system.inspect(OWN_TABLE, index)
        if not isinstance(found, Failure) and mind.kinds[index] != found.kind:
            mind.kinds[index] = found.kind
            mind.used[index] = FOREIGN if found.kind == THREAD else u64(0)


def pick(mind: Mind, kind: u64, clear: u64 = 0, wanted: u64 = 0) -> u64:
    """The index of a capability of the kind whose use is as wanted; SLOTS if there is none. Rarely nonsense."""
    chance = mind.chance
    if chance.below(50) == 0:
        return chance.random() if chance.below(4) == 0 else chance.below(SLOTS + 200)
    start = chance.below(SLOTS)
    for step in range(SLOTS):
        index = (start + step) % SLOTS
        found = mind.kinds[index]
        use = mind.used[index]
        if (found == kind or (kind == ANY and found != 0)) and use & clear == 0 and use & wanted == wanted:
            return index
    return SLOTS


def run_of(mind: Mind, count: u64) -> u64:
    """Where so many empty slots are in a row; 0 if nowhere."""
    start = mind.chance.below(SLOTS)
    length: u64 = 0
    for step in range(SLOTS):
        index = (start + step) % SLOTS
        length = length + 1 if index != 0 and mind.kinds[index] == 0 else u64(0)
        if length == count:
            return index + 1 - count
    return 0


def empties(mind: Mind) -> u64:
    found: u64 = 0
    for kind in mind.kinds:
        found += 1 if kind == 0 else 0
    return found


def number(chance: Chance) -> u64:
    """An argument: small most often, sometimes at a limit."""
    match chance.below(12):
        case 0:
            return chance.random()
        case 1:
            return u64(1) << chance.below(64)
        case 2:
            return (u64(1) << chance.below(64)) - 1
        case 3:
            return chance.below(8) * PAGE_SIZE
        case _:
            return chance.below(16)


def any_operation(mind: Mind) -> u64:
    """One for which it has something, most often."""
    total: u64 = 0
    for weight in WEIGHTS:
        total += weight
    found: u64 = 1
    for _ in range(8):
        left = mind.chance.below(total)
        found = 1
        while left >= WEIGHTS[found] and found + 1 < OPERATIONS:
            left -= WEIGHTS[found]
            found += 1
        if mind.chance.below(24) == 0:
            return found
        given = GIVEN[found]
        if pick(mind, KINDS[found], CLEAR[found], SET[found]) < SLOTS:
            if given == 0 or given >= 98 or pick(mind, given, IN_USE if given != THREAD else u64(0)) < SLOTS:
                return found
    return found


def operate(process: Process, mind: Mind) -> u64:
    """An operation; gives the message word that came back."""
    chance = mind.chance
    buffer = process.buffer
    operation = any_operation(mind)
    if empties(mind) < 8:
        # Without room nothing can be made.
        operation = u64(Operation.DELETE.value)
    target = pick(mind, KINDS[operation], CLEAR[operation], SET[operation])
    if target == SLOTS:
        target = pick(mind, KINDS[operation])
    if KINDS[operation] == CAP_TABLE and chance.below(8) != 0:
        target = OWN_TABLE
    use = mind.used[target] if target < SLOTS else u64(0)
    place = run_of(mind, 1 + chance.below(2))
    buffer.window_first.store(u32(place & 0xFF), Order.RELAXED)
    buffer.window_size.store(u32(1 + chance.below(2)), Order.RELAXED)
    kind = GIVEN[operation]
    w0, w1, w2, w3 = number(chance), number(chance), number(chance), u64(0)
    sensible = chance.below(16) != 0
    if sensible:
        match operation:
            case 1:
                w0, w1, w2 = 1 + chance.below(12), u64(0), u64(1)
                if w0 == 4:
                    w1 = PAGE_SIZE
                elif w0 == 8:
                    w1 = 1 + chance.below(4)
                elif w0 == 12:
                    w0, w1 = u64(14), u64(1)
                elif w0 == 3:
                    w1 = chance.below(2)
            case 2:
                w0 = 64 * chance.below(32)
            case 4:
                w0, w1, w2 = run_of(mind, 1), u64(ALL) if chance.below(3) != 0 else chance.below(1024), u64(0)
            case 5:
                w0 = run_of(mind, 1)
            case 6 | 7 | 10:
                w0, w1 = pick(mind, ANY), u64(ALL) if chance.below(3) != 0 else chance.below(1024)
            case 8 | 9:
                w0 = pick(mind, ANY)
                if w0 < GIVEN_END and chance.below(30) != 0:
                    operation = u64(Operation.INSPECT.value)
            case 11:
                w0, w1 = 0x4000_0000 + PAGE_SIZE * chance.below(512), u64(1)
            case 12:
                w0, w1 = u64(0x4000_0000), u64(2) if use & IN_USE == 0 else u64(1)
            case 15:
                w0 = a_binding(chance, ~use & ALL_BINDINGS)
                kind = BOUND[w0]
            case 16:
                w0 = a_binding(chance, use & ALL_BINDINGS)
                if use & FOREIGN != 0 and chance.below(40) != 0:
                    # Rarely what an attacker can't be without.
                    w0 = 5 + chance.below(2)
            case 20 | 26:
                pass
            case 17 | 18 | 19 | 21 | 23:
                if use & FOREIGN != 0 and chance.below(40) != 0:
                    operation = u64(Operation.THREAD_INFO.value)
                    kind = 0
            case 22:
                w0 = 0
            case 25:
                w0 = system.now() + chance.below(1000)
            case 27:
                w0, w1 = 95 + chance.below(6), 1000 + chance.below(5000)
                w2 = w1 if chance.below(8) != 0 else w1 + chance.below(5000)
            case 28:
                w0 = chance.below(101)
            case 37:
                w0 = chance.below(2)
            case 38:
                operation = u64(Operation.CANCEL_SENDERS.value)
                w0, w1, w3 = pick(mind, 1), chance.below(3), u64(0)
            case 39:
                operation = u64(Operation.DENIALS.value)
                w0 = chance.below(32)
            case _:
                pass
    if operation == 1 and w0 == 13:
        # A device space: what is pinned by it couldn't be revoked by the root.
        w0 = 14
    given: u64 = 0
    count: u64 = 0
    if kind != 0:
        free: u64 = IN_USE if kind in (3, 5, 6, 10) else 0
        given = pick(mind, kind if kind != 98 else u64(ANY), free)
        buffer.capabilities[0].store(u32(given & 0xFFFF), Order.RELAXED)
        count = 1
    word = system.enter(Call.CALL, target, message(operation, 0, count), w0, w1, w2, w3).word
    learn(mind, operation, target, given, place, w0, w1, word)
    return word


def a_binding(chance: Chance, bits: u64) -> u64:
    """The number of one of the bits that are set; any if none is."""
    found = chance.below(7)
    for _ in range(7):
        if (bits >> found) & 1 != 0:
            return found
        found = (found + 1) % 7
    return found


def learn(mind: Mind, operation: u64, target: u64, given: u64, place: u64, w0: u64, w1: u64, word: u64) -> None:
    """What is believed after the operation on `target`."""
    status = status_of(word)
    own = target == OWN_TABLE
    if status != 0:
        mistaken(mind, operation, target, given, w0, w1, status, argument_of(word))
        return
    match operation:
        case 1:
            mind.unsure = place == 0
            become(mind, place, w0, 0)
        case 4:
            if own and given < SLOTS:
                become(mind, w0, mind.kinds[given], copied(mind, given))
        case 5:
            if own and given < SLOTS:
                become(mind, w0, mind.kinds[given], mind.used[given])
                become(mind, given, 0, 0)
        case 6 | 7:
            if own and w0 < SLOTS:
                become(mind, place, mind.kinds[w0], copied(mind, w0) if operation == 6 else mind.used[w0])
                if operation == 7:
                    become(mind, w0, 0, 0)
            else:
                mind.unsure = True
        case 8:
            mind.unsure = True
        case 9:
            mind.unsure = True
            if w0 < SLOTS and mind.kinds[w0] == MEMORY:
                mind.used[w0] = 0
        case 11:
            mark(mind, given, IN_USE)
        case 12:
            mark(mind, given, IN_USE)
            mark(mind, target, IN_USE if w1 == 2 else u64(BOTH_LEVELS))
        case 13 | 14:
            unmark(mind, target, IN_USE)
        case 15:
            mark(mind, target, u64(1) << (w0 % 8))
            if w0 == 4 or w0 == 5:
                mark(mind, given, IN_USE)
        case 16:
            unmark(mind, target, u64(1) << (w0 % 8))
        case 17 | 19:
            mark(mind, target, STARTED)
        case 18:
            unmark(mind, target, STARTED)
        case 23:
            mark(mind, target, HELD_BIT)
        case 24:
            unmark(mind, target, HELD_BIT)
        case 25:
            # It has faulted most likely, and has stopped.
            unmark(mind, target, STARTED)
        case _:
            pass


def mistaken(mind: Mind, operation: u64, target: u64, given: u64, w0: u64, w1: u64, status: u64, argument: u64) -> None:
    """What is believed after the operation has failed."""
    if status == u64(Status.OCCUPIED.value):
        if operation == 12 and argument == FIRST:
            mark(mind, target, IN_USE if w1 == 2 else u64(BOTH_LEVELS))
        elif operation == 15 and argument == FIRST:
            mark(mind, target, u64(1) << (w0 % 8))
        elif argument == TRAVELLING:
            mark(mind, given, IN_USE)
        elif operation == 23:
            mark(mind, target, HELD_BIT)
    elif status == u64(Status.WRONG_STATE.value):
        match operation:
            case 13 | 14:
                unmark(mind, target, IN_USE)
            case 16:
                unmark(mind, target, u64(1) << (w0 % 8))
            case 17 | 19 | 21 | 22:
                mark(mind, target, STARTED)
            case 18 | 25:
                unmark(mind, target, STARTED)
            case 24:
                unmark(mind, target, HELD_BIT)
            case _:
                pass
    elif status == u64(Status.NO_PAGE_TABLE.value):
        unmark(mind, target, BOTH_LEVELS)
    elif status == u64(Status.OUT_OF_MEMORY.value):
        # All that it was made into goes: then it is free again.
        mark(mind, target, IN_USE)
        if target < SLOTS and not isinstance(system.revoke(OWN_TABLE, target), Failure):
            mind.used[target] = 0
        mind.unsure = True
    elif status == u64(Status.NO_CAPABILITY.value) or status == u64(Status.NO_WINDOW.value):
        mind.unsure = True


def copied(mind: Mind, index: u64) -> u64:
    """How a copy is used: what is mapped or bound is the capability; what a thread or space has is the object's."""
    kind = mind.kinds[index]
    return mind.used[index] if kind in (2, 3, 4, 7, 9) else u64(0)


def become(mind: Mind, index: u64, kind: u64, used: u64) -> None:
    if index < SLOTS:
        mind.kinds[index] = kind
        mind.used[index] = used


def mark(mind: Mind, index: u64, bits: u64) -> None:
    if index < SLOTS:
        mind.used[index] |= bits


def unmark(mind: Mind, index: u64, bits: u64) -> None:
    if index < SLOTS:
        mind.used[index] &= ~bits


def communicate(process: Process, mind: Mind) -> u64:
    """A message, a reply, a signal, a wait with a deadline."""
    chance = mind.chance
    buffer = process.buffer
    count: u64 = 0
    length = chance.below(5)
    buffer.window_first.store(u32(run_of(mind, 2)), Order.RELAXED)
    buffer.window_size.store(2, Order.RELAXED)
    if chance.below(6) == 0:
        count = 1 + chance.below(3)
        for index in range(count):
            named = pick(mind, ANY) & 0xFFFF
            buffer.capabilities[index].store(u32(named | MOVE if chance.below(6) == 0 else named), Order.RELAXED)
        length = chance.below(30)
    word = message(chance.below(3), length, count)
    soon = system.now() + chance.below(600)
    endpoint = pick(mind, ENDPOINT)
    if chance.below(3) == 0:
        # They meet more often at one of those that all have.
        endpoint = FIRST_DYNAMIC
    match chance.below(120):
        case 0:
            # Who isn't answered waits until the round is over.
            match chance.below(6):
                case 0:
                    return system.enter(Call.CALL, endpoint, word, 1, 2, 3, 4).word
                case 1:
                    return system.enter(Call.SEND, endpoint, word, 1, 2, 3, 4).word
                case _:
                    return unknown_call(9 + chance.below(1 << 32))
        case 2 | 3 | 4 | 5 | 12 | 13:
            return system.enter(Call.TRY_SEND, endpoint, word, 1, 2, 3, 4).word
        case 6 | 7 | 8 | 9 | 10 | 11 | 18 | 19:
            reply = pick(mind, REPLY)
            found = system.enter_with(reply, Call.RECEIVE, endpoint, 0, soon).word
            if status_of(found) == 0:
                mind.unsure = True
                mark(mind, reply, IN_USE)
            return found
        case 20 | 21 | 22 | 23 | 24 | 25 | 26 | 27:
            reply = pick(mind, REPLY, 0, IN_USE)
            unmark(mind, reply, IN_USE)
            if chance.below(8) == 0:
                # Answered and received in one: then it waits, for who comes.
                mind.unsure = True
                mark(mind, reply, IN_USE)
                return system.enter_with(reply, Call.REPLY_RECEIVE, endpoint, word, 5, 6, 7, 8).word
            return system.enter_with(reply, Call.REPLY, 0, word, 5, 6, 7, 8).word
        case 14 | 15 | 16:
            _ = system.enter(Call.YIELD, 0, 0)
            return 0
        case _:
            deadline = NEVER if chance.below(400) == 0 else soon
            signalled = pick(mind, NOTIFICATION, 0, IN_USE)
            if signalled >= SLOTS and chance.below(8) != 0:
                signal = pick(mind, NOTIFICATION)
                mark(mind, signal, IN_USE)
                return system.enter(Call.SIGNAL, signal, 0).word
            unmark(mind, signalled, IN_USE)
            return system.enter(Call.WAIT, signalled, 0, deadline).word
