"""Results of cases, in the Test Anything Protocol: `ok 12 - name`, or `not ok 12 - name # what was found`."""

from neokernel.abi.call import NOW, Call, status_of
from neokernel.abi.status import Status
from neokernel.lang import struct, u8, u64
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure, Message, failure_of


def received(endpoint: u64, reply: u64, deadline: u64 = NOW) -> Message:
    """What RECEIVE brings, as the registers have it: ask `failed` whether it is a message."""
    return system.enter_with(reply, Call.RECEIVE, endpoint, 0, deadline)


def failed(found: Message) -> bool:
    return status_of(found.word) != 0


@struct
class Tap:
    process: Process
    count: u64 = 0
    failed: u64 = 0

    def check(self, good: bool, name: str) -> None:
        """A case: is it so?"""
        self.begin(good)
        self.process.console.write(f" {self.count} - {name}\n")

    def equal(self, found: u64, wanted: u64, name: str) -> None:
        """A case: is the number the wanted one?"""
        self.begin(found == wanted)
        console = self.process.console
        if found == wanted:
            console.write(f" {self.count} - {name}\n")
        else:
            console.write(f" {self.count} - {name} # {found:#x}, not {wanted:#x}\n")

    def succeeds(self, found: Failure | None, name: str) -> None:
        """A case: the call fails not."""
        self.begin(found is None)
        console = self.process.console
        if found is None:
            console.write(f" {self.count} - {name}\n")
        else:
            console.write(f" {self.count} - {name} # {found.status.name} of {found.argument}\n")

    def fails(self, found: Failure | None, status: Status, argument: u64, name: str) -> None:
        """A case: the call fails with this status, and it is about that argument."""
        console = self.process.console
        if found is None:
            self.begin(False)
            console.write(f" {self.count} - {name} # success, not {status.name} of {argument}\n")
            return
        good = found.status is status and found.argument == argument
        self.begin(good)
        if good:
            console.write(f" {self.count} - {name}\n")
        else:
            console.write(
                f" {self.count} - {name} # {found.status.name} of {found.argument}, not {status.name} of {argument}\n"
            )

    def message_fails(self, found: Message | Failure, status: Status, argument: u64, name: str) -> None:
        self.fails(failure_of(found), status, argument, name)

    def made(self, found: u64 | Failure, name: str) -> u64:
        """A case: something was made. Its index; 0, where nothing is, if it wasn't."""
        if isinstance(found, Failure):
            self.succeeds(found, name)
            return 0
        self.check(True, name)
        return found

    def need(self, found: u64 | Failure) -> u64:
        """What a case needs and isn't about: an index. The run ends without it."""
        if isinstance(found, Failure):
            self.bail(found)
            return 0
        return found

    def done(self, found: Failure | None) -> None:
        """What a case needs and isn't about. The run ends without it."""
        if found is not None:
            self.bail(found)

    def bail(self, found: Failure) -> None:
        console = self.process.console
        console.write(f"Bail out! after {self.count}: {found.status.name} of {found.argument}\n")
        self.process.exit(2)

    def begin(self, good: bool) -> None:
        self.count += 1
        if not good:
            self.failed += 1
        self.process.console.write("ok" if good else "not ok")

    def finish(self) -> None:
        self.process.console.write(f"1..{self.count}\n")
        self.process.exit(u64(u8(1)) if self.failed != 0 else 0)
