"""The smallest program: it says hello and counts.

`nk run examples/01_hello` boots it on a bare riscv64 machine; with `--host` the same source runs under CPython.
"""

from neokernel.arch.riscv64.bare import Machine
from neokernel.lang import u32


def fibonacci(n: u32) -> u32:
    """The n-th Fibonacci number."""
    before: u32 = 0
    current: u32 = 1
    for _ in range(n):
        before, current = current, before + current
    return before


def main(machine: Machine) -> None:
    machine.console.write("Hello from Python, with no Python below it.\n")
    for n in range(u32(5), u32(10)):
        machine.console.write(f"fibonacci({n}) = {fibonacci(n)}\n")
