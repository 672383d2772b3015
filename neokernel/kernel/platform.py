"""The machine as a whole: its early console, and its end."""

from neokernel.abi.call import failure
from neokernel.abi.status import FIRST, INVOKED, Status
from neokernel.arch import cpu
from neokernel.kernel.objects import Hart, Platform, Slot, Thread
from neokernel.kernel.slot import controlled, refuse, refuse_control
from neokernel.lang import truncate, u8, u64

MOST_BYTES = 24


def write(hart: Hart, caller: Thread, slot: Slot) -> u64:
    """CONSOLE_WRITE."""
    if not isinstance(slot.object, Platform):
        return refuse(slot, INVOKED)
    if not controlled(slot):
        return refuse_control()
    registers = caller.registers
    count = registers.a2
    if count > MOST_BYTES:
        return failure(Status.OUT_OF_RANGE, FIRST)
    put_word(hart, registers.a3, min(count, 8))
    put_word(hart, registers.a4, min(count - min(count, 8), 8))
    put_word(hart, registers.a5, count - min(count, 16))
    return 0


def put_word(hart: Hart, word: u64, count: u64) -> None:
    """The low bytes of a word, the lowest first."""
    for index in range(count):
        cpu.put(hart.cpu, truncate(u8, word >> (8 * index)))


def power_off(hart: Hart, caller: Thread, slot: Slot) -> u64:
    """POWER_OFF."""
    if not isinstance(slot.object, Platform):
        return refuse(slot, INVOKED)
    if not controlled(slot):
        return refuse_control()
    status = caller.registers.a2
    if status > 255:
        return failure(Status.OUT_OF_RANGE, FIRST)
    cpu.power_off(hart.cpu, status)
    return 0
