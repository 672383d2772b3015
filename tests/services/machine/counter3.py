"""A version that can't take over."""

from neokernel.lang import u8
from neokernel.runtime.process import Process


def main(process: Process) -> None:
    assert u8(process.state()[0]) == 77, "there was no version 77"
