"""A process in a sandbox: it has two capabilities with few rights, and is denied all else; then one is revoked."""

from neokernel.abi.boot import OWN_TABLE
from neokernel.abi.call import message
from neokernel.abi.kinds import Kind
from neokernel.abi.rights import SEND, SIGNAL
from neokernel.abi.status import FIRST_OF_RUNTIME, Status
from neokernel.lang import u8, u64
from neokernel.runtime import system
from neokernel.runtime.child import Child
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

#: what comes out of the notification when the guest has signalled
BADGE = 4
PRIORITY = 100


def main(process: Process) -> None:
    notification, endpoint = must_get(process.make(Kind.NOTIFICATION)), must_get(process.make(Kind.ENDPOINT))
    reply = must_get(process.make(Kind.REPLY))
    must(make_guest(process, notification, endpoint))
    hear(process, endpoint, reply, "signal")
    word = must_get(system.poll(notification))
    process.console.write(f"supervisor: signalled by badge {word}\n")
    hear(process, endpoint, reply, "wait for a signal")
    hear(process, endpoint, reply, "take another badge")
    hear(process, endpoint, reply, "make an endpoint")
    hear(process, endpoint, reply, "switch the machine off")
    # The guest is less urgent: it has its answer, but doesn't go on before we wait.
    must(system.revoke(OWN_TABLE, notification))
    process.console.write("supervisor: the notification is revoked\n")
    hear(process, endpoint, reply, "signal again")


def make_guest(process: Process, notification: u64, endpoint: u64) -> Failure | None:
    """Start the guest. It can signal, and call its supervisor."""
    guest = Child()
    failure = guest.create(process, b"guest", endpoint)
    if failure is not None:
        return failure
    signals = guest.grant(process, notification, SIGNAL, BADGE)
    if isinstance(signals, Failure):
        return signals
    reports = guest.grant(process, endpoint, SEND)
    if isinstance(reports, Failure):
        return reports
    guest.arguments[0] = signals
    guest.arguments[1] = reports
    return guest.start(process, PRIORITY)


def hear(process: Process, endpoint: u64, reply: u64, attempt: str) -> None:
    """Print what came of the guest's next attempt. It isn't trusted: its number may be that of no status."""
    report = must_get(system.receive(endpoint, reply))
    if report.is_fault():
        process.console.write(f"guest: {attempt}: fault {report.label()}\n")
        process.exit(1)
    if report.w0 == u64(Status.OK.value):
        process.console.write(f"guest: {attempt}: done\n")
    elif report.w0 < FIRST_OF_RUNTIME:
        process.console.write(f"guest: {attempt}: {Status(u8(report.w0)).name} of argument {report.w1}\n")
    else:
        process.console.write(f"guest: {attempt}: a report that makes no sense\n")
    must(system.reply(reply, message(0)))
