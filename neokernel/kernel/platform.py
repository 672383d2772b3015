"""The machine as a whole: its early console, and its end."""

from neokernel.abi.call import failure
from neokernel.abi.operations import Operation
from neokernel.abi.status import FIRST, Status
from neokernel.arch import cpu
from neokernel.kernel.objects import Hart, Slot, Thread
from neokernel.kernel.slot import controlled, refuse_control, refuse_operation
from neokernel.lang import cold, truncate, u8, u64

MOST_BYTES = 24


@cold
def invoke(hart: Hart, caller: Thread, slot: Slot, operation: Operation) -> u64:
    """An operation of the Platform."""
    if not controlled(slot):
        return refuse_control()
    match operation:
        case Operation.CONSOLE_WRITE:
            return write(hart, caller)
        case Operation.POWER_OFF:
            return power_off(hart, caller)
        case _:
            return refuse_operation()


def write(hart: Hart, caller: Thread) -> u64:
    """CONSOLE_WRITE."""
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


def power_off(hart: Hart, caller: Thread) -> u64:
    """POWER_OFF."""
    status = caller.registers.a2
    if status > 255:
        return failure(Status.OUT_OF_RANGE, FIRST)
    cpu.power_off(hart.cpu, status)
    return 0
