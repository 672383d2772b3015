"""Attackers in address spaces of their own, in rounds, until the kernel has had ten million calls.

In each round the root makes three processes of one Memory, gives them capabilities for their own things, for each
other's and for some in common, and lets them do what they like. Their faults come to the root. When a round is over, or
nobody gets on any more, it revokes the Memory: everything ends, and the next round begins. A failed check in the
kernel is a panic, which ends the machine.
"""

from common import ATTACKERS, COUNTERS, NUMBER, SEED, Chance, counters

from neokernel.abi.boot import OWN_SPACE, OWN_TABLE, PROCESSOR
from neokernel.abi.fault import Fault, Resume
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE, Kind
from neokernel.abi.rights import ALL, READ, WRITE
from neokernel.lang import Array, Embedded, Span, array, struct, u64
from neokernel.runtime import system
from neokernel.runtime.capabilities import MAXIMUM_SLOTS
from neokernel.runtime.child import Child
from neokernel.runtime.process import Process
from neokernel.runtime.space import SCRATCH, map_at
from neokernel.runtime.system import Failure

CALLS = 10_000_000
PRIORITY = 100
#: rounds in a second, at most
ROUNDS = 5


@struct
class Round:
    children: Array[Embedded[Child]] = array(ATTACKERS)


def need(found: u64 | Failure) -> u64:
    assert not isinstance(found, Failure), "the root can make what it needs"
    return found


def well(found: Failure | None) -> None:
    assert found is None, "the root can do what it needs"


def main(process: Process) -> None:
    chance = Chance(seed=1)
    shared = need(process.make(Kind.FRAME))
    well(map_at(process, OWN_SPACE, process.memory, COUNTERS, READ | WRITE, shared))
    handler = need(process.make(Kind.ENDPOINT))
    reply = need(process.make(Kind.REPLY))
    limited = need(process.derive(PROCESSOR, ALL, PRIORITY))
    contexts: Array[u64] = array(ATTACKERS)
    for number in range(ATTACKERS):
        contexts[number] = need(process.context(PRIORITY, 1000, 1000))
    memory = need(process.make(Kind.MEMORY, 2 * LARGE_SIZE))
    # Where the root prepares a page of others; from now on it needs no page table of its own any more.
    page = need(process.make(Kind.FRAME))
    well(map_at(process, OWN_SPACE, process.memory, SCRATCH, READ | WRITE, page))
    well(system.unmap(page))
    # The children's memories are kept, from the first ones on.
    first = Round()
    for number in range(ATTACKERS):
        well(first.children[number].create(process, b"attacker", handler))
    for number in range(ATTACKERS):
        well(first.children[number].end(process))
    slots = process.slots()
    free: Array[u64] = array(MAXIMUM_SLOTS // 64)
    for word in range(len(free)):
        free[word] = slots.taken[word].load()
    rounds: u64 = 0
    faults: u64 = 0
    while total() < CALLS:
        rounds += 1
        made = Round()
        begin(process, chance, made, memory, shared, handler, limited, contexts)
        faults += watch(process, handler, reply)
        for number in range(ATTACKERS):
            well(made.children[number].end(process))
        ended = system.revoke(OWN_TABLE, memory)
        if ended is not None:
            process.console.write(f"revoke: {ended.status.name} of argument {ended.argument}\n")
            process.exit(1)
        well(system.revoke(OWN_TABLE, shared))
        for word in range(len(free)):
            slots.taken[word].store(free[word])
    succeeded: u64 = 0
    for each in counters().successes:
        succeeded += each
    for each in counters().leaks:
        assert each == 0, "an attacker could read the kernel's memory"
    process.console.write(f"{total()} calls, {succeeded} of them successful, {rounds} rounds, {faults} faults\n")


def total() -> u64:
    found: u64 = 0
    for each in counters().calls:
        found += each
    return found


def begin(
    process: Process,
    chance: Chance,
    made: Round,
    memory: u64,
    shared: u64,
    handler: u64,
    limited: u64,
    contexts: Span[u64],
) -> None:
    """Make the attackers, then start them."""
    common = need(process.make_of(memory, Kind.ENDPOINT, 0, 2))
    replies = need(process.make_of(memory, Kind.REPLY, 0, ATTACKERS))
    signals = need(process.make_of(memory, Kind.NOTIFICATION, chance.below(2), 2))
    for number in range(ATTACKERS):
        child = made.children[number]
        well(child.create(process, b"attacker", handler))
        well(child.share(process, COUNTERS, READ | WRITE, shared))
        # Faults are reported; what an attacker would say itself isn't asked for.
        well(system.delete(child.table, child.slots - 1))
        well(system.configure(process.buffer, PROCESSOR, PRIORITY, 1000, 1000, contexts[number]))
    for number in range(ATTACKERS):
        child = made.children[number]
        for index in range(2):
            _ = need(child.grant(process, common + index, ALL, chance.below(4)))
            _ = need(child.grant(process, signals + index, ALL, chance.below(4)))
        _ = need(child.grant(process, replies + number, ALL))
        _ = need(child.grant(process, limited, ALL))
        own = need(process.make_of(memory, Kind.MEMORY, PAGE_SIZE * (4 + chance.below(24))))
        _ = need(child.grant(process, own, ALL))
        other = made.children[(number + 1) % ATTACKERS]
        _ = need(child.grant(process, other.thread, ALL))
        _ = need(child.grant(process, other.table, ALL))
        _ = need(child.grant(process, other.space, ALL))
        child.arguments[NUMBER] = number
        child.arguments[SEED] = chance.random()
        well(child.start_on(process, contexts[number], PRIORITY))


def watch(process: Process, handler: u64, reply: u64) -> u64:
    """Take the attackers' faults until the round is over; gives their number."""
    faults: u64 = 0
    end = system.now() + process.frequency // ROUNDS
    before: u64 = 0
    while system.now() < end and total() < CALLS:
        found = system.receive(handler, reply, system.now() + process.frequency // 500)
        if isinstance(found, Failure):
            if total() == before:
                break
            before = total()
        elif found.is_fault():
            faults += 1
            resume = Resume.SKIP if found.label() == u64(Fault.SYSTEM_CALL.value) else Resume.STOP
            _ = system.resume_faulted(reply, resume)
    return faults
