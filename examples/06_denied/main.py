"""A capability with fewer rights, and what the kernel says to who tries more; then it is revoked."""

from neokernel.abi.boot import OWN_TABLE
from neokernel.abi.kinds import Kind
from neokernel.abi.rights import SIGNAL
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure


def main(process: Process) -> None:
    notification = process.make(Kind.NOTIFICATION)
    assert not isinstance(notification, Failure), "the root has memory"
    signaller = process.derive(notification, SIGNAL, 4)
    assert not isinstance(signaller, Failure), "the root has a free slot"
    tell(process, "signal with the right to signal", system.signal(signaller))
    tell(process, "wait with the right to signal", failure_of(system.poll(signaller)))
    tell(process, "a second badge", system.copy(process.buffer, OWN_TABLE, signaller + 1, SIGNAL, 5, signaller))
    tell(process, "revoke", system.revoke(OWN_TABLE, notification))
    tell(process, "signal after that", system.signal(signaller))


def failure_of(found: u64 | Failure) -> Failure | None:
    return found if isinstance(found, Failure) else None


def tell(process: Process, what: str, found: Failure | None) -> None:
    if found is None:
        process.console.write(f"{what}: done\n")
    else:
        process.console.write(f"{what}: {found.status.name} of argument {found.argument}\n")
