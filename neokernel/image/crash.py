"""A panic record and an image, told as a Python traceback.

The failing expression comes from the image's table of checks, other frames from its debug information; calls that were
inlined are frames like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from neokernel.image.checks import BREAKPOINT, CheckPoint
from neokernel.image.elf import BadImage, Image, Place
from neokernel.image.needs import main_in
from neokernel.image.panic import PanicRecord
from neokernel.image.traceback import Frame, openable, render_traceback, shown_path
from neokernel.image.unwind import FIRST_FUNCTIONS, STACK_POINTER, walk
from neokernel.lang.failures import CheckFailed

#: names of traps (privileged specification, table "supervisor cause register values after trap")
CAUSES = {
    0: "MisalignedInstruction",
    1: "InstructionAccessFault",
    2: "IllegalInstruction",
    3: "Breakpoint",
    4: "MisalignedLoad",
    5: "LoadAccessFault",
    6: "MisalignedStore",
    7: "StoreAccessFault",
    8: "UserCall",
    9: "SupervisorCall",
    12: "InstructionPageFault",
    13: "LoadPageFault",
    15: "StorePageFault",
    1 << 63 | 5: "BudgetExhausted",  # the timer, of a thread without a handler
    1 << 63 | 61: "NotReady",  # these three are init's words
    1 << 63 | 62: "Nonsense",
    1 << 63 | 63: "NoHeartbeat",
}
ADDRESS_CAUSES = {0, 1, 4, 5, 6, 7, 12, 13, 15}

#: what there is to say of a check, when the compiler has nothing better
MESSAGES = {
    "overflow": "the result doesn't fit its width",
    "division": "the divisor is 0",
    "shift": "the shift is as wide as the integer, or wider",
    "index": "the index or bound is out of range",
    "conversion": "the value doesn't fit",
    "enum": "no member has this number",
    "dead": "the object has been retired",
}

#: in `arch/riscv64/`, `memory.py` and `copy_*.py`: LLVM makes calls of them out of fills, copies and comparisons
MEMORY_FUNCTIONS = {"memset", "memcpy", "memmove", "memcmp", "bcmp"}

#: the module that the build makes for a program, as debug information names it
SYNTHETIC = "<neokernel.entry>"

#: where the machine enters a program, and the build's functions there
ENTRIES = FIRST_FUNCTIONS | {"nk_start"}

#: the kernel's function that ends the machine (`neokernel/arch/riscv64/boot.py`)
PANIC = "panic"

#: where programs end because a call failed
MUST = "neokernel/runtime/must.py"

#: an access this far below the stack is one that ran off its end (boards/virt.ld leaves that much)
GUARD = 1 << 30


@dataclass(frozen=True)
class Crash:
    """What happened, for people (`text`) and programs."""

    name: str
    message: str
    frames: tuple[Frame, ...]
    cut: bool
    #: what else there is to say of it
    note: str = ""

    @property
    def last_line(self) -> str:
        return f"{self.name}: {self.message}" if self.message else self.name

    @property
    def text(self) -> str:
        text = render_traceback(self.frames, self.last_line) + (f"note: {self.note}\n" if self.note else "")
        if not self.cut:
            return text
        first, rest = text.split("\n", 1)
        return f"{first}\n  (frames further out aren't in the panic record)\n{rest}"

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "message": self.message,
            "frames": [
                {
                    "function": frame.function,
                    "file": shown_path(frame.file),
                    "line": frame.line,
                    "column": None if frame.column is None else frame.column + 1,
                }
                for frame in self.frames
            ],
            "complete": not self.cut,
            **({"note": self.note} if self.note else {}),
        }


def failure_name(kind: str) -> str:
    """The exception that CPython raises for a check of this kind: both readings say the same."""
    for failure in CheckFailed.__subclasses__():
        if failure.kind == kind:
            return failure.__name__
    return kind


def explain_crash(
    image: Image, panic: PanicRecord, check: CheckPoint | None, roots: tuple[Path, ...] = (Path(),)
) -> Crash:
    """Unwind, symbolise, and name the failure. `roots`: where the files are that the image names.

    Broken debug information costs frames, not the message.
    """
    frames: list[Frame] = []
    cut = False
    try:
        found = walk(image, panic)
        # What calls `main` is never shown, so behind its frame, however large that is, nothing is missing.
        outermost = image.function_at(found.addresses[-1])
        cut = found.cut and (outermost is None or outermost != main_in(image))
        *outer, innermost = reversed(found.addresses)
        for address in outer:
            frames += frames_at(image, address, innermost=False)
        frames += frames_at(image, innermost)
    except BadImage:
        cut = True
    if check is not None:
        frames = with_check(frames, check)
        name, message = failure_of(check)
    elif panic.cause == BREAKPOINT and frames and frames[-1].file == MUST:
        # What matters is whose call it was.
        while len(frames) > 1 and frames[-1].file == MUST:
            frames.pop()
        name, message = failure_name("assert"), said_by_a_call(panic)
    elif panic.cause == BREAKPOINT and frames and frames[-1].function == PANIC:
        frames.pop()
        name, message = "Panic", "the kernel gave up, and said why on the console"
    else:
        name, message = name_trap(image, panic)
    return Crash(name, message, tuple(replace(frame, file=openable(frame.file, roots)) for frame in frames), cut)


def said_by_a_call(panic: PanicRecord) -> str:
    """What `must` or `must_get` has left in the registers."""
    from neokernel.lang import u64  # late: it is a module of the target, and most tracebacks need none
    from neokernel.runtime.must import T3, T4, T5, what_was_said

    said = what_was_said(*(u64(panic.registers[register]) for register in (T3, T4, T5)))
    if said is None:
        return "a call failed that must not"
    return f"the call said {said.status.name} of argument {said.argument}"


def with_check(frames: list[Frame], check: CheckPoint) -> list[Frame]:
    """The innermost frame shows the expression that the check is about."""
    if not frames:
        return [check.frame]
    return [*frames[:-1], replace(check.frame, function=frames[-1].function)]


def failure_of(check: CheckPoint) -> tuple[str, str]:
    """The exception's name and message."""
    return failure_name(check.kind), check.message or MESSAGES.get(check.kind, "")


def explain_address(
    image: Image, address: int, check: CheckPoint | None, roots: tuple[Path, ...] = (Path(),)
) -> Crash | None:
    """The instruction at `address`: the calls that it was inlined through, and the check that it is the trap of.

    None where the image has no code. `name` is empty if it is no trap of a check.
    """
    if image.function_at(address) is None:
        return None
    try:
        frames = frames_at(image, address)
    except BadImage:
        frames = []
    frames = with_check(frames, check) if check is not None else frames or nowhere(image, address)
    name, message = failure_of(check) if check is not None else ("", "")
    return Crash(name, message, tuple(replace(frame, file=openable(frame.file, roots)) for frame in frames), cut=True)


def frames_at(image: Image, address: int, *, innermost: bool = True) -> list[Frame]:
    """The function around an instruction and the calls that were inlined there, outermost first.

    What was generated for an interface, between who serves and its handler, isn't shown, unless it has failed itself.
    """
    places = [place for place in reversed(image.places(address)) if not is_synthetic(place)]
    if not places:
        return unknown(image, address)
    last = places[-1] if innermost else None
    return [frame_of(place) for place in places if place is last or not place.generated]


def unexplained(panic: PanicRecord) -> Crash:
    """A crash of a program that isn't known: what its registers say."""
    name, message = trap_of(panic)
    return Crash(name, message, (Frame(panic.program or f"process {panic.space}", f"{panic.pc:#x}", 0),), cut=True)


def is_synthetic(place: Place) -> bool:
    """The entry that the build makes has no source file; it isn't shown."""
    return place.file == SYNTHETIC


def frame_of(place: Place) -> Frame:
    return Frame(plain_name(place.function), place.file, place.line, place.column - 1 if place.column else None)


def plain_name(function: str) -> str:
    """`module.Class[types].function[types]` as Python's tracebacks have it: `function`."""
    start = depth = 0
    for index, character in enumerate(function):
        depth += (character == "[") - (character == "]")
        if character == "." and depth == 0:
            start = index + 1
    return function[start:].partition("[")[0]


def unknown(image: Image, address: int) -> list[Frame]:
    """A frame without source: assembly, or nowhere. What stands for an expression of its caller isn't shown."""
    name = image.function_at(address)
    return [] if name in ENTRIES or name in MEMORY_FUNCTIONS else nowhere(image, address)


def nowhere(image: Image, address: int) -> list[Frame]:
    return [Frame(image.function_at(address) or "?", f"{address:#x}", 0)]


def name_trap(image: Image, panic: PanicRecord) -> tuple[str, str]:
    """The failure of a trap that is no check."""
    bottom = image.symbols.get("nk_stack_bottom")
    if (
        bottom is not None
        and panic.cause in (5, 7, 13, 15)
        and bottom - GUARD <= panic.value < bottom
        and panic.registers[STACK_POINTER] < bottom + 4096
    ):
        top = image.symbols.get("nk_stack_top", bottom)
        size = top - bottom
        shown = f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"
        return "StackOverflow", f"the program needs more than its {shown} of stack"
    if panic.cause == BREAKPOINT:
        return CAUSES[BREAKPOINT], f"a failed check at {panic.pc:#x} that the image has no record of"
    return trap_of(panic)


def trap_of(panic: PanicRecord) -> tuple[str, str]:
    """The trap's name, and where."""
    name = CAUSES.get(panic.cause, f"Trap {panic.cause}")
    return name, f"at address {panic.value:#x}" if panic.cause in ADDRESS_CAUSES else f"at {panic.pc:#x}"
