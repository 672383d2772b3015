"""Panic records: what a dying machine says on its console, or init of a process that has ended, out of the stream.

A record is text, begun by a control character that programs don't print. `arch/riscv64/panic.py` writes it:

    RS nk-start 1                 when the firmware is done; again, if a first stage started what follows
    RS nk-panic 1
    space H                       of a thread that faulted and had no handler: the identifier of its address space
    scause H / sepc H / stval H   one line each; H is a number of 16 hexadecimal digits
    registers H*31                x1 to x31
    stack H H*1..4                an address and the words from there on; any number of lines
    nk-panic-end

init's records of processes are the same between `RS nk-crash 1` and `nk-crash-end`, with two more lines:

    program NAME                  its program's name in the boot archive
    zeroes H H                    an address and a number of words, which are zero unless a line `stack` has them

Invariant: whatever arrives, reading doesn't fail: a guest can print anything. A malformed record is shown as it came.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

START = b"\x1enk-start 1\n"
#: how the firmware names itself, when the machine has reset, and how much it says at most
FIRMWARE = b"OpenSBI v"
MOST_FIRMWARE = 16 << 10
PANIC = b"\x1enk-panic 1\n"
PANIC_END = b"nk-panic-end\n"
CRASH = b"\x1enk-crash 1\n"
CRASH_END = b"nk-crash-end\n"
RECORDS = ((PANIC, PANIC_END), (CRASH, CRASH_END))

#: no honest record is longer: 32 KiB of stack, some 2.6 characters a byte, and the registers
LONGEST_RECORD = 200_000

SCALARS = (b"scause", b"sepc", b"stval")
#: words that one line `zeroes` may speak of
MOST_ZEROES = 1 << 16
#: the boot code gives the root program's address space the first identifier
ROOT_SPACE = 1

WORD = 8
REGISTERS = 32


@dataclass
class PanicRecord:
    """The state of a hart that trapped. `registers[0]` is zero; `memory` holds words by their (aligned) address.

    `space` is the identifier of the user's address space, 0 if it was the kernel that trapped. `program` is the name of
    the program that init tells of, "" in a panic.
    """

    cause: int
    pc: int
    value: int
    registers: tuple[int, ...]
    memory: dict[int, int] = field(default_factory=dict)
    space: int = 0
    program: str = ""

    @classmethod
    def parse(cls, text: bytes) -> PanicRecord | None:
        """The record between its first and last line; None when it isn't one."""
        scalars: dict[bytes, int] = {}
        registers: tuple[int, ...] = ()
        memory: dict[int, int] = {}
        program = ""
        for line in text.split(b"\n"):
            name, *words = line.rstrip(b"\r").split(b" ")
            if name == b"program" and len(words) == 1:
                program = words[0].decode("ascii", "replace")
                continue
            try:
                numbers = [int(word, 16) for word in words]
            except ValueError:
                return None
            if name in (*SCALARS, b"space") and len(numbers) == 1:
                scalars[name] = numbers[0]
            elif name == b"registers" and len(numbers) == REGISTERS - 1:
                registers = (0, *numbers)
            elif name == b"stack" and len(numbers) >= 2:
                for index, number in enumerate(numbers[1:]):
                    memory[numbers[0] + index * WORD] = number
            elif name == b"zeroes" and len(numbers) == 2 and numbers[1] <= MOST_ZEROES:
                for index in range(numbers[1]):
                    memory.setdefault(numbers[0] + index * WORD, 0)
            elif line:
                return None
        if not scalars.keys() >= set(SCALARS) or not registers:
            return None
        cause, pc, value = (scalars[name] for name in SCALARS)
        return cls(cause, pc, value, registers, memory, scalars.get(b"space", 0), program)


class ConsoleFilter:
    """Splits a console's bytes, as they come, into what the user sees and panic records.

    `after_start`: hold back everything before the start marker, which is the firmware's; also when the machine resets,
    from where the firmware names itself. `tell`: what is shown in the place of a record of init's; without it, nothing.
    """

    def __init__(self, after_start: bool, tell: Callable[[PanicRecord], str] | None = None) -> None:
        self.panics: list[PanicRecord] = []
        #: what init has told of processes
        self.crashes: list[PanicRecord] = []
        self._tell = tell
        #: has the firmware handed over?
        self.started = not after_start
        self._firmware = after_start
        #: a program may have used the firmware's words: what it says then isn't held back for ever
        self._most = 0
        #: markers of the record that it is in
        self._record: tuple[bytes, bytes] | None = None
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What of the stream so far, with `data` at its end, can be shown now."""
        self._held += data
        shown = b""
        while True:
            step = self._step()
            if step is None:
                return shown
            shown += step

    def finish(self) -> bytes:
        """The stream has ended: whatever was held back."""
        held, self._held = self._held, b""
        return self._record[0] + held if self._record is not None else held

    def _step(self) -> bytes | None:
        """Consume up to the next marker; None when more bytes are needed."""
        if not self.started:
            _, marker, rest = self._held.partition(START)
            if not marker:
                if not 0 < self._most < len(self._held):
                    return None
                held, self._held, self.started = self._held, b"", True
                return held
            self._held, self.started = rest, True
            return b""
        if self._record is not None:
            return self._end_record(*self._record)
        places = [(place, pair) for pair in RECORDS if (place := self._held.find(pair[0])) >= 0]
        place, record = min(places, default=(len(self._held), None))
        begun = self._held.find(START, 0, place)
        reset = self._held.find(FIRMWARE, 0, place) if self._firmware else -1
        if reset >= 0 and not 0 <= begun < reset:
            before, self._held = self._held[:reset], self._held[reset:]
            self.started, self._most = False, MOST_FIRMWARE
            return before
        if begun >= 0:
            # Whoever was started has started the next: the kernel, after the first stage.
            before, self._held = self._held[:begun], self._held[begun + len(START) :]
            return before
        if record is not None:
            before, self._held, self._record = self._held[:place], self._held[place + len(record[0]) :], record
            return before
        keep = max(partial_length(self._held, begin) for begin in (START, FIRMWARE, PANIC, CRASH))
        shown, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return shown or None

    def _end_record(self, begin: bytes, end: bytes) -> bytes | None:
        """What to show of the record that was begun; None when more bytes are needed."""
        body, marker, rest = self._held.partition(end)
        if not marker and len(self._held) < LONGEST_RECORD:
            return None
        self._record = None
        record = PanicRecord.parse(body) if marker else None
        if record is None:
            shown, self._held = begin + self._held[:1], self._held[1:]
            return shown
        self._held = rest
        if begin == PANIC:
            self.panics.append(record)
            return b""
        self.crashes.append(record)
        return self._tell(record).encode() if self._tell is not None else b""


def partial_length(data: bytes, marker: bytes) -> int:
    """How many of the last bytes of `data` may be the beginning of `marker`."""
    for length in range(min(len(marker) - 1, len(data)), 0, -1):
        if data.endswith(marker[:length]):
            return length
    return 0
