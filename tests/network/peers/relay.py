"""A link between a tap and QEMU that does to frames what bad links do: it loses, delays, repeats, damages them.

    relay = Relay(tap)
    qemu = start([…, *relay.arguments("virtio-mmio-bus.2")], pass_fds=[relay.inner.fileno()])
    relay.start()
    relay.trouble = Trouble(loss=0.05)
    relay.inject(frame)                 # to the machine, as if it had come from the link

Invariants:
- Without trouble no frame is lost, and none overtakes another one: who sends waits.
- What becomes of the n-th frame of each way follows from the seed; when it comes doesn't.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import random
import selectors
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from tests.network.peers.wire import Tap

#: no frame is longer
MOST = 65_536
TO_MACHINE, FROM_MACHINE = 0, 1
#: of Ethernet, and of IP
IPV4, TCP = b"\x08\x00", 6


@dataclass(frozen=True)
class Trouble:
    """Shares are of frames, from 0 to 1. A frame that is late comes up to `late_by` seconds behind `delay`."""

    loss: float = 0.0
    twice: float = 0.0
    damaged: float = 0.0
    late: float = 0.0
    late_by: float = 0.02
    delay: float = 0.0


@dataclass
class Counts:
    passed: int = 0
    lost: int = 0
    twice: int = 0
    damaged: int = 0
    late: int = 0


@dataclass
class Relay:
    tap: Tap
    seed: int = 1
    trouble: Trouble = Trouble()
    injected: int = 0
    #: the latest segments of TCP that went to the machine
    seen: deque[bytes] = field(default_factory=lambda: deque(maxlen=64))
    counts: tuple[Counts, Counts] = field(default_factory=lambda: (Counts(), Counts()))

    def __post_init__(self) -> None:
        self.outer, self.inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for each in (self.outer, self.inner):
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                each.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
        self._wake, self._woken = os.pipe()[::-1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._random = tuple(random.Random(self.seed * 2 + way) for way in (TO_MACHINE, FROM_MACHINE))
        self._waiting: list[tuple[float, int, int, bytes]] = []
        self._number = 0
        self._stopping = False
        self._failed: Exception | None = None

    def arguments(self, bus: str) -> list[str]:
        """Of QEMU, which inherits `inner`."""
        number = self.inner.fileno()
        link = f"dgram,id=link,local.type=fd,local.str={number}"
        return ["-netdev", link, "-device", f"virtio-net-device,bus={bus},netdev=link"]

    def start(self) -> None:
        """QEMU has its end by now."""
        self.inner.close()
        self._thread.start()

    def inject(self, frame: bytes) -> None:
        """Waits while the machine takes nothing. OSError: there is no machine any more."""
        self.outer.send(frame)
        self.injected += 1

    def stop(self) -> None:
        self._stopping = True
        os.write(self._wake, b"!")
        # Who sends is in the middle of it as long as the machine takes nothing: that has ended by now.
        self._thread.join()
        self.outer.close()
        os.close(self._wake)
        os.close(self._woken)
        if self._failed is not None:
            raise self._failed

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                os.set_blocking(self.tap.file, False)
                selector.register(self.tap.file, selectors.EVENT_READ, TO_MACHINE)
                selector.register(self.outer, selectors.EVENT_READ, FROM_MACHINE)
                selector.register(self._woken, selectors.EVENT_READ)
                while not self._stopping:
                    for key, _ in selector.select(self._rest()):
                        if key.data is not None:
                            self._take(key.data)
                    self._hand_over()
        except ConnectionError:
            # QEMU has ended.
            pass
        except Exception as error:  # noqa: BLE001 - whoever stops it is told
            self._failed = error

    def _rest(self) -> float | None:
        return max(self._waiting[0][0] - time.monotonic(), 0) if self._waiting else None

    def _take(self, way: int) -> None:
        """What has come from one end, up to so many frames: then it is the other one's turn."""
        for _ in range(64):
            try:
                frame = (
                    os.read(self.tap.file, MOST) if way == TO_MACHINE else self.outer.recv(MOST, socket.MSG_DONTWAIT)
                )
            except BlockingIOError:
                return
            if way == TO_MACHINE and frame[12:14] == IPV4 and frame[23] == TCP:
                self.seen.append(frame)
            self._pass(way, frame)

    def _pass(self, way: int, frame: bytes) -> None:
        trouble, counts = self.trouble, self.counts[way]
        if trouble == Trouble():
            counts.passed += 1
            if not self._waiting:
                self._give(way, frame)
            else:
                # Behind those that trouble has held up.
                self._wait(way, frame, max(self._waiting)[0])
            return
        chance = self._random[way]
        lost, twice, damaged, late = (chance.random() for _ in range(4))
        place, bit, by = chance.random(), chance.randrange(8), chance.random()
        if lost < trouble.loss:
            counts.lost += 1
            return
        if damaged < trouble.damaged:
            counts.damaged += 1
            at = int(place * len(frame))
            frame = frame[:at] + bytes([frame[at] ^ 1 << bit]) + frame[at + 1 :]
        counts.passed += 1
        when = time.monotonic() + trouble.delay
        if late < trouble.late:
            counts.late += 1
            when += by * trouble.late_by
        self._wait(way, frame, when)
        if twice < trouble.twice:
            counts.twice += 1
            self._wait(way, frame, when + by * trouble.late_by)

    def _wait(self, way: int, frame: bytes, until: float) -> None:
        self._number += 1
        heapq.heappush(self._waiting, (until, self._number, way, frame))

    def _hand_over(self) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            _, _, way, frame = heapq.heappop(self._waiting)
            self._give(way, frame)

    def _give(self, way: int, frame: bytes) -> None:
        if way == TO_MACHINE:
            self.outer.send(frame)
        else:
            # A frame that Linux doesn't take (it is too short, say) has gone nowhere.
            with contextlib.suppress(OSError):
                os.write(self.tap.file, frame)
