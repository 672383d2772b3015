"""A service that fails at once: its end is on the page."""

from neokernel.lang import u64
from neokernel.runtime.process import Process


def main(process: Process) -> None:
    hertz: u64 = process.frequency
    assert hertz == 0, "no machine's clock stands"
