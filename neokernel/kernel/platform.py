"""The machine as a whole: its early console, and its end."""

from neokernel.abi.call import failure
from neokernel.abi.operations import Operation
from neokernel.abi.rights import WRITE
from neokernel.abi.status import FIRST, Status
from neokernel.arch import cpu
from neokernel.kernel.objects import Hart, Slot, Thread
from neokernel.kernel.outcome import answer
from neokernel.kernel.placement import all_registers
from neokernel.kernel.slot import controlled, refuse_control, refuse_operation
from neokernel.lang import cold, loop_bound, truncate, u8, u64

MOST_BYTES = 24
#: the number of the register that the first bytes are in
A3 = 13


@cold
def invoke(hart: Hart, caller: Thread, slot: Slot, operation: Operation) -> u64:
    """An operation of the Platform. Who may write needn't be allowed to end the machine."""
    match operation:
        case Operation.CONSOLE_WRITE:
            return write(hart, caller) if slot.rights & WRITE != 0 else refuse_control()
        case Operation.POWER_OFF:
            return power_off(hart, caller) if controlled(slot) else refuse_control()
        case _:
            return refuse_operation()


def write(hart: Hart, caller: Thread) -> u64:
    """CONSOLE_WRITE: nobody waits for the console with interrupts off."""
    count = caller.registers.a2
    if count > MOST_BYTES:
        return failure(Status.OUT_OF_RANGE, FIRST)
    words = all_registers(caller)[A3:]
    written: u64 = 0
    while written < count and cpu.put(hart.cpu, truncate(u8, words[written // 8] >> (8 * (written % 8)))):
        loop_bound(MOST_BYTES)
        written += 1
    return answer(caller, 0, written, 0, 0, 0)


def power_off(hart: Hart, caller: Thread) -> u64:
    """POWER_OFF."""
    status = caller.registers.a2
    if status > 255:
        return failure(Status.OUT_OF_RANGE, FIRST)
    cpu.power_off(hart.cpu, status)
    return 0
