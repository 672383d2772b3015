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
                if not program.isprintable():
                    return None
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

    `after_start`: hold back everything before the start marker, which is the firmware's; if the machine `resets`, also
    from where the firmware names itself again. `tell`: what is shown in the place of a record of init's; without it,
    nothing.

    Programs may use the firmware's words: no record is lost by that, and nothing is held back for ever.
    """

    def __init__(
        self, after_start: bool, tell: Callable[[PanicRecord], str] | None = None, *, resets: bool = True
    ) -> None:
        self.panics: list[PanicRecord] = []
        #: what init has told of processes
        self.crashes: list[PanicRecord] = []
        self._tell = tell
        #: has the firmware handed over, ever?
        self.started = not after_start
        self._holds = after_start
        self._resets = after_start and resets
        #: the last byte that was shown
        self._last = b"\n"
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
            self._last = step[-1:] or self._last

    def finish(self) -> bytes:
        """The stream has ended: whatever was held back."""
        held, self._held = self._held, b""
        return self._record[0] + held if self._record is not None else held

    def _end_hold(self) -> bytes | None:
        """Up to where the firmware hands over; or, if a program spoke as it does, to a record, or enough of it."""
        begun = self._held.find(START)
        if self.started:
            record = min((place for begin, _ in RECORDS if (place := self._held.find(begin)) >= 0), default=-1)
            if record < 0 and begun < 0 and len(self._held) > MOST_FIRMWARE:
                record = len(self._held)
            if record >= 0 and not 0 <= begun < record:
                shown, self._held, self._holds = self._held[:record], self._held[record:], False
                return shown
        if begun < 0:
            return None
        self._held, self._holds, self.started = self._held[begun + len(START) :], False, True
        return b""

    def _reset_before(self, end: int) -> int:
        """Where the firmware begins to speak, at the begin of a line; -1: it doesn't."""
        place = self._held.find(FIRMWARE, 0, end) if self._resets else -1
        while place >= 0 and (self._held[place - 1 : place] if place else self._last) != b"\n":
            place = self._held.find(FIRMWARE, place + 1, end)
        return place

    def _step(self) -> bytes | None:
        """Consume up to the next marker; None when more bytes are needed."""
        if self._holds:
            return self._end_hold()
        if self._record is not None:
            return self._end_record(*self._record)
        places = [(place, pair) for pair in RECORDS if (place := self._held.find(pair[0])) >= 0]
        place, record = min(places, default=(len(self._held), None))
        begun = self._held.find(START, 0, place)
        reset = self._reset_before(place)
        if reset >= 0 and not 0 <= begun < reset:
            before, self._held, self._holds = self._held[:reset], self._held[reset:], True
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
