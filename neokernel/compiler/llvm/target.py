"""What code is made for: the machine, and the options of one emission."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from neokernel.compiler.ir import Kind, Span


class Failure(Enum):
    """What a failed check does: trap with a record of its address (images), or leave through the host (JIT)."""

    TRAP = "trap"
    HOST = "host"


@dataclass(frozen=True)
class Target:
    """A machine, in LLVM's terms. `architecture`: "riscv64", "x86_64", "aarch64"."""

    architecture: str
    triple: str
    data_layout: str
    march: str = ""
    abi: str = ""

    @property
    def is_riscv(self) -> bool:
        return self.architecture == "riscv64"

    @property
    def has_floats(self) -> bool:
        """Has it registers for floats?"""
        return self.abi != "lp64"


def riscv64(floats: bool = False, bit_manipulation: bool = False) -> Target:
    """Bare-metal riscv64. `floats` (F and D) is for user space, the kernel has none. `bit_manipulation`: Zba, Zbb."""
    march = "rv64ima" + ("fd" if floats else "") + "c_zicsr_zifencei" + ("_zba_zbb" if bit_manipulation else "")
    return Target(
        "riscv64",
        "riscv64-unknown-none-elf",
        "e-m:e-p:64:64-i64:64-i128:128-n32:64-S128",
        march,
        "lp64d" if floats else "lp64",
    )


@dataclass(frozen=True)
class EmitOptions:
    """`checks` off means: as if all were discharged.

    `level` is the optimisation level that will follow. `exported` adds to the functions that say so themselves; others
    are internal. `entries`: symbols to make an entry stub `nk.entry.SYMBOL(ptr frame)` for. `poison`: retired objects
    are filled with 0xDB, nothing is assumed about what memory holds and, in the host's process, accesses to retired
    objects fail. `first_check` is the first check's number, for
    programs that are linked with others. `small`: modules whose functions are to be small rather than fast.
    """

    checks: bool = True
    debug: bool = True
    level: Literal[0, 1, 2, 3] = 2
    exported: frozenset[str] = frozenset()
    entries: tuple[str, ...] = ()
    failure: Failure = Failure.TRAP
    poison: bool = False
    first_check: int = 0
    small: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """A check that code was emitted for; `index` is its number within the function `symbol`."""

    id: int
    symbol: str
    index: int
    kind: Kind
    span: Span
    message: str


@dataclass(frozen=True)
class Emitted:
    """LLVM IR text, and what its check numbers mean."""

    text: str
    checks: list[CheckRecord]
