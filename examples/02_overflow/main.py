"""A program that fails: a sum outgrows its width.

The machine stops at the expression that overflowed, and `nk run` prints a traceback as Python does.
"""

from neokernel.arch.riscv64.bare import Machine
from neokernel.lang import u8


def add_up(step: u8) -> u8:
    """The sum of ten steps."""
    total: u8 = 0
    for _ in range(10):
        total = total + step
    return total


def main(machine: Machine) -> None:
    machine.console.write(f"ten times 25 is {add_up(25)}\n")
    machine.console.write(f"ten times 26 is {add_up(26)}\n")
