"""What becomes of children: how they end, what their clients hear, and that nothing of them stays."""

from neokernel.abi.boot import OWN_SPACE, PROCESSOR, ROOT_SLOTS
from neokernel.abi.call import message
from neokernel.abi.fault import Fault
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import ALL, CONTROL, READ, RECEIVE, SEND, SIGNAL, WAIT, WRITE
from neokernel.abi.status import Status
from neokernel.lang import Array, array, count_ones, u64
from neokernel.runtime import system
from neokernel.runtime.child import Child, Death, await_death, end_child
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_new
from neokernel.runtime.system import Failure
from neokernel.runtime.thread import drop_thread, make_thread, spawn, start_thread

ROUNDS: u64 = 1000
#: of bits, of the root's slots
WORDS = ROOT_SLOTS // 64
PRIORITY = 100
#: of each child: room for a thread of its own, too
MEMORY = 512 << 10
#: of a client: above the children
CLIENT = 150
#: what a child is to do
EXIT: u64 = 0
FAULT: u64 = 1
SPIN: u64 = 2
SERVE: u64 = 3
THREAD_FAULT: u64 = 4
KINDS: u64 = 5
OVERSTATE: u64 = 5
CALL: u64 = 6
PIN: u64 = 7
BEAT: u64 = 8
FLOOD: u64 = 9
PASSIVE: u64 = 10
#: labels of requests; a client has what it adds to WORK in the upper half of its argument
WORK: u64 = 1
LINGER: u64 = 1
#: argument of a thread that is no client
SUPERVISE: u64 = 1 << 63
#: where the client finds what it needs, and leaves what it got
ENDPOINT = 0
DONE = 1
HEAP = 0x20_0000_0000
SHARED = 0x21_0000_0000


def free_slots(process: Process) -> u64:
    slots = process.slots()
    free: u64 = 0
    for word in range(slots.words):
        free += u64(count_ones(~slots.taken[word].load()))
    return free


def free_bytes(process: Process) -> u64:
    return must_get(system.memory_info(process.memory)).free


def main(process: Process) -> None:
    events, reply = must_get(process.make(Kind.ENDPOINT)), must_get(process.make(Kind.REPLY))
    endpoint, frame = must_get(process.make(Kind.ENDPOINT)), must_get(process.make(Kind.FRAME))
    refused(process, events)
    tried_again(process, events, reply, endpoint)
    no_thread(process)
    again_and_again(process, events, reply, endpoint, frame)
    as_many_as_possible(process, events)
    overstated(process, events, reply, endpoint)
    called(process, events, reply, endpoint)
    flooded(process, events, reply, endpoint)
    beating(process, events, reply, endpoint)
    passive_supervisor(process, events)
    pinned(process, events)
    clients(process, events, reply, endpoint)
    slow(process, events, reply, endpoint)
    orphaned(process, events, reply, endpoint)
    must(map_new(process, OWN_SPACE, process.memory, HEAP, READ | WRITE, 130))
    process.console.write("130 pages\n")


def make(process: Process, child: Child, kind: u64, events: u64, endpoint: u64) -> None:
    must(child.create(process, b"worker", events, MEMORY))
    child.arguments[0] = kind
    child.arguments[1] = must_get(child.grant(process, endpoint, RECEIVE))
    child.arguments[2] = must_get(child.make(process, Kind.REPLY))
    if kind in (EXIT, THREAD_FAULT):
        child.own_memory = must_get(child.make(process, Kind.MEMORY, 32 * PAGE_SIZE))
    if kind == THREAD_FAULT:
        must(child.grant_at(process, PROCESSOR, PROCESSOR, CONTROL, PRIORITY))


def again_and_again(process: Process, events: u64, reply: u64, endpoint: u64, frame: u64) -> None:
    """Each kind of life and end; after the first of each, not a byte and not a slot is missing."""
    child = Child()
    slots: u64 = 0
    memory: u64 = 0
    for round in range(ROUNDS + KINDS):
        kind = round % KINDS
        if round == KINDS:
            slots, memory = free_slots(process), free_bytes(process)
        make(process, child, kind, events, endpoint)
        must(child.share(process, SHARED, READ, frame))
        must(child.map_new(process, HEAP, READ | WRITE, 3))
        must(child.start(process, PRIORITY))
        if kind in (SPIN, SERVE):
            # It runs, or waits to be called, until it is ended.
            deadline = system.now() + process.frequency // 2000
            assert isinstance(await_death(process, events, reply, deadline), Failure), "it says nothing"
            must(child.end(process))
        else:
            death = must_get(await_death(process, events, reply))
            assert death.child == child.number and death.thread == child.thread, "there is no other"
            if kind == EXIT:
                assert death.fault is None and death.status == 42, "it ends with its status"
            else:
                assert death.fault is not None and death.fault is Fault.BREAKPOINT, "its check fails"
                assert death.counter != 0, "somewhere"
            must(child.end(process))
    lost = slots - free_slots(process)
    process.console.write(f"{ROUNDS} rounds: {lost} slots and {memory - free_bytes(process)} bytes lost\n")


def refused(process: Process, events: u64) -> None:
    """What can't be made leaves nothing behind, but Memory for another one."""
    child = Child()
    tell(process, "no such program", child.create(process, b"nobody", events))
    tell(process, "too little memory", child.create(process, b"worker", events, 64 << 10))
    slots, memory = free_slots(process), free_bytes(process)
    tell(process, "again", child.create(process, b"worker", events, 64 << 10))
    assert slots == free_slots(process) and memory == free_bytes(process), "nothing is left"
    tell(process, "nobody's slot", process.drop(500))
    tell(process, "no slot", process.drop(1 << 40))
    tell(process, "no child", end_child(process, 1))
    tell(process, "no number", end_child(process, 129))


def tried_again(process: Process, events: u64, reply: u64, endpoint: u64) -> None:
    """Whose start has failed can be started all the same."""
    child = Child()
    make(process, child, EXIT, events, endpoint)
    context = must_get(process.context(PRIORITY, process.frequency, process.frequency))
    slots = free_slots(process)
    for _ in range(u64(2)):
        tell(process, "no such priority", child.start(process, 256))
        tell(process, "no context", child.start_on(process, endpoint, PRIORITY))
        taken: Array[u64] = array(WORDS)
        leave_free(process, 0, taken)
        tell(process, "no slot for its page", child.start(process, PRIORITY))
        tell(process, "nor on its maker's context", child.start_on(process, context, PRIORITY))
        give_back(process, taken)
    assert slots == free_slots(process), "no slot is lost"
    must(child.start(process, PRIORITY))
    death = must_get(await_death(process, events, reply))
    assert death.fault is None and death.status == 42, "it has begun as if nothing had been"
    tell(process, "started already", child.start(process, PRIORITY))
    must(child.end(process))
    must(process.drop(context))


def no_thread(process: Process) -> None:
    """A thread that can't be made, wherever it fails, leaves no slot taken."""
    told(process, "thread without priority", spawn(process, 0, 256, process.frequency, process.frequency))
    # The page tables for its place stay, which is the next one's then.
    slots = free_slots(process)
    for _ in range(u64(2)):
        told(process, "another one", spawn(process, 0, 256, process.frequency, process.frequency))
    assert slots == free_slots(process), "neither its own nor its stack's"
    taken: Array[u64] = array(WORDS)
    for left in range(u64(0), u64(3)):
        leave_free(process, left, taken)
        told(process, "too few slots for a thread", spawn(process, 0, CLIENT, process.frequency, process.frequency))
        assert left == free_slots(process), "what was left is left"
        give_back(process, taken)
    assert slots == free_slots(process), "all are given back"


def leave_free(process: Process, count: u64, taken: Array[u64]) -> None:
    """Take all slots but the first `count` that are free; `taken` says which were taken before."""
    slots = process.slots()
    for word in range(slots.words):
        taken[word] = slots.taken[word].load()
    left = must_get(process.slot(count)) if count != 0 else 0
    while slots.allocate() is not None:
        pass
    if count != 0:
        slots.release(left, count)


def give_back(process: Process, taken: Array[u64]) -> None:
    slots = process.slots()
    for word in range(slots.words):
        slots.taken[word].store(taken[word])


def told(process: Process, what: str, made: u64 | Failure) -> None:
    assert isinstance(made, Failure), "it must fail"
    tell(process, what, made)


def tell(process: Process, what: str, failure: Failure | None) -> None:
    assert failure is not None, "it must fail"
    process.console.write(f"{what}: {failure.status.name} of argument {failure.argument}\n")


def as_many_as_possible(process: Process, events: u64) -> None:
    child = Child()
    made: u64 = 0
    failure: Failure | None = None
    while failure is None:
        child.number = 0
        failure = child.create(process, b"worker", events)
        if failure is None:
            made += 1
    assert made > 90, "each takes 8 slots of the maker's"
    tell(process, "one too many", failure)
    ended: u64 = 0
    for number in range(u64(1), u64(129)):
        if end_child(process, number) is None:
            ended += 1
    assert ended == made, "each can be ended"
    slots, memory = free_slots(process), free_bytes(process)
    for _ in range(u64(2)):
        for _ in range(made):
            child.number = 0
            must(child.create(process, b"worker", events))
        for number in range(u64(1), u64(129)):
            _ = end_child(process, number)
    assert slots == free_slots(process) and memory == free_bytes(process), "and made anew"


def overstated(process: Process, events: u64, reply: u64, endpoint: u64) -> None:
    """A status above 255 is a fault, as it is the root's."""
    child = Child()
    make(process, child, OVERSTATE, events, endpoint)
    must(child.start(process, PRIORITY))
    death = must_get(await_death(process, events, reply))
    assert death.fault is not None, "no such status is told"
    process.console.write(f"status 256: {death.fault.name}\n")
    registers: Array[u64] = array(system.THREAD_REGISTERS)
    must(system.read_registers(process.buffer, death.thread, registers))
    assert registers[0] == death.counter, "it stands where it has faulted"
    must(child.end(process))


def called(process: Process, events: u64, reply: u64, endpoint: u64) -> None:
    """Who calls to say that it has ended doesn't keep the supervisor from hearing of others."""
    child = Child()
    make(process, child, CALL, events, endpoint)
    must(child.start(process, PRIORITY))
    death = must_get(await_death(process, events, reply))
    assert death.fault is None and death.status == 7, "it says so"
    next = await_death(process, events, reply, system.now() + process.frequency // 2000)
    assert isinstance(next, Failure), "nobody else ends"
    process.console.write(f"nobody else: {next.status.name}\n")
    must(child.end(process))


def flooded(process: Process, events: u64, reply: u64, endpoint: u64) -> None:
    """Who says this and that without end, and is more urgent, doesn't keep the supervisor from its deadline."""
    child = Child()
    make(process, child, FLOOD, events, endpoint)
    must(child.start(process, CLIENT))
    tell_death(process, "flooded", await_death(process, events, reply, system.now() + process.frequency // 2000))
    must(child.end(process))


def beating(process: Process, events: u64, reply: u64, endpoint: u64) -> None:
    """Who spins is noticed, because it signals no longer."""
    child = Child()
    beat = must_get(process.make(Kind.NOTIFICATION))
    make(process, child, BEAT, events, endpoint)
    child.arguments[3] = must_get(child.grant(process, beat, SIGNAL, 1))
    must(child.start(process, PRIORITY))
    alive = False
    while True:
        death = await_death(process, events, reply, system.now() + process.frequency // 2000)
        assert isinstance(death, Failure) and death.status is Status.TIMED_OUT, "it lives"
        beaten = not isinstance(system.poll(beat), Failure)
        if alive and not beaten:
            break
        alive = alive or beaten
    process.console.write("no beat\n")
    must(child.end(process))
    must(process.drop(beat))


def passive_supervisor(process: Process, events: u64) -> None:
    """Who has no time of its own can't wait for deaths, and hears that at once."""
    turns = must_get(process.make(Kind.NOTIFICATION))
    process.arguments[ENDPOINT] = events
    made = must_get(make_thread(process, SUPERVISE, PRIORITY))
    must(system.hold(process.buffer, made.thread, turns))
    must_get(system.wait(turns))
    stop = must_get(system.dispatch(made.thread))
    process.console.write(f"passive supervisor: {stop.name}\n")
    drop_thread(process, made)
    must(process.drop(turns))


def tell_death(process: Process, what: str, death: Death | Failure) -> None:
    assert isinstance(death, Failure), "nobody ends"
    tell(process, what, death)


def pinned(process: Process, events: u64) -> None:
    """A driver whose device may still reach its memory stops all the same, also on a context of its maker's."""
    child = Child()
    space, turns = must_get(process.make(Kind.DMA_SPACE, 1)), must_get(process.make(Kind.NOTIFICATION))
    must(child.create(process, b"worker", events, MEMORY))
    child.arguments[0] = PIN
    child.arguments[1] = must_get(child.grant(process, turns, SIGNAL))
    child.arguments[2] = must_get(child.grant(process, space, ALL))
    child.arguments[3] = must_get(child.make(process, Kind.FRAME))
    context = must_get(process.context(PRIORITY, process.frequency, process.frequency))
    must(child.start_on(process, context, PRIORITY))
    must_get(system.wait(turns))
    tell(process, "pinned", child.end(process))
    _ = system.poll(turns)
    quiet = system.wait(turns, system.now() + process.frequency // 1000)
    assert isinstance(quiet, Failure) and quiet.status is Status.TIMED_OUT, "it is stopped"
    must(process.drop(space))
    must(child.end(process))
    must(process.drop(context))


def clients(process: Process, events: u64, reply: u64, endpoint: u64) -> None:
    """A server faults while it serves one client and another waits; then it is started anew."""
    done = must_get(process.make(Kind.NOTIFICATION, 1))
    process.arguments[ENDPOINT] = must_get(process.derive(endpoint, SEND, 1))
    process.arguments[DONE] = done
    child = Child()
    make(process, child, SERVE, events, endpoint)
    must(child.start(process, PRIORITY))
    # The first request is one that it can't serve.
    for number in range(u64(0), u64(2)):
        must_get(spawn(process, number, CLIENT - number, process.frequency, process.frequency))
    death = must_get(await_death(process, events, reply))
    assert death.fault is not None, "it has faulted"
    process.console.write(f"server: {death.fault.name}\n")
    assert isinstance(system.poll(done), Failure), "its clients wait"
    must(end_child(process, death.child))
    must_get(system.wait(done))
    child = Child()
    make(process, child, SERVE, events, endpoint)
    must(child.start(process, PRIORITY))
    must_get(system.wait(done))
    must(child.end(process))


def make_passive(process: Process, child: Child, events: u64, endpoint: u64, busy: u64, go: u64) -> None:
    """A server that runs on its clients' time."""
    make(process, child, PASSIVE, events, endpoint)
    child.arguments[3] = must_get(child.grant(process, busy, SIGNAL))
    child.arguments[4] = must_get(child.grant(process, go, WAIT))
    must(child.start(process, PRIORITY))
    # Once it has answered, it waits.
    must_get(system.call(process.arguments[ENDPOINT], message(WORK, 1), 1))
    must(system.unbind(child.thread, Binding.CONTEXT))


def slow(process: Process, events: u64, reply: u64, endpoint: u64) -> None:
    """A client has too little time for what it asks: its server lives, and goes on when there is more."""
    busy, go = must_get(process.make(Kind.NOTIFICATION)), must_get(process.make(Kind.NOTIFICATION))
    process.arguments[ENDPOINT] = must_get(process.derive(endpoint, SEND, 1))
    child = Child()
    make_passive(process, child, events, endpoint, busy, go)
    budget = process.frequency // 10_000
    context = must_get(process.context(CLIENT, budget, 10 * budget))
    client = must_get(make_thread(process, 20 * budget, CLIENT))
    must(start_thread(process, client.thread, context))
    while isinstance(system.poll(process.arguments[DONE]), Failure):
        death = await_death(process, events, reply, system.now() + process.frequency // 2000)
        assert isinstance(death, Failure), "a client's time is over, and not the server's life"
    assert must_get(system.context_info(context)).used > budget, "it was over"
    must(child.end(process))
    drop_thread(process, client)
    must(process.drop(context))


def orphaned(process: Process, events: u64, reply: u64, endpoint: u64) -> None:
    """A client's time ends for good: the server stands still until it gets some of its own."""
    busy, go = must_get(process.make(Kind.NOTIFICATION)), must_get(process.make(Kind.NOTIFICATION))
    child = Child()
    make_passive(process, child, events, endpoint, busy, go)
    context = must_get(process.context(PRIORITY, process.frequency, process.frequency))
    client = must_get(make_thread(process, LINGER << 32, PRIORITY))
    must(start_thread(process, client.thread, context))
    must_get(system.wait(busy))
    must(process.drop(context))
    death = must_get(await_death(process, events, reply))
    assert death.thread == child.thread and death.fault is not None, "nobody lends it time any more"
    process.console.write(f"orphan: {death.fault.name}\n")
    context = must_get(process.context(PRIORITY, process.frequency, process.frequency))
    must(system.bind(process.buffer, death.thread, Binding.CONTEXT, context))
    must(system.signal(go))
    answer = must_get(system.call(process.arguments[ENDPOINT], message(WORK, 1), 5))
    process.console.write(f"and then: {answer.w0}\n")
    must(child.end(process))
    drop_thread(process, client)
    must(process.drop(context))


def thread(process: Process, argument: u64) -> None:
    """A client: how often does its number go into 10? Or a supervisor without time of its own."""
    if argument == SUPERVISE:
        reply = must_get(process.make(Kind.REPLY))
        tell_death(process, "passive supervisor", await_death(process, process.arguments[ENDPOINT], reply))
        process.exit_thread()
    answer = system.call(process.arguments[ENDPOINT], message(WORK + (argument >> 32), 1), argument & 0xFFFF_FFFF)
    if isinstance(answer, Failure):
        process.console.write(f"client {argument}: {answer.status.name}\n")
    else:
        process.console.write(f"client {argument}: {answer.w0}\n")
    must(system.signal(process.arguments[DONE]))
