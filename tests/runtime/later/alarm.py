"""The contract."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Protocol

from neokernel.lang import interface, u32, u64, up_to
from neokernel.runtime.system import Failure


class Refusal(Enum):
    """Why there is no answer."""

    TOO_LONG = 0


@interface
class Alarm(Protocol):
    """Each of its calls takes the time that it names."""

    def sleep(self, ticks: u64) -> Refusal | u64 | Failure: ...
    def spell(self, ticks: u64, text: Annotated[str, up_to(40)]) -> u32 | Failure: ...
