"""Use the queue that is proven next door."""

from numbers_queue import Queue

from neokernel.arch.riscv64.bare import Machine
from neokernel.lang import u32


def main(machine: Machine) -> None:
    queue = Queue()
    for number in range(u32(3)):
        queue.put(number * number)
    item = queue.take()
    while item is not None:
        machine.console.write(f"{item}\n")
        item = queue.take()
