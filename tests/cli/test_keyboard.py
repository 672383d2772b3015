"""What is typed before a machine runs."""

from __future__ import annotations

import os
import pty
import select
import sys
import termios
from collections.abc import Iterator

import pytest

from neokernel.cli.keyboard import LOCAL_FLAGS, forget, unheard
from tests.support.patience import PATIENCE


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Standard input is a terminal; who writes here types."""
    typist, terminal = pty.openpty()
    with os.fdopen(terminal) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        yield typist
    os.close(typist)


def echoed(keys: int) -> bool:
    return bool(select.select([keys], [], [], 0)[0])


def test_keys_are_neither_shown_nor_kept(keys: int) -> None:
    before = termios.tcgetattr(sys.stdin)
    with unheard():
        os.write(keys, b"too early\r")
        assert select.select([sys.stdin], [], [], PATIENCE)[0], "they have come"
        assert not echoed(keys)
        forget()
        assert not select.select([sys.stdin], [], [], 0)[0]
        assert termios.tcgetattr(sys.stdin)[LOCAL_FLAGS] & termios.ISIG, "ctrl-C works"
    assert termios.tcgetattr(sys.stdin) == before
    os.write(keys, b"now\n")
    assert select.select([keys], [], [], PATIENCE)[0], "it is shown again"


def test_what_is_no_terminal_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"kept")
    with os.fdopen(reader) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        with unheard():
            forget()
        assert os.read(reader, 9) == b"kept"
    os.close(writer)
    monkeypatch.setattr(sys, "stdin", None)
    with unheard():
        forget()
