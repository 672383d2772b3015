"""Replacements that go wrong at any time, as a service that asks init for them, and says what it sees."""

from asking import index_of, pause, shutdown_at, system_at, watch_at
from counting import READ, SPEND
from mid import GIVE, WRITE

from neokernel.abi.call import message
from neokernel.abi.description import FIRST_DECLARED
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding
from neokernel.interfaces.system import MOST_POST_MORTEM, Reason, Refused, ServiceStatus, System, Watch
from neokernel.lang import Array, array, asm, u8, u64, unsafe, usize
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure, Message
from neokernel.runtime.thread import make_thread, spawn, start_thread

unsafe("a thread faults")

# What it has, as the test declares it.
INIT: u64 = FIRST_DECLARED
WATCH: u64 = FIRST_DECLARED + 1
COUNTER: u64 = FIRST_DECLARED + 2
WATCHED: u64 = FIRST_DECLARED + 3
MID: u64 = FIRST_DECLARED + 4
POWER: u64 = FIRST_DECLARED + 6
DEVICES: u64 = FIRST_DECLARED + 8
SHUTDOWN: u64 = FIRST_DECLARED + 9
#: where it gets what calls the holder, for a while: it would end with what the holder uses if it used it
HOLDER: u64 = 400
#: microseconds
WHILE: u64 = 10_000
#: more urgent than this
ABOVE: u64 = 150
HIGHEST: u64 = 200
#: microseconds: for what is to come to its end by itself; for what ends just when the service hands over, and the ticks
#: around that, in which the service has something else to do
PATIENCE: u64 = 1_000_000
SHORT: u64 = 50
FIRST: u64 = 400
ROUNDS: u64 = 140
#: seconds of the machine's until it hangs
MOST: u64 = 3
#: what a thread is for, with more above it
BUSY: u64 = 0
WAITER: u64 = 1
SPENDER: u64 = 2
SWAPPER: u64 = 3
FAULTY: u64 = 4
GUARD: u64 = 5
ENDER: u64 = 6


def main(process: Process) -> None:
    process.ready()
    start(process, GUARD, HIGHEST)
    late(process)
    called_off(process)
    never_ready(process)
    without_server(process)
    written(process)
    reported(process)
    held(process)
    told(process, "end others", shutdown_at(SHUTDOWN).end_others())
    tell(process, "nobody", system.call(COUNTER, message(READ)))
    must(system.power_off(POWER, 0))


def init() -> System:
    return system_at(INIT)


def watch() -> Watch:
    return watch_at(WATCH)


def service(name: bytes) -> u64:
    return index_of(watch(), name)


def start(process: Process, argument: u64, priority: u64, finished: u64 = 0) -> None:
    slice = process.frequency // 100
    _ = must_get(spawn(process, argument, priority, slice, slice, finished))


def tell(process: Process, what: str, answer: Message | Failure) -> None:
    if isinstance(answer, Failure):
        process.console.write(f"{what}: {answer.status.name}\n")
    else:
        process.console.write(f"{what}: {answer.w0}\n")


def told(process: Process, what: str, answer: Refused | Failure | None) -> None:
    console = process.console
    if answer is None:
        console.write(f"{what}: done\n")
    elif isinstance(answer, Failure):
        console.write(f"{what}: {answer.status.name}\n")
    else:
        console.write(f"{what}: {answer.reason.name}\n")


# --- one after the other ----------------------------------------------------------------------------------------------


def late(process: Process) -> None:
    """The time is over just when the old version hands over, a bit earlier or later: there is one that serves."""
    orders = must_get(process.make(Kind.ENDPOINT))
    start(process, BUSY | orders << 8, ABOVE)
    counter = service(b"counter")
    done: u64 = 0
    timed_out: u64 = 0
    for turn in range(ROUNDS):
        must(system.send(orders, message(0, 1), FIRST + turn))
        until = system.instructions() + turn * 37 % 1000
        while system.instructions() < until:
            pass
        refused = init().swap(counter, b"counter2" if done % 2 == 0 else b"counter", SHORT)
        if refused is None:
            done += 1
        elif isinstance(refused, Refused) and refused.reason in (Reason.TIMED_OUT, Reason.ROLLED_BACK):
            timed_out += 1
        version = must_get(system.call(COUNTER, message(READ))).w2
        assert version == 1 + done % 2, "what init says is so"
    process.console.write(f"in time: {done != 0}, too late: {timed_out != 0}, all: {done + timed_out == ROUNDS}\n")


def called_off(process: Process) -> None:
    """There is no time at all."""
    for _ in range(3):
        told(process, "at once", init().swap(service(b"counter"), b"counter2", 0))
        _ = must_get(system.call(COUNTER, message(READ)))


def never_ready(process: Process) -> None:
    """The new version is silent, or talks nonsense: the old one is back at once, and calls have only waited."""
    done = must_get(process.make(Kind.NOTIFICATION))
    for _ in range(2):
        start(process, WAITER, ABOVE, done)
        began = system.now()
        refused = init().swap(service(b"watched"), b"mute", PATIENCE)
        soon = system.now() - began < process.frequency // 10
        _ = system.wait(done)
        told(process, "never ready", refused)
        process.console.write(f"soon: {soon}\n")
    # Nobody may end all services meanwhile.
    start(process, ENDER, ABOVE)
    told(process, "asleep", init().swap(service(b"counter"), b"idle", 20_000))
    _ = must_get(system.call(COUNTER, message(READ)))


def without_server(process: Process) -> None:
    """What the new version uses ends and is started again before it begins: it has it."""
    counter = service(b"counter")
    done = must_get(process.make(Kind.NOTIFICATION))
    assert init().stop(counter) is None, "it runs"
    start(process, SPENDER, ABOVE, done)
    start(process, SWAPPER, ABOVE - 1, done)
    pause(process, 5000)
    assert init().start(counter) is None, "it is down"
    pause(process, 200_000)
    tell(process, "its call", system.call(MID, message(0)))


def written(process: Process) -> None:
    """A post-mortem says how memory was accessed."""
    tell(process, "writes", system.call(MID, message(WRITE)))
    data: Array[u8] = array(MOST_POST_MORTEM)
    length = init().post_mortem(0, data[:])
    assert isinstance(length, usize), "there is one"
    process.console.write(f"fault {data[4 * 8]}, access {data[8 * 8]}, in {u64(data[7 * 8 + 1]) << 8:#x}\n")


def reported(process: Process) -> None:
    """A fault that init is told of by who administers it: it refuses that, and the thread stays stopped."""
    slice = process.frequency // 100
    faulty = must_get(make_thread(process, FAULTY, ABOVE))
    _ = system.unbind(faulty.thread, Binding.HANDLER)
    must(system.bind(process.buffer, faulty.thread, Binding.HANDLER, INIT))
    must(start_thread(process, faulty.thread, must_get(process.context(ABOVE, slice, slice))))
    _ = must_get(watch().own())
    process.console.write(f"faulty: {must_get(system.thread_info(faulty.thread)).state}\n")


def held(process: Process) -> None:
    """A device reaches memory of a service whose time is over: what it is to be then, it is when that has ended."""
    index = service(b"holder")
    frame = pinned(process)
    assert init().kill(index) is None, "it runs"
    let_go(process, "failed too often", frame)
    assert init().start(index) is None, "it is given up"
    frame = pinned(process)
    assert init().stop(index) is None, "it runs"
    assert init().kill(service(b"base")) is None, "it runs"
    let_go(process, "stopped", frame)
    assert init().start(index) is None, "it is down"
    frame = pinned(process)
    told(process, "swap", init().swap(index, b"mid2", PATIENCE))
    let_go(process, "handed over", frame)
    may_call()
    tell(process, "its call", system.call(HOLDER, message(0)))


def may_call() -> None:
    """Of the holder, for a while."""
    delegated = init().delegate(service(b"idle"), 0, service(b"replacer"), HOLDER, WHILE)
    assert isinstance(delegated, u64), "there is room"


def pinned(process: Process) -> u64:
    """Let a device reach memory of the holder's: the frame."""
    may_call()
    frame = must_get(process.slot())
    system.window(process.buffer, frame, 1)
    _ = must_get(system.call(HOLDER, message(GIVE)))
    system.window(process.buffer, 0, 0)
    _ = must_get(system.pin(process.buffer, DEVICES, frame))
    return frame


def let_go(process: Process, what: str, frame: u64) -> None:
    """Say what the holder is, and what it is when a device doesn't reach its memory any more."""
    process.console.write(f"{what}: {holder().phase.name}")
    must(system.unpin(process.buffer, DEVICES, frame))
    pause(process, 20_000)
    process.console.write(f", {holder().phase.name}\n")


def holder() -> ServiceStatus:
    """The holder's."""
    name: Array[u8] = array(48)
    status = watch().service(service(b"holder"), name[:])
    assert isinstance(status, ServiceStatus), "init knows it"
    return status


# --- threads ----------------------------------------------------------------------------------------------------------


def thread(process: Process, argument: u64) -> None:
    kind, rest = argument & 0xFF, argument >> 8
    if kind == BUSY:
        while True:
            order = must_get(system.receive(rest, 0))
            _ = system.call(COUNTER, message(SPEND, 1), order.w0)
    elif kind == WAITER:
        pause(process, 2000)
        tell(process, "waits", system.call(WATCHED, message(0)))
    elif kind == SPENDER:
        _ = system.call(MID, message(SPEND, 1), process.frequency // 20)
    elif kind == SWAPPER:
        told(process, "swap", init().swap(service(b"mid"), b"mid2", PATIENCE))
    elif kind == FAULTY:
        asm("ebreak")
    elif kind == ENDER:
        pause(process, 2000)
        told(process, "end others", shutdown_at(SHUTDOWN).end_others())
    elif kind == GUARD:
        pause(process, MOST * 1_000_000)
        process.console.write("it hangs\n")
        _ = system.power_off(POWER, 1)
