"""A program that nobody trusts: it tries what it may and what it may not, and reports what the kernel said."""

from neokernel.abi.boot import OWN_TABLE, PLATFORM
from neokernel.abi.call import message
from neokernel.abi.kinds import Kind
from neokernel.abi.rights import SIGNAL
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.must import must_get
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

#: label of a report: status, argument
TRIED = 1
OTHER_BADGE = 5


def main(process: Process) -> None:
    notification: u64 = process.arguments[0]
    supervisor: u64 = process.arguments[1]
    free = must_get(process.slot())
    report(supervisor, system.signal(notification))
    report(supervisor, failure_of(system.poll(notification)))
    report(supervisor, system.copy(process.buffer, OWN_TABLE, free, SIGNAL, OTHER_BADGE, notification))
    report(supervisor, failure_of(process.make(Kind.ENDPOINT)))
    report(supervisor, system.power_off(PLATFORM, 0))
    report(supervisor, system.signal(notification))


def failure_of(result: u64 | Failure) -> Failure | None:
    return result if isinstance(result, Failure) else None


def report(supervisor: u64, failure: Failure | None) -> None:
    """Tell the supervisor, and wait until it has heard."""
    if failure is None:
        _ = system.call(supervisor, message(TRIED, 2))
    else:
        _ = system.call(supervisor, message(TRIED, 2), u64(failure.status.value), failure.argument)
