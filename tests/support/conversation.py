"""A machine and somebody at its terminal: what is typed, what is shown.

Nothing here depends on time: each step waits until what it expects is shown, however long that takes. A machine that
never shows it is ended by a watch.
"""

from __future__ import annotations

import re
import select
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from neokernel.image import qemu
from tests.support.machine import QEMU
from tests.support.patience import PATIENCE

#: seconds without a word after which keys are typed again
PAUSE = 2.0
#: what a terminal doesn't show: cursor movements
INVISIBLE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|\r")


class Conversation:
    """`with Conversation(image) as machine:`"""

    def __init__(self, image: Path, *options: str, reboots: bool = False) -> None:
        assert QEMU is not None
        self.process = subprocess.Popen(
            [*qemu.command(QEMU, image, reboots=reboots), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self.watch = threading.Timer(PATIENCE, self.process.kill)
        self.unread = b""
        #: all that was read, as it came
        self.read = b""

    def __enter__(self) -> Self:
        self.watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.watch.cancel()
        self.process.kill()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        self.process.wait()

    def type(self, keys: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(keys.encode())

    def expect(self, wanted: str) -> str:
        """Read until `wanted` is shown: all that is shown up to there."""
        assert self.process.stdout is not None
        while wanted.encode() not in self.unread:
            more = self.process.stdout.read(4096)
            assert more, f"{wanted!r} isn't shown: {self.unread[-2000:].decode(errors='replace')}"
            self.unread += more
            self.read += more
        end = self.unread.index(wanted.encode()) + len(wanted.encode())
        shown, self.unread = self.unread[:end], self.unread[end:]
        return INVISIBLE.sub("", shown.decode())

    def insist(self, keys: str, wanted: str) -> str:
        """Type `keys`, and again whenever nothing is shown for a while, until `wanted` is: of those who may be lost."""
        assert self.process.stdout is not None
        while wanted.encode() not in self.unread:
            self.type(keys)
            while wanted.encode() not in self.unread and select.select([self.process.stdout], [], [], PAUSE)[0]:
                more = self.process.stdout.read(4096)
                assert more, f"{wanted!r} isn't shown: {self.unread[-2000:].decode(errors='replace')}"
                self.unread += more
                self.read += more
        return self.expect(wanted)

    def rest(self) -> str:
        """What is shown until the machine ends by itself."""
        assert self.process.stdout is not None
        while more := self.process.stdout.read(4096):
            self.unread += more
        shown, self.unread = self.unread, b""
        self.process.wait()
        return INVISIBLE.sub("", shown.decode())
