"""The collector of cycles, off while programs are read.

Nearly all that the passes make stays until they are done: a look for garbage finds none, and goes through everything
that was made so far. That took a fifth of the compiler's time.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Look for no cycles inside. What is garbage then is found later, by whoever collects outside."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
