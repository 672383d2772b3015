"""Ctrl-C while nk itself is still read: nothing is there yet that could say so as usual, or would have to be stopped.

The package arms this first of all if the process is nk's, since most of the reading comes before the command line is
looked at; `cli/main.py` arms it, too, for who imports that, and ends it when it can tell for itself. So this imports
next to nothing. What Python reads before us, an interrupt still ends as Python has it.
"""

import os
import signal
import sys

#: as type checkers see it: `typing` would take as long to read as all else here
TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

#: what nk is called by its console scripts
NAMES = ("nk", "neokernel")


def interrupted(number: int, frame: "FrameType | None") -> "NoReturn":
    """One line, and the status of an interrupt."""
    os.write(2, b"error[NK1105]: interrupted\n")
    os._exit(130)


def arm() -> None:
    """Tell of interrupts from now on. Who has a handler of his own keeps it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        try:  # noqa: SIM105 - contextlib isn't read yet
            signal.signal(signal.SIGINT, interrupted)
        except ValueError:
            pass  # only the main thread may, and has seen to it


def disarm() -> None:
    """Let interrupts be exceptions, as Python has it."""
    if signal.getsignal(signal.SIGINT) is interrupted:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def is_script() -> bool:
    """Is this process one of nk's console scripts?"""
    return bool(sys.argv) and sys.argv[0].rpartition("/")[2] in NAMES
