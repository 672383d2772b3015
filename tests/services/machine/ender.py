"""A service that has all others ended, to switch the machine off, and fails: it ends with a status, or does nothing."""

from neokernel.abi.description import FIRST_DECLARED
from neokernel.abi.kinds import Kind
from neokernel.interfaces.system import Shutdown
from neokernel.lang import Uses, u64, uses, usize
from neokernel.runtime import system
from neokernel.runtime.must import must_get
from neokernel.runtime.process import Process

SHUTDOWN: u64 = FIRST_DECLARED
STATUS: usize = 0


def main(process: Process) -> None:
    services: Uses[Shutdown] = uses(SHUTDOWN)
    assert services.end_others() is None, "nobody is being replaced"
    process.console.write("all others have ended\n")
    status = process.setting(STATUS)
    if status != 0:
        process.exit(status)
    never: u64 = must_get(process.make(Kind.NOTIFICATION))
    _ = system.wait(never)
