"""Time: microseconds since some start, brought along by whoever calls."""

from __future__ import annotations

from neokernel.lang import u64

MILLISECOND: u64 = 1_000
SECOND: u64 = 1_000_000
MINUTE: u64 = 60_000_000

#: no deadline
NEVER: u64 = 0xFFFF_FFFF_FFFF_FFFF
