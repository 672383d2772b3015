"""A program of about 10,000 lines, to measure how fast the compiler is: always the same text for the same arguments.

It has the mix of a real service: structs with methods, generic containers, tagged unions and matches, enums with state
machines, bitmaps, checksums, error returns. Modules are chains of units; a unit is one of the templates below with its
own names and numbers, so nothing can be shared between them. Every unit has an `exercise_<n>(seed) -> u64` that its
module's `exercise` calls, so that nothing is dead code, and `main.run` gives one number for the whole program.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

CONTAINERS = '''"""Containers that all modules of the program use."""

from __future__ import annotations

from typing import Generic, TypeVar

from neokernel.lang import Array, array, struct, u8, u16, u32, u64, usize

T = TypeVar("T")


@struct
class Ring(Generic[T]):
    """First in, first out, in the room of its slots."""

    slots: Array[T]
    head: usize = 0
    size: usize = 0

    def push(self, item: T) -> bool:
        """Put `item` last; False if there is no room."""
        if self.size == len(self.slots):
            return False
        self.slots[(self.head + self.size) % len(self.slots)] = item
        self.size += 1
        return True

    def pop(self) -> T | None:
        """Take the first item out."""
        if self.size == 0:
            return None
        item = self.slots[self.head]
        self.head = (self.head + 1) % len(self.slots)
        self.size -= 1
        return item


@struct
class Stack(Generic[T]):
    """Last in, first out."""

    slots: Array[T]
    size: usize = 0

    def push(self, item: T) -> bool:
        """Put `item` on top; False if there is no room."""
        if self.size == len(self.slots):
            return False
        self.slots[self.size] = item
        self.size += 1
        return True

    def pop(self) -> T | None:
        """Take the top item off."""
        if self.size == 0:
            return None
        self.size -= 1
        return self.slots[self.size]
'''

HEADER = '''"""Part {number} of the generated program."""

from __future__ import annotations

from enum import Enum
from typing import assert_never

from containers import Ring, Stack
from neokernel.lang import (
    Array,
    Embedded,
    Span,
    array,
    count_ones,
    count_trailing_zeros,
    rotate_left,
    struct,
    truncate,
    u8,
    u16,
    u32,
    u64,
    usize,
    value,
    wrapping_add,
    wrapping_mul,
)
'''

QUEUE = '''
CAPACITY_@ = {a}


@struct
class Job_@:
    """A piece of work and its place in a queue."""

    next: Job_@ | None = None
    priority: u8 = 0
    cost: u32 = 0
    queued: bool = False


@struct
class Scheduler_@:
    """Jobs by priority; equal ones in the order they came."""

    first: Job_@ | None = None
    size: usize = 0
    spent: u64 = 0
    jobs: Array[Embedded[Job_@]] = array(CAPACITY_@)

    def enqueue(self, job: Job_@) -> None:
        """Put `job` behind all that are at least as urgent."""
        assert not job.queued
        before: Job_@ | None = None
        after = self.first
        while after is not None and after.priority >= job.priority:
            before = after
            after = after.next
        job.next = after
        job.queued = True
        if before is None:
            self.first = job
        else:
            before.next = job
        self.size += 1

    def dequeue(self) -> Job_@ | None:
        """Take the most urgent job out."""
        job = self.first
        if job is None:
            return None
        self.first = job.next
        job.next = None
        job.queued = False
        self.size -= 1
        return job

    def drain(self, limit: u32) -> u64:
        """Run jobs until `limit` is spent; the sum of what they cost."""
        total: u64 = 0
        left = limit
        while True:
            job = self.dequeue()
            if job is None or job.cost > left:
                break
            left -= job.cost
            total += u64(job.cost) * {b}
        self.spent += total
        return total


def exercise_@(seed: u64) -> u64:
    """Fill and drain a scheduler."""
    scheduler = Scheduler_@()
    for i, job in enumerate(scheduler.jobs):
        job.priority = truncate(u8, seed >> (i % 32))
        job.cost = u32(i) * {c} + 1
        scheduler.enqueue(job)
    return wrapping_add(scheduler.drain({d}), seed)
'''

SHAPES = '''
@value
class Circle_@:
    """A circle, in hundredths."""

    radius: u32


@value
class Rectangle_@:
    """A rectangle, in hundredths."""

    width: u32
    height: u32


@value
class Path_@:
    """A line through several points."""

    points: u16
    length: u32


Shape_@ = Circle_@ | Rectangle_@ | Path_@


def area_@(shape: Shape_@) -> u64:
    """The area, roughly, in ten-thousandths."""
    match shape:
        case Circle_@(radius):
            return u64(radius) * u64(radius) * {a} // 100
        case Rectangle_@(width, height):
            return u64(width) * u64(height)
        case Path_@():
            return 0
        case _:
            assert_never(shape)


def scaled_@(shape: Shape_@, percent: u32) -> Shape_@:
    """The shape with its lengths changed."""
    match shape:
        case Circle_@(radius):
            return Circle_@(radius * percent // 100)
        case Rectangle_@(width=width, height=height):
            return Rectangle_@(width * percent // 100, height * percent // 100)
        case Path_@(points, length) if points > 2:
            return Path_@(points - 1, length * percent // 100)
        case Path_@() as path:
            return path
        case _:
            assert_never(shape)


def shape_@(number: u64) -> Shape_@:
    """A shape for a number."""
    size = truncate(u32, number) & 0x3FF
    if number % 3 == 0:
        return Circle_@(size + {b})
    if number % 3 == 1:
        return Rectangle_@(size + 1, size + {c})
    return Path_@(truncate(u16, number) & 7, size)


def exercise_@(seed: u64) -> u64:
    """Areas of some shapes and of their scaled forms."""
    total: u64 = 0
    for i in range({d}):
        shape = shape_@(wrapping_add(seed, i * 7))
        total = wrapping_add(total, area_@(shape))
        smaller = scaled_@(shape, 50)
        total = wrapping_add(wrapping_mul(total, 3), area_@(smaller))
        if isinstance(smaller, Path_@):
            total = wrapping_add(total, u64(smaller.points))
    return total
'''

PARSER = '''
class Error_@(Enum):
    """Why a message was rejected."""

    TOO_SHORT = 1
    BAD_VERSION = 2
    BAD_LENGTH = 3
    BAD_SUM = 4


@value
class Message_@:
    """The head of a valid message."""

    kind: u8
    sequence: u16
    body: usize


VERSION_@ = {a}
HEAD_@ = 8


def sum_@(data: bytes) -> u16:
    """A checksum in the manner of Fletcher's."""
    low: u32 = {b}
    high: u32 = 0
    for byte in data:
        low = (low + u32(byte)) % 255
        high = (high + low) % 255
    return u16(high << 8 | low)


def parse_@(data: bytes) -> Message_@ | Error_@:
    """Check a message and read its head."""
    if len(data) < HEAD_@:
        return Error_@.TOO_SHORT
    if data[0] != VERSION_@:
        return Error_@.BAD_VERSION
    body = usize(data[4]) << 8 | usize(data[5])
    if body != len(data) - HEAD_@:
        return Error_@.BAD_LENGTH
    expected = u16(data[6]) << 8 | u16(data[7])
    if sum_@(data[HEAD_@:]) != expected:
        return Error_@.BAD_SUM
    return Message_@(data[1], u16(data[2]) << 8 | u16(data[3]), body)


def build_@(target: Span[u8], kind: u8, sequence: u16, body: usize) -> usize:
    """Write a message with a body that counts up; its length."""
    target[0] = VERSION_@
    target[1] = kind
    target[2] = u8(sequence >> 8)
    target[3] = truncate(u8, sequence)
    target[4] = u8(body >> 8)
    target[5] = truncate(u8, body)
    for i in range(body):
        target[HEAD_@ + i] = truncate(u8, i * {c})
    total = sum_@(target.bytes()[HEAD_@ : HEAD_@ + body])
    target[6] = u8(total >> 8)
    target[7] = truncate(u8, total)
    return HEAD_@ + body


def exercise_@(seed: u64) -> u64:
    """Build messages, damage some, and parse them."""
    buffer: Array[u8] = array(64)
    total: u64 = 0
    for i in range({d}):
        length = build_@(buffer, truncate(u8, i), truncate(u16, seed), i % 48)
        if i % 5 == 4:
            buffer[i % 8] ^= 0x10
        result = parse_@(buffer.bytes()[:length])
        if isinstance(result, Error_@):
            total += u64(result.value)
        else:
            total += u64(result.kind) + u64(result.sequence) + result.body + u64(buffer[7])
    return total
'''

BITMAP = '''
WORDS_@ = {a}
FULL_@: u64 = 0xFFFFFFFFFFFFFFFF


@struct
class Bitmap_@:
    """Which of `WORDS_@ * 64` units are taken."""

    words: Array[u64] = array(WORDS_@)
    taken: usize = 0
    hint: usize = 0

    def allocate(self) -> usize | None:
        """Take the first free unit from the hint on."""
        for step in range(WORDS_@):
            index = (self.hint + step) % WORDS_@
            word = self.words[index]
            if word == FULL_@:
                continue
            bit = count_trailing_zeros(~word)
            self.words[index] = word | u64(1) << bit
            self.hint = index
            self.taken += 1
            return index * 64 + usize(bit)
        return None

    def release(self, unit: usize) -> bool:
        """Give a unit back; False if it was free."""
        mask = u64(1) << (unit % 64)
        if self.words[unit // 64] & mask == 0:
            return False
        self.words[unit // 64] &= ~mask
        self.hint = unit // 64
        self.taken -= 1
        return True

    def count(self) -> usize:
        """Taken units, by counting."""
        total: usize = 0
        for word in self.words:
            total += usize(count_ones(word))
        return total


def exercise_@(seed: u64) -> u64:
    """Allocate, release and count."""
    bitmap = Bitmap_@()
    recent: Ring[usize] = Ring(slots=array({b}))
    total: u64 = 0
    for i in range({c}):
        unit = bitmap.allocate()
        if unit is None:
            break
        if not recent.push(unit):
            oldest = recent.pop()
            if oldest is not None and bitmap.release(oldest):
                total += oldest
            _ = recent.push(unit)
        if (seed >> (i % 64)) & 1 != 0:
            newest = recent.pop()
            if newest is not None:
                _ = bitmap.release(newest)
    assert bitmap.count() == bitmap.taken
    return wrapping_add(total, wrapping_mul(bitmap.taken, {d}))
'''

MACHINE = '''
class State_@(Enum):
    """Where a connection stands."""

    CLOSED = 0
    LISTENING = 1
    OPENING = 2
    OPEN = 3
    CLOSING = 4


class Event_@(Enum):
    """What can happen to it."""

    LISTEN = 0
    REQUEST = 1
    CONFIRM = 2
    DATA = 3
    FINISH = 4
    RESET = 5


@struct
class Connection_@:
    """State, counters, and the values it has seen."""

    state: State_@ = State_@.CLOSED
    received: u32 = 0
    errors: u32 = 0
    window: u16 = {a}

    def handle(self, event: Event_@) -> bool:
        """Take one step; False if the event doesn't fit the state."""
        if event == Event_@.RESET:
            self.state = State_@.CLOSED
            self.window = {a}
            return True
        match self.state:
            case State_@.CLOSED:
                if event == Event_@.LISTEN:
                    self.state = State_@.LISTENING
                    return True
            case State_@.LISTENING:
                if event == Event_@.REQUEST:
                    self.state = State_@.OPENING
                    return True
            case State_@.OPENING:
                if event == Event_@.CONFIRM:
                    self.state = State_@.OPEN
                    return True
            case State_@.OPEN:
                if event == Event_@.DATA:
                    self.received += {b}
                    self.window = self.window - 1 if self.window > 1 else {a}
                    return True
                if event == Event_@.FINISH:
                    self.state = State_@.CLOSING
                    return True
            case State_@.CLOSING:
                if event == Event_@.CONFIRM:
                    self.state = State_@.CLOSED
                    return True
        self.errors += 1
        return False


def exercise_@(seed: u64) -> u64:
    """Feed a connection with events."""
    connection = Connection_@()
    events: Stack[u8] = Stack(slots=array({c}))
    noise = wrapping_add(seed, {d})
    accepted: u64 = 0
    for _ in range(96):
        noise = wrapping_add(wrapping_mul(noise, 6364136223846793005), 1442695040888963407)
        number = truncate(u8, (noise >> 40) % 6)
        if connection.handle(Event_@(number)):
            accepted += 1
        elif not events.push(number):
            _ = events.pop()
    return accepted * 1000 + u64(connection.received) + u64(connection.errors) + events.size
'''

MIXER = '''
ROUNDS_@ = {a}
KEYS_@: tuple[u64, ...] = tuple(u64(i) * {b} + 0x9E3779B9 for i in range(ROUNDS_@))


@struct
class Mixer_@:
    """A permutation of four words, and a buffer in front of it."""

    words: Array[u64] = array(4)
    pending: Array[u8] = array(32)
    filled: usize = 0
    blocks: u32 = 0

    def permute(self) -> None:
        """Mix all words with each other."""
        a, b, c, d = self.words[0], self.words[1], self.words[2], self.words[3]
        for key in KEYS_@:
            a = wrapping_add(a, b) ^ key
            d = rotate_left(d ^ a, {c})
            c = wrapping_add(c, d)
            b = rotate_left(b ^ c, 24)
            a = wrapping_add(a, b)
            d = rotate_left(d ^ a, 16)
        self.words[0] = a
        self.words[1] = b
        self.words[2] = c
        self.words[3] = d
        self.blocks += 1

    def absorb(self) -> None:
        """Take the full buffer in."""
        for i in range(4):
            word: u64 = 0
            for j in range(8):
                word |= u64(self.pending[8 * i + j]) << (8 * j)
            self.words[i] ^= word
        self.filled = 0
        self.permute()

    def update(self, data: bytes) -> None:
        """Take `data` in, block by block."""
        for byte in data:
            self.pending[self.filled] = byte
            self.filled += 1
            if self.filled == len(self.pending):
                self.absorb()

    def finish(self) -> u64:
        """Pad, mix, and give one word."""
        self.pending[self.filled] = 0x80
        for i in range(self.filled + 1, len(self.pending)):
            self.pending[i] = 0
        self.absorb()
        return self.words[0] ^ self.words[3]


def exercise_@(seed: u64) -> u64:
    """The digest of a short text."""
    mixer = Mixer_@()
    mixer.words[0] = seed
    data: Array[u8] = array({d})
    for i in range(len(data)):
        data[i] = truncate(u8, i * 3)
    mixer.update(data.bytes())
    mixer.update(data.bytes()[: len(data) // 2])
    return mixer.finish()
'''

#: Each with the ranges from which its numbers `{a}` to `{d}` are taken.
TEMPLATES: tuple[tuple[str, tuple[range, range, range, range]], ...] = (
    (QUEUE, (range(8, 24), range(2, 50), range(1, 30), range(100, 900))),
    (SHAPES, (range(300, 330), range(1, 60), range(1, 60), range(8, 40))),
    (PARSER, (range(1, 100), range(1, 200), range(3, 90), range(20, 60))),
    (BITMAP, (range(2, 9), range(4, 33), range(40, 100), range(3, 99))),
    (MACHINE, (range(8, 900), range(1, 60), range(4, 40), range(1, 9999))),
    (MIXER, (range(6, 15), range(11, 5000), range(20, 45), range(33, 120))),
)


def unit(number: int) -> str:
    """Unit `number`: its template, names and numbers."""
    text, ranges = TEMPLATES[number % len(TEMPLATES)]
    state = number * 2654435761 + 12345
    numbers = {}
    for name, choices in zip("abcd", ranges, strict=True):
        state = (state * 1103515245 + 12345) % (1 << 31)
        numbers[name] = choices[(state >> 8) % len(choices)]
    return re.sub(r"\{([abcd])\}", lambda found: str(numbers[found[1]]), text).replace("_@", f"_{number}")


def generate(lines: int = 10_000, modules: int = 20) -> dict[str, str]:
    """File name → text, of about `lines` lines in all."""
    files = {"containers.py": CONTAINERS}
    left = lines - CONTAINERS.count("\n")
    number = 0
    for module in range(modules):
        share = left // (modules - module)
        units: list[int] = []
        text = HEADER.replace("{number}", str(module))
        while not units or text.count("\n") + 45 < share:
            text += "\n" + unit(number)
            units.append(number)
            number += 1
        text += "\n\ndef exercise(seed: u64) -> u64:\n"
        text += '    """All units of this module."""\n    total = seed\n'
        for one in units:
            text += f"    total = wrapping_add(wrapping_mul(total, 31), exercise_{one}(total))\n"
        text += "    return total\n"
        files[f"part_{module:02}.py"] = text
        left -= text.count("\n")
    names = [f"part_{module:02}" for module in range(modules)]
    main = '"""The whole generated program as one number."""\n\n' + "".join(f"import {name}\n" for name in names)
    main += "from neokernel.lang import u64\n\n\n"
    main += 'def run(seed: u64) -> u64:\n    """Every part, one after the other."""\n    total = seed\n'
    main += "".join(f"    total = {name}.exercise(total)\n" for name in names)
    files["main.py"] = main + "    return total\n"
    return files


def write(folder: Path, lines: int = 10_000, modules: int = 20) -> int:
    """Write the program into `folder`; the number of lines."""
    folder.mkdir(parents=True, exist_ok=True)
    files = generate(lines, modules)
    for name, text in files.items():
        (folder / name).write_text(text)
    return sum(text.count("\n") for text in files.values())


def edit(folder: Path, value: int) -> None:
    """Change one line inside one function, as a person would: a constant in the middle of the program.

    It is the same line each time.
    """
    parts = sorted(folder.glob("part_*.py"))
    for path in parts[len(parts) // 2 :]:
        text, count = re.subn(r"truncate\(u8, i \* \d+\)", f"truncate(u8, i * {value})", path.read_text(), count=1)
        if count:
            path.write_text(text)
            return
    raise ValueError("no part of the program has the line to edit")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the generated program.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lines", type=int, default=10_000)
    arguments = parser.parse_args()
    print(write(arguments.folder, arguments.lines), "lines")
