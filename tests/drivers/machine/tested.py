"""Whether a test is over."""

from typing import Protocol

from neokernel.lang import interface
from neokernel.runtime.system import Failure


@interface
class Tested(Protocol):
    def over(self) -> bool | Failure: ...
