"""How long `nk` waits for what doesn't answer: for machines, and for what it starts itself.

Each wait has its usual limit, which suits a host that has time. Where everything takes several times as long, on a busy
host or a slow emulator, `NK_PATIENCE=10` has every one of them last ten times as long. What is there isn't waited for.
"""

from __future__ import annotations

import os

VARIABLE = "NK_PATIENCE"
#: what it may be
LEAST, MOST = 1.0, 1000.0


class BadPatience(ValueError):
    """The variable says what it can't."""


def factor() -> float:
    """How many times as long as usual is waited. Raises BadPatience."""
    chosen = os.environ.get(VARIABLE)
    if not chosen:
        return 1.0
    try:
        found = float(chosen)
    except ValueError:
        found = 0.0
    if not LEAST <= found <= MOST:
        raise BadPatience(f"{VARIABLE} is {chosen!r}, and no number from {LEAST:g} to {MOST:g}")
    return found


def patient(seconds: float) -> float:
    """How long is waited for what usually has so many seconds."""
    return seconds * factor()
