"""A version of a service that never serves: its first life is silent, its second one talks nonsense."""

from neokernel.abi.call import message
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.process import Process

NONSENSE: u64 = 77


def main(process: Process) -> None:
    state = process.state()
    state[0] += 1
    while state[0] == 1:
        pass
    while True:
        _ = system.send(process.supervisor, message(NONSENSE))
