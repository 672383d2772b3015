"""What is typed while nobody reads it yet: it isn't shown, and the machine that is started next doesn't get it.

Invariant: the terminal is as it was when `unheard` is left; what is no terminal isn't touched.
"""

from __future__ import annotations

import contextlib
import sys
import termios
from collections.abc import Iterator

#: in what `tcgetattr` gives
LOCAL_FLAGS = 3


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Don't echo what is typed; ctrl-C works all the same. QEMU has the terminal to itself while it runs."""
    if not is_terminal():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    quiet = termios.tcgetattr(sys.stdin)
    quiet[LOCAL_FLAGS] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(sys.stdin, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def forget() -> None:
    """Drop what was typed until now."""
    if is_terminal():
        termios.tcflush(sys.stdin, termios.TCIFLUSH)


def is_terminal() -> bool:
    try:
        return sys.stdin.isatty()
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False
