"""SiFive's test device, "sifive,test0": a board's power and reset switch, as QEMU has it (`hw/misc/sifive_test.c`).

Knows nothing of processes: `registers` are wherever the caller mapped them. A store ends the machine, or does nothing;
nothing is read, so there is nothing of the device's to be believed.
"""

from neokernel.lang import struct, u32, wire

#: what is stored; the kernel stores the same (`arch/riscv64/panic.py`), a test holds one to the other
PASS = 0x5555
RESET = 0x7777


@wire(registers=True)
class Registers:
    finish: u32


@struct
class Finisher:
    registers: Registers

    def power_off(self) -> None:
        """The machine is off, with status 0."""
        self.registers.finish = PASS

    def reset(self) -> None:
        """The machine starts again, with all its devices as new."""
        self.registers.finish = RESET
