"""To have the hostile client do its worst."""

from __future__ import annotations

from typing import Protocol

from neokernel.lang import interface, u32
from neokernel.runtime.system import Failure

#: ways to attack
WAYS = 13


@interface
class Attack(Protocol):
    def attack(self, way: u32) -> u32 | Failure:
        """Have the device, and misuse it in that way. How often it was tried."""
        ...
