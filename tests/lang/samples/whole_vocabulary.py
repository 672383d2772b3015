"""A target module that uses the whole vocabulary, for type checkers and for a run."""

# The language says "anything with this protocol" by a type variable, even where one parameter only is meant.
# pyright: reportInvalidTypeVarUse=false

from enum import Enum
from typing import Annotated, Final, Generic, Protocol, TypeAlias, TypeVar, assert_never

from neokernel.lang import (
    Array,
    Atomic,
    Coroutine,
    Embedded,
    Ghost,
    Given,
    Handle,
    Order,
    Posts,
    Provides,
    Setting,
    Span,
    Takes,
    Tasks,
    Uses,
    address_of,
    align_of,
    array,
    array_of,
    asm,
    assembly,
    at,
    byte_swap,
    cancel,
    cold,
    copy,
    count_leading_zeros,
    count_ones,
    count_trailing_zeros,
    device_fence,
    ensures,
    f32,
    f64,
    fence,
    float_bits,
    float_from_bits,
    ghost,
    i8,
    i64,
    inline,
    interface,
    invariant,
    loop_bound,
    loop_invariant,
    multiply_high,
    naked,
    new_at,
    object_at,
    offset_of,
    old,
    outbox_of,
    pause,
    posts,
    provides,
    renew,
    replace,
    requires,
    result_of,
    resume,
    retire,
    rotate_left,
    rotate_right,
    saturating_add,
    saturating_mul,
    saturating_sub,
    setting,
    size_of,
    slot_of,
    span_at,
    square_root,
    start,
    struct,
    takes,
    tasks,
    text_of,
    truncate,
    u3,
    u4,
    u5,
    u8,
    u12,
    u16,
    u16be,
    u32,
    u32le,
    u64,
    unreachable,
    unsafe,
    up_to,
    uses,
    usize,
    value,
    wire,
    wire_view,
    wrapping_add,
    wrapping_mul,
    wrapping_neg,
    wrapping_shl,
    wrapping_sub,
    writer,
)
from neokernel.runtime.lend import Lent
from neokernel.runtime.objects import Notification
from neokernel.runtime.process import Process
from neokernel.runtime.ring import Broken
from neokernel.runtime.system import Failure

unsafe("a sample of everything")
assembly(".globl sample\nsample:\n    ret\n")

PAGE_SIZE: Final = 4096
PAGE_MASK = PAGE_SIZE - 1
GREETING = b"hello"
SQUARES: tuple[u32, ...] = tuple(u32(x) * u32(x) for x in range(1, 4))

assert PAGE_SIZE % 8 == 0

T = TypeVar("T")


class Color(Enum):
    RED = 0
    GREEN = 1
    BLUE = 2


class Error(Enum):
    FULL = 0
    EMPTY = 1


@value
class Point:
    x: i64
    y: i64 = 0

    def moved(self, dx: i64) -> "Point":
        return replace(self, x=self.x + dx)

    @staticmethod
    def origin() -> "Point":
        return Point(0, 0)


Result: TypeAlias = u32 | Error
Shape: TypeAlias = Point | Color | u8 | None


class Writer(Protocol):
    def write(self, text: str) -> None: ...


W = TypeVar("W", bound=Writer)


@struct
class Thread:
    name: str = "idle"
    next: "Thread | None" = None
    priority: u8 = 0
    color: Color = Color.RED
    runs: Atomic[u64] = Atomic(0)
    steps: Ghost[u64] = 0
    seen: Handle["Thread"] = Handle(0, 0)


@struct
class Queue:
    """A FIFO. Invariant: empty exactly when it has no tail."""

    head: Thread | None = None
    tail: Thread | None = None
    length: usize = 0

    @invariant
    def ends_agree(self) -> bool:
        return (self.head is None) == (self.tail is None)

    def push(self, thread: Thread) -> None:
        requires(thread.next is None)
        ensures(lambda: self.length == old(self.length) + 1)
        if self.tail is None:
            self.head = thread
        else:
            self.tail.next = thread
        self.tail = thread
        self.length += 1

    def pop(self) -> Thread | Error:
        thread = self.head
        if thread is None:
            return Error.EMPTY
        self.head = thread.next
        if self.head is None:
            self.tail = None
        thread.next = None
        self.length -= 1
        return thread

    def __len__(self) -> usize:
        return self.length

    @ghost
    def count(self) -> usize:
        found: usize = 0
        thread = self.head
        while thread is not None:
            loop_bound(1000)
            loop_invariant(found <= 1000)
            found += 1
            thread = thread.next
        return found


@struct
class Ring(Generic[T]):
    slots: Array[T]
    start: usize = 0
    used: usize = 0

    def push(self, item: T) -> bool:
        if self.used == len(self.slots):
            return False
        self.slots[(self.start + self.used) % len(self.slots)] = item
        self.used += 1
        return True


@struct
class Machine:
    queue: Embedded[Queue] = Queue()
    threads: Array[Embedded[Thread]] = array(4)
    bytes_seen: Array[u64] = array(8)
    waiting: Array[Thread | None] = array(4)
    counters: Array[Atomic[u32]] = array(2)
    ring: Embedded[Ring[u8]] = Ring(slots=array(3))
    primes: Array[u16] = array_of(2, 3, 5)


@wire(endian="big")
class Header:
    version: u4
    kind: u4
    length: u16
    port: u32le


@wire(registers=True)
class Registers:
    control: u32
    status: u32 = at(0x18)
    low: u3
    middle: u5
    high: u12
    rest: u12


@wire
class Packet:
    header: Embedded[Header]
    check: u16be
    payload: Array[u8] = array(8)


@struct
class Buffer:
    data: Array[u8] = array(64)
    used: usize = 0
    calls: u32 = 0

    @writer
    def write(self, text: str) -> None:
        self.calls += 1
        for byte in text.encode():
            self.data[self.used] = byte
            self.used += 1


@struct
class Lock:
    taken: bool = False

    def __enter__(self) -> "Lock":  # noqa: PYI034 - the language has no Self
        assert not self.taken, "taken twice"
        self.taken = True
        return self

    def __exit__(self, *_: object) -> None:
        self.taken = False


def total(items: Span[u64]) -> u64:
    result: u64 = 0
    for item in items:
        result += item
    return result


def checksum(data: bytes) -> u16:
    result: u16 = 0
    for index, byte in enumerate(data):
        result = wrapping_add(result, u16(byte) * u16(index % 7))
    return result


def describe(shape: Shape) -> u32:
    if isinstance(shape, u8):
        return 10 + u32(shape)
    match shape:
        case None:
            return 0
        case Point(x, y) if x == y:
            return 1
        case Point(x=0):
            return 2
        case Point():
            return 3
        case Color.RED | Color.GREEN:
            return 4
        case _:
            return 5


def paint(color: Color) -> u8:
    match color:
        case Color.RED:
            return 1
        case Color.GREEN:
            return 2
        case Color.BLUE:
            return u8(color.value)
        case _:
            assert_never(color)


def integers(a: u32, b: u32) -> u32:
    x = wrapping_sub(a, b) ^ wrapping_mul(a, b) ^ wrapping_neg(a) ^ wrapping_shl(b, 3)
    x ^= saturating_add(a, b) ^ saturating_sub(a, b) ^ saturating_mul(a, b) ^ multiply_high(a, b)
    x ^= rotate_left(a, 5) ^ rotate_right(b, 7) ^ byte_swap(a)
    x ^= count_leading_zeros(a) + count_trailing_zeros(b) + count_ones(a)
    return x | u32(truncate(u8, a)) | min(a, b) | max(a, 3) | u32(abs(i8(-5)))


def floats(a: f32, b: f64) -> f64:
    scaled = a * 0.5
    assert float_from_bits(float_bits(scaled)) == scaled
    return square_root(b) + f64(scaled) / 3.0


def find(ring: Ring[u8], wanted: u8) -> usize | None:
    for index in range(len(ring.slots)):
        if ring.slots[index] == wanted:
            return index
    return None


def pick(items: Span[T], index: usize) -> T:
    return items[index]


def first_word(memory: Span[u8]) -> u16:
    return wire_view(Header, memory).length


def ordered(thread: Thread) -> u64:
    fence(Order.ACQUIRE)
    device_fence()
    if thread.runs.compare_exchange(0, 1, Order.ACQUIRE_RELEASE):
        return thread.runs.fetch_add(2)
    thread.runs.store(7)
    return thread.runs.load(Order.RELAXED) + thread.runs.exchange(1)


def greet(out: W, thread: Thread) -> None:
    out.write(f"{thread.name}: priority {thread.priority:>3} {thread.color}\n")


def swap_scratch(new: u64) -> u64:
    asm("fence")
    return asm("csrrw {result}, sscratch, {0}", new, result=u64, clobbers="memory")


@cold
def rarely(x: u64) -> u64:
    return x + 1


@inline
def everywhere(x: u64) -> u64:
    return rarely(x) + 1


@naked
def entry() -> None:
    asm(f"ld a0, {offset_of(Thread, 'priority')}(tp)")


def registers_at(address: u64) -> Registers:
    return object_at(Registers, address)


def fresh_at(address: u64) -> Thread:
    return new_at(Thread, address)


def page_at(address: u64) -> Span[u8]:
    return span_at(u8, address, PAGE_SIZE)


def run(machine: Machine) -> u64:
    first, second = machine.threads[0], machine.threads[1]
    lock = Lock()
    with lock as held:
        assert held.taken
        machine.queue.push(first)
        machine.queue.push(second)
    assert not lock.taken
    popped = machine.queue.pop()
    if isinstance(popped, Error):
        unreachable("two were pushed")
    popped.priority = 9
    machine.counters[0].fetch_add(3)
    half = machine.bytes_seen[2:6]
    half[0] = 40
    machine.bytes_seen[3] = 2
    _ = machine.ring.push(u8(200))
    assert machine.primes.view()[2] == 5
    return total(machine.bytes_seen) + total(half[1:])


def ends(machine: Machine) -> bool:
    retire(machine.threads[3])
    renew(machine.threads[3])
    return (
        address_of(machine) != 0 and size_of(Point) == 16 and align_of(Thread) == 8 and offset_of(Header, "port") == 3
    )


def lookup(index: usize) -> u32:
    return SQUARES[index] + (PAGE_MASK & 3) + u32(GREETING[0])


def shout(out: W, data: bytes) -> None:
    out.write(text_of(data))


def keep(data: bytes, into: Span[u8]) -> None:
    copy(into[: len(data)], data)


def attempt(fail: bool) -> Result:
    if fail:
        return Error.FULL
    return 5


@interface
class Log(Protocol):
    """A contract between processes."""

    def write(self, level: u8, text: Annotated[str, up_to(200)]) -> Error | Failure | None: ...

    def watch(self, whom: Given[Notification]) -> Given[Notification] | Failure: ...


log: Uses[Log] = uses()
own: Provides[Log] = provides()
level: Setting[u8] = setting(3)


def note(process: Process, slot: u64) -> u64:
    other: Uses[Log] = uses(slot)
    _ = other.write(level.get(process), "seen")
    return slot_of(log)


@interface
class News(Protocol):
    """What is posted."""

    def finished(self, job: u64) -> Failure | None: ...


@struct
class Reader:
    latest: u64 = 0

    def finished(self, job: u64) -> None:
        self.latest = job


def exchange(memory: Lent, reader: Reader) -> bool:
    out: Posts[News] = posts(memory, 0)
    into: Takes[News] = takes(memory, 0)
    _ = out.finished(7)
    taken = into.take(reader, u32(4))
    return not isinstance(taken, Broken) and taken == 1 and outbox_of(out).wake == 0


def main(process: Process) -> None:
    _ = note(process, 20)


async def count(n: u64) -> u64:
    total: u64 = 0
    for i in range(n):
        await pause()
        total += i
    return total


async def counting(machine: Machine, n: u64) -> None:
    with_three = await count(n) + await twice(count(3))
    _ = machine.ring.push(u8(with_three))


async def twice(work: Coroutine[u64]) -> u64:
    return 2 * await work


def finish(work: Coroutine[T]) -> T:
    while not resume(work):
        pass
    return result_of(work)


@struct
class Counters:
    frames: Tasks = tasks(counting, 4)

    def add(self, index: usize, work: Coroutine[None]) -> None:
        start(self.frames[index], work)


def count_twice(counters: Counters, machine: Machine) -> u64:
    counters.add(0, counting(machine, 2))
    counters.add(1, counting(machine, 2))
    assert not resume(counters.frames[0]) and len(counters.frames) == 4
    cancel(counters.frames[0])
    return finish(count(4))
