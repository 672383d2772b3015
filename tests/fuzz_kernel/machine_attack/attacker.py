"""An attacker: system calls without end, most of which could succeed.

It can't see the kernel: what it has it learns by INSPECT, now and then.
"""

from common import NUMBER, SEED, Chance, counters

from neokernel.abi.boot import OWN_TABLE
from neokernel.abi.buffer import MOVE
from neokernel.abi.call import NEVER, Call, message, status_of
from neokernel.abi.kinds import PAGE_SIZE
from neokernel.lang import Array, Order, array, u32, u64
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

SLOTS = 64
#: calls between two looks at the own table
LOOK = 200
#: of each operation the kind of capability that is invoked: see `abi/operations.py`
# fmt: off
KINDS: tuple[u64, ...] = (
    0, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8,
    7, 7, 5, 6, 9, 9, 9, 9, 9, 9,
    9, 9, 9, 9, 9, 9, 15, 15, 15, 10,
    12, 12, 12, 13, 13, 14, 14,
)
#: and of what travels with it
GIVEN: tuple[u64, ...] = (
    0, 0, 0, 0, 99, 99, 0, 0, 0, 0, 0,
    5, 6, 0, 0, 98, 0, 0, 0, 0, 0,
    0, 0, 3, 0, 0, 0, 10, 9, 0, 0,
    3, 0, 0, 5, 5, 0, 0,
)
#: and what a binding wants
BOUND: tuple[u64, ...] = (7, 8, 5, 1, 10, 3, 11)
# fmt: on


def main(process: Process) -> None:
    number = process.arguments[NUMBER]
    chance = Chance(seed=process.arguments[SEED])
    kinds: Array[u64] = array(SLOTS)
    done: u64 = 0
    while True:
        if done % LOOK == 0:
            for index in range(SLOTS):
                found = system.inspect(OWN_TABLE, index)
                if not isinstance(found, Failure):
                    kinds[index] = found.kind
        done += 1
        ended = attack(process, chance, kinds)
        counters().calls[number] += 1
        if status_of(ended) == 0:
            counters().successes[number] += 1


def pick(chance: Chance, kinds: Array[u64], kind: u64) -> u64:
    """The index of a capability of the kind (99: any), or nonsense."""
    if chance.below(40) == 0:
        return chance.random() if chance.below(4) == 0 else chance.below(SLOTS + 200)
    start = chance.below(SLOTS)
    for step in range(SLOTS):
        index = (start + step) % SLOTS
        if kinds[index] == kind or (kind == 99 and kinds[index] != 0):
            return index
    return start


def has(kinds: Array[u64], kind: u64) -> bool:
    """Is there a capability of the kind? Those above 90 are several kinds."""
    if kind == 0 or kind > 90:
        return True
    found = False
    for each in kinds:
        found = found or each == kind
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


def attack(process: Process, chance: Chance, kinds: Array[u64]) -> u64:
    """One call; gives the message word that came back."""
    buffer = process.buffer
    buffer.window_first.store(u32(pick(chance, kinds, 0) & 0xFF), Order.RELAXED)
    buffer.window_size.store(u32(1 + chance.below(3)), Order.RELAXED)
    if chance.below(4) == 0:
        return communicate(process, chance, kinds)
    operation = 1 + chance.below(37)
    for _ in range(6):
        if chance.below(16) == 0 or (has(kinds, KINDS[operation]) and has(kinds, GIVEN[operation])):
            break
        operation = 1 + chance.below(37)
    given = GIVEN[operation]
    w0, w1, w2, w3 = number(chance), number(chance), number(chance), u64(0)
    if chance.below(8) != 0:
        match operation:
            case 1:
                w0, w1, w2 = 1 + chance.below(14), chance.below(2), u64(1)
                if w0 == 4 or w0 == 8 or w0 >= 13:
                    w1 = PAGE_SIZE if w0 == 4 else 1 + chance.below(2)
            case 4:
                w0, w1, w2 = pick(chance, kinds, 0), chance.below(512), chance.below(2)
            case 5:
                w0 = pick(chance, kinds, 0)
            case 6 | 7 | 8 | 9 | 10:
                w0, w1 = pick(chance, kinds, 99), chance.below(512)
                if (operation == 8 or operation == 9) and w0 < 16:
                    operation = 10
            case 11:
                w0, w1 = 0x4000_0000 + PAGE_SIZE * chance.below(8), 1 + chance.below(3)
            case 12:
                w0, w1 = u64(0x4000_0000), 1 + chance.below(2)
            case 15:
                w0 = chance.below(7)
                given = BOUND[w0]
            case 16:
                # Rarely what an attacker can't be without.
                w0 = chance.below(7) if chance.below(40) == 0 else 5 + chance.below(2)
            case 17 | 18 | 19 | 21:
                # Rarely: most threads are attackers.
                if chance.below(40) != 0:
                    operation = 26
            case 22:
                w0 = 0
            case 25:
                w0 = system.now() + chance.below(1000)
            case 27:
                w0, w1 = 95 + chance.below(6), 1000 + chance.below(5000)
                w2 = w1 if chance.below(8) != 0 else w1 + chance.below(5000)
            case _:
                pass
    if operation == 1 and w0 == 13:
        # A device space: what is pinned by it couldn't be revoked by the root.
        w0 = 14
    count: u64 = 0
    if given != 0:
        buffer.capabilities[0].store(u32(pick(chance, kinds, given) & 0xFFFF), Order.RELAXED)
        count = 1
    target = pick(chance, kinds, KINDS[operation])
    return system.call(target, message(operation, 0, count), w0, w1, w2, w3).word


def communicate(process: Process, chance: Chance, kinds: Array[u64]) -> u64:
    """A message, a reply, a signal, a wait with a deadline."""
    buffer = process.buffer
    count: u64 = 0
    length = chance.below(5)
    if chance.below(6) == 0:
        count = 1 + chance.below(4)
        for index in range(count):
            named = pick(chance, kinds, 99) & 0xFFFF
            buffer.capabilities[index].store(u32(named | MOVE if chance.below(6) == 0 else named), Order.RELAXED)
        length = chance.below(30)
    word = message(chance.below(3), length, count)
    soon = system.now() + chance.below(600)
    endpoint = pick(chance, kinds, 1)
    reply = pick(chance, kinds, 2)
    match chance.below(60):
        case 0:
            if chance.below(3) != 0:
                return system.enter(Call.SIGNAL, pick(chance, kinds, 3), 0).word
            return system.enter(Call.CALL, endpoint, word, 1, 2, 3, 4).word
        case 1:
            return system.enter(Call.SEND, endpoint, word, 1, 2, 3, 4).word
        case 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15:
            return system.enter(Call.TRY_SEND, endpoint, word, 1, 2, 3, 4).word
        case 16 | 17 | 18 | 19 | 20 | 21 | 22 | 23 | 24 | 25:
            return system.enter_with(reply, Call.RECEIVE, endpoint, 0, soon).word
        case 26 | 27 | 28 | 29 | 30 | 31 | 32 | 33:
            return system.enter_with(reply, Call.REPLY, 0, word, 5, 6, 7, 8).word
        case 34:
            _ = system.enter(Call.YIELD, 0, 0)
            return 0
        case 35 | 36 | 37 | 38 | 39 | 40 | 41 | 42 | 43 | 44 | 45 | 46:
            return system.enter(Call.SIGNAL, pick(chance, kinds, 3), 0).word
        case _:
            deadline = NEVER if chance.below(400) == 0 else soon
            return system.enter(Call.WAIT, pick(chance, kinds, 3), 0, deadline).word
