"""Drives an arena: pieces are filled with a byte of their own, and must keep it until they are taken back."""

from neokernel.lang import Array, Span, array, u8, u64, usize, wrapping_add, wrapping_mul
from neokernel.runtime.arena import Arena, Mark, Scope
from neokernel.runtime.vec import Full, Vec
from tests.runtime.drivers.work import FULL, Work

SIZE = 96


def fingerprint(memory: Span[u8], used: usize) -> u64:
    found: u64 = used
    for byte in memory:
        found = wrapping_add(wrapping_mul(found, 31), u64(byte))
    return found & 0xFFFF_FFFF


def allocate(arena: Arena, size: usize, number: u64) -> u64:
    """Allocate and fill."""
    alignment = usize(1) << (number >> 8) % 5
    piece = arena.allocate_cleared(size, alignment) if number % 2 == 0 else arena.allocate(size, alignment)
    if isinstance(piece, Full):
        return FULL
    assert len(piece) == size
    sum: u64 = 0
    for place in range(len(piece)):
        sum += u64(piece[place])
        piece[place] = u8(number % 251)
    return sum if number % 2 == 0 else arena.free()


def perform(arena: Arena, levels: Vec[Mark], operation: u64, size: usize, number: u64) -> u64:
    match operation:
        case 0:
            return allocate(arena, size, number)
        case 1:
            _ = levels.push(arena.mark())
            return 0
        case 2:
            level = levels.pop()
            if level is not None:
                arena.rollback(level)
            return arena.free()
        case 3:
            with Scope(arena=arena):
                outer = allocate(arena, size, number)
                with Scope(arena=arena):
                    if allocate(arena, size, number) == FULL:
                        return outer ^ 1
                return outer
        case 4:
            arena.rollback(arena.mark())
            arena.clear()
            levels.clear()
            return 0
        case _:
            if isinstance(arena.allocate(size, number % 4), Full):
                return FULL
            return arena.free()


def run(work: Work) -> None:
    """Perform the commands; results are folded with the fingerprint of the memory."""
    memory: Array[u8] = array(SIZE)
    arena = Arena(memory=memory)
    levels: Vec[Mark] = Vec(slots=array(64))
    for index in range(work.count):
        command = work.command(index)
        result = perform(arena, levels, command[0], command[1], command[2])
        work.finish(wrapping_add(wrapping_mul(result, 3), fingerprint(memory, arena.used)))
