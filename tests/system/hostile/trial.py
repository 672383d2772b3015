"""Counts tries of one kind, and those that didn't end as the manual says."""

from __future__ import annotations

from contracts import Court

from neokernel.abi.call import argument_of, status_of
from neokernel.abi.status import Status
from neokernel.lang import struct, u64
from neokernel.runtime.must import must
from neokernel.runtime.system import Failure, Message

#: of those that are wrong, so many are told one by one, of each kind
TOLD = 4


@struct
class Trial:
    court: Court
    tries: u64 = 0
    wrong: u64 = 0

    def check(self, right: bool, tried: u64, argument: u64 = 0, found: u64 = 0) -> None:
        self.tries += 1
        if not right:
            self.wrong += 1
            if self.wrong <= TOLD:
                must(self.court.odd(tried, argument, found))

    def failed(self, got: Message, status: Status, of: u64, tried: u64, argument: u64 = 0) -> None:
        """A system call ended so."""
        right = status_of(got.word) == u64(status.value) and argument_of(got.word) == of
        self.check(right, tried, argument, got.word)

    def refused(self, failure: Failure | None, status: Status, tried: u64, argument: u64 = 0) -> None:
        """An operation failed so, whatever it is about."""
        found: u64 = 0 if failure is None else u64(failure.status.value)
        self.check(failure is not None and failure.status is status, tried, argument, found)

    def end(self, what: str) -> None:
        must(self.court.said(what, self.tries, self.wrong))
        self.tries, self.wrong = 0, 0
