"""Copies from each place modulo 8 to each, of all lengths up to some words, apart and overlapping both ways.

What a byte must be afterwards is known from its place alone. At last it says what long copies cost.
"""

from neokernel.arch.riscv64.bare import Machine
from neokernel.lang import Array, Span, array, asm, copy, truncate, u8, u64, unsafe, usize

unsafe("instructions are counted by the processor's own register")

MOST = 83
APART = 128
FRAME = 1448


def told(place: usize) -> u8:
    """What lies at a place before anything is copied."""
    return truncate(u8, place * 167 + (place >> 3) * 13 + 5)


def instructions() -> u64:
    return asm("rdinstret {result}", result=u64, clobbers="memory")


def wrong_bytes(memory: Span[u8], source: usize, target: usize, count: usize) -> usize:
    """Copy, and look at each byte: how many are wrong."""
    for place in range(len(memory)):
        memory[place] = told(place)
    copy(memory[target : target + count], memory[source : source + count].bytes())
    wrong: usize = 0
    for place in range(len(memory)):
        moved = target <= place < target + count
        if memory[place] != told(place + source - target if moved else place):
            wrong += 1
    return wrong


def cost(memory: Span[u8], source: usize, target: usize, count: usize) -> u64:
    begun = instructions()
    copy(memory[target : target + count], memory[source : source + count].bytes())
    return instructions() - begun


def dearest(memory: Span[u8], below: usize, apart: usize) -> u64:
    """What FRAME bytes cost at most, over all places; to a place so far behind the source, or in front of it."""
    most: u64 = 0
    for source in range(usize(8)):
        for target in range(usize(8)):
            most = max(most, cost(memory, below + source, apart + target, FRAME))
    return most


def main(machine: Machine) -> None:
    console = machine.console
    memory: Array[u8] = array(2 * APART)
    wrong: usize = 0
    copies: usize = 0
    for count in range(usize(MOST)):
        for source in range(usize(8)):
            for target in range(usize(8)):
                wrong += wrong_bytes(memory[:], source, APART + target, count)
                copies += 1
    console.write(f"apart: {wrong} of {copies}\n")
    wrong, copies = 0, 0
    for count in range(usize(0), usize(MOST), 5):
        for source in range(usize(8)):
            for apart in range(usize(40)):
                wrong += wrong_bytes(memory[:], 20 + source, source + apart, count)
                copies += 1
    console.write(f"overlapping: {wrong} of {copies}\n")
    frames: Array[u8] = array(2 * FRAME + 64)
    console.write(f"costs apart: {dearest(frames[:], 0, FRAME + 16)}\n")
    console.write(f"costs forwards: {dearest(frames[:], 16, 0)}\n")
    console.write(f"costs backwards: {dearest(frames[:], 0, 16)}\n")
