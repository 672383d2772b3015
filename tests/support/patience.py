"""How long tests wait for what must come.

No test judges how fast its host is: a wait that ends with `PATIENCE` is a guard against what hangs, and long enough for
a host on which everything takes ten times as long as usual. What is looked at is looked at until it is so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

#: seconds after which what should have happened never will; less than what pytest gives a test (`pyproject.toml`)
PATIENCE = 900.0
#: seconds after which a machine is ended that doesn't end by itself: sooner than its `nk`, which says what it has shown
LONGEST_RUN = 800
#: seconds after which machines are ended that never end by themselves: the first is enough for one on a quiet host, and
#: who is to have said something by then has the next, longer one on a slow host
LIMITS = (4, 20, 100, 400)
#: seconds between two looks
PAUSE = 0.05


def eventually(look: Callable[[], _T], otherwise: str, *, pause: float = PAUSE) -> _T:
    """What `look` gives once that is true: it is called until then. `otherwise`: what is wrong if that never comes."""
    end = time.monotonic() + PATIENCE
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"{otherwise}: the last look gave {found!r:.1000}"
        time.sleep(pause)


def long_enough(run: Callable[[int], _T], said: Callable[[_T], bool]) -> _T:
    """What `run` gives of a machine that it ends after so many seconds: of the first limit by which all is said."""
    first, *later = LIMITS
    found = run(first)
    for seconds in later:
        if said(found):
            break
        found = run(seconds)
    return found
