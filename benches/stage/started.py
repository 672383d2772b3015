"""How many instructions the machine has executed when the root program begins: the report `= started COUNT`."""

from neokernel.lang import asm, u64, unsafe
from neokernel.runtime.process import Process

unsafe("instructions are counted by a register")


def main(process: Process) -> None:
    now = asm("rdinstret {result}", result=u64)
    process.console.write(f"= started {now}\n")
