"""A service that ends at once, with a status."""

from neokernel.lang import usize
from neokernel.runtime.process import Process

STATUS: usize = 0


def main(process: Process) -> None:
    process.console.write("quits\n")
    process.exit(process.setting(STATUS))
