"""Panic records: what a dying machine says on its console, read out of the stream.

A record is text, begun by a control character that programs don't print. `arch/riscv64/panic.py` writes it:

    RS nk-start 1                 when the firmware is done; again, if a first stage started what follows
    RS nk-panic 1
    space H                       of a thread that faulted and had no handler: the identifier of its address space
    scause H / sepc H / stval H   one line each; H is a number of 16 hexadecimal digits
    registers H*31                x1 to x31
    stack H H*1..4                an address and the words from there on; any number of lines
    nk-panic-end

Invariant: whatever arrives, reading doesn't fail: a guest can print anything. A malformed record is shown as it came.
"""

from __future__ import annotations

from dataclasses import dataclass, field

START = b"\x1enk-start 1\n"
PANIC = b"\x1enk-panic 1\n"
PANIC_END = b"nk-panic-end\n"

#: no honest record is longer: 32 KiB of stack, some 2.6 characters a byte, and the registers
LONGEST_RECORD = 200_000

SCALARS = (b"scause", b"sepc", b"stval")
#: the boot code gives the root program's address space the first identifier
ROOT_SPACE = 1

WORD = 8
REGISTERS = 32


@dataclass
class PanicRecord:
    """The state of a hart that trapped. `registers[0]` is zero; `memory` holds words by their (aligned) address.

    `space` is the identifier of the user's address space, 0 if it was the kernel that trapped.
    """

    cause: int
    pc: int
    value: int
    registers: tuple[int, ...]
    memory: dict[int, int] = field(default_factory=dict)
    space: int = 0

    @classmethod
    def parse(cls, text: bytes) -> PanicRecord | None:
        """The record between its first and last line; None when it isn't one."""
        scalars: dict[bytes, int] = {}
        registers: tuple[int, ...] = ()
        memory: dict[int, int] = {}
        for line in text.split(b"\n"):
            name, *words = line.rstrip(b"\r").split(b" ")
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
            elif line:
                return None
        if not scalars.keys() >= set(SCALARS) or not registers:
            return None
        cause, pc, value = (scalars[name] for name in SCALARS)
        return cls(cause, pc, value, registers, memory, scalars.get(b"space", 0))


class ConsoleFilter:
    """Splits a console's bytes, as they come, into what the user sees and panic records.

    `after_start`: hold back everything before the start marker, which is the firmware's.
    """

    def __init__(self, after_start: bool) -> None:
        self.panics: list[PanicRecord] = []
        #: has the firmware handed over?
        self.started = not after_start
        self._in_record = False
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
        return PANIC + held if self._in_record else held

    def _step(self) -> bytes | None:
        """Consume up to the next marker; None when more bytes are needed."""
        if not self.started:
            _, marker, rest = self._held.partition(START)
            if not marker:
                return None
            self._held, self.started = rest, True
            return b""
        if self._in_record:
            body, marker, rest = self._held.partition(PANIC_END)
            if not marker and len(self._held) < LONGEST_RECORD:
                return None
            self._in_record = False
            record = PanicRecord.parse(body) if marker else None
            if record is None:
                shown, self._held = PANIC + self._held[:1], self._held[1:]
                return shown
            self.panics.append(record)
            self._held = rest
            return b""
        before, marker, rest = self._held.partition(PANIC)
        if START in before:
            # Whoever was started has started the next: the kernel, after the first stage.
            before, _, self._held = self._held.partition(START)
            return before
        if marker:
            self._held, self._in_record = rest, True
            return before
        keep = max(partial_length(self._held, PANIC), partial_length(self._held, START))
        shown, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return shown or None


def partial_length(data: bytes, marker: bytes) -> int:
    """How many of the last bytes of `data` may be the beginning of `marker`."""
    for length in range(min(len(marker) - 1, len(data)), 0, -1):
        if data.endswith(marker[:length]):
            return length
    return 0
