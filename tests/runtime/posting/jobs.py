"""Work that nobody waits for, and news of its end."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from neokernel.lang import Given, i8, interface, u8, u64
from neokernel.runtime.lend import Lent
from neokernel.runtime.objects import Notification
from neokernel.runtime.system import Failure


class Kind(Enum):
    SUM = 0
    LARGEST = 5


@interface
class Jobs(Protocol):
    def start(self, number: u64, kind: Kind, offset: i8, data: Lent) -> Failure | None: ...

    def stop(self) -> Failure | None: ...


@interface
class News(Protocol):
    def finished(self, number: u64, result: u64, large: bool) -> Failure | None: ...

    def stopped(self, refused: u64, first: u8) -> Failure | None: ...


@interface
class Office(Protocol):
    def open(self, jobs: Lent, news: Lent, wake: Given[Notification]) -> Given[Notification] | Failure | None:
        """Where jobs are posted, where news come, and whom to wake then: whom to wake when there are jobs."""
        ...
