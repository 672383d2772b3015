"""The first version."""

from counting import serve

from neokernel.lang import u64
from neokernel.runtime.process import Process


def main(process: Process) -> None:
    serve(process, u64(1))


def thread(process: Process, argument: u64) -> None:
    assert argument != 0, "a thread's fault is its process's"
