"""To begin with it."""

from typing import Protocol

from neokernel.lang import interface, u32
from neokernel.runtime.system import Failure


@interface
class Killing(Protocol):
    def begin(self) -> u32 | Failure: ...
