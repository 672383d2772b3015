"""What numbers take on the machine: lines `NAME BYTES INSTRUCTIONS`, of those that take longest among them."""

from __future__ import annotations

from neokernel.arch.riscv64.bare import Machine
from neokernel.json.digits import LONGEST, write32, write64
from neokernel.json.numbers import float32_of, float64_of
from neokernel.lang import Array, array, asm, text_of, u8, u32, u64, unsafe, usize

unsafe("a counter of the machine is read")

#: the smallest float64 and half of it: as many digits as 64 bits hold, and one more that makes it lie between two
TIE = b"2.47032822920623272088e-324"
#: the middle between 1 and the next float64
MIDDLE = b"1.00000000000000011102230246251565404236316680908203125"
MOST = 768


def instructions() -> u64:
    return asm("rdinstret {result}", result=u64)


def read64(machine: Machine, name: str, text: bytes) -> None:
    begin = instructions()
    found = float64_of(text)
    machine.console.write(f"{name} {len(text)} {instructions() - begin} {found}\n")


def read32(machine: Machine, name: str, text: bytes) -> None:
    begin = instructions()
    found = float32_of(text)
    machine.console.write(f"{name} {len(text)} {instructions() - begin} {found}\n")


def written64(machine: Machine, name: str, bits: u64) -> None:
    line: Array[u8] = array(LONGEST)
    begin = instructions()
    length = write64(bits, line[:])
    taken = instructions() - begin
    machine.console.write(f"{name} {length} {taken} {text_of(line[:length].bytes())}\n")


def written32(machine: Machine, name: str, bits: u32) -> None:
    line: Array[u8] = array(LONGEST)
    begin = instructions()
    length = write32(bits, line[:])
    taken = instructions() - begin
    machine.console.write(f"{name} {length} {taken} {text_of(line[:length].bytes())}\n")


def main(machine: Machine) -> None:
    read32(machine, "read32 small", b"7")
    read32(machine, "read32 usual", b"0.123456789")
    read32(machine, "read32 tiny", b"1e-300")
    read64(machine, "read64 usual", b"0.12345678901234567")
    read64(machine, "read64 subnormal", b"4.9406564584124654e-324")
    read64(machine, "read64 middle", MIDDLE)
    read64(machine, "read64 tie", TIE)
    # As many digits as are looked at, next to the middle between the smallest two.
    long: Array[u8] = array(MOST + 8)
    for place in range(usize(MOST)):
        long[place] = TIE[place] if place < usize(20) else 0x30
    for place in range(usize(8)):
        long[usize(MOST) + place] = b"1e-00324"[place]
    read64(machine, "read64 long", long[:].bytes())
    read32(machine, "read32 long", long[:].bytes())
    written32(machine, "write32 usual", 0x3DFC_D6E9)
    written32(machine, "write32 subnormal", 0x0045_6789)
    written32(machine, "write32 longer", 0x15AE_43FD)
    written64(machine, "write64 usual", 0x3FBF_9ADD_3739_635F)
    written64(machine, "write64 subnormal", 0x000F_FFFF_FFFF_FFFF)
    written64(machine, "write64 smallest", 1)
