"""How much may be in flight: NewReno (RFC 5681, 6582) and CUBIC (RFC 9438).

A connection tells what happens: `begin`, `acknowledged`, `lost`, `timed_out`, `idle`. It asks for `window`, in bytes.

CUBIC in integers: time in milliseconds, windows in bytes; W_cubic(t) = C (t - K)^3 + W_max with C = 0.4 segments a
second cubed, K = cbrt((W_max - cwnd_epoch) / C).
"""

from __future__ import annotations

from enum import Enum

from neokernel.lang import ensures, struct, u32, u64
from neokernel.services.network.clock import MILLISECOND, NEVER

#: no window is larger: what window scaling can say (RFC 7323, 2.3)
MOST_WINDOW: u32 = 1 << 30
#: a thousandth of a segment a millisecond cubed is this many times C
CUBIC_MOST_TIME: u64 = 1 << 18


class Algorithm(Enum):
    NEW_RENO = 0
    CUBIC = 1


@struct
class Congestion:
    algorithm: Algorithm = Algorithm.CUBIC
    mss: u32 = 536
    window: u32 = 4 * 536
    threshold: u32 = MOST_WINDOW
    #: bytes acknowledged since the window grew last (RFC 3465)
    counted: u32 = 0
    #: CUBIC: when this epoch began, NEVER before its first acknowledgement; W_max; K; what NewReno would have, W_est
    epoch: u64 = NEVER
    highest: u32 = 0
    rise: u64 = 0
    origin: u32 = 0
    estimate: u32 = 0
    before_loss: u32 = 0
    #: segments that the window grows by at most, in slow start, for each acknowledgement
    step: u32 = 2

    def begin(self, mss: u32) -> None:
        """RFC 6928, 2: ten segments, as a rule."""
        self.mss = mss
        self.window = self.initial()
        self.threshold = MOST_WINDOW
        self.counted, self.epoch, self.highest, self.before_loss = 0, NEVER, 0, 0
        self.step = 2

    def initial(self) -> u32:
        return min(10 * self.mss, max(2 * self.mss, 14_600))

    def shrink_segments(self, mss: u32) -> None:
        """The path has got narrower."""
        self.mss = mss
        self.window = max(self.window, mss)

    def acknowledged(self, count: u32, acks: u32, round_trip: u64, now: u64) -> None:
        """Bytes were acknowledged, by so many segments, not in recovery, while the window was what held the sender."""
        if self.window < self.threshold:
            # Slow start; two segments at most each, as an acknowledgement may be for two (RFC 3465, 2.2). After a
            # timeout it may be for what was sent long ago: then one (2.3).
            self.window = min(self.window + min(count, min(acks, 0xFFFF) * self.step * self.mss), MOST_WINDOW)
            return
        match self.algorithm:
            case Algorithm.NEW_RENO:
                self.counted += min(count, self.window)
                if self.counted >= self.window:
                    self.counted -= self.window
                    self.window = min(self.window + self.mss, MOST_WINDOW)
            case Algorithm.CUBIC:
                self.avoid_cubic(count, round_trip, now)

    def lost(self, flight: u32, now: u64) -> None:
        """A segment was lost, for the first time in a window."""
        self.reduce(flight)
        self.window, self.step = self.threshold, 2

    def timed_out(self, flight: u32) -> None:
        """All that was sent is taken for lost (RFC 5681, 3.1); only the first of several in a row reduces."""
        self.reduce(flight)
        self.restart_from_nothing()

    def restart_from_nothing(self) -> None:
        self.window, self.step = self.mss, 1
        self.counted, self.epoch = 0, NEVER

    def idle(self) -> None:
        """Nothing was sent for longer than the timeout (RFC 5681, 4.1)."""
        self.window = min(self.window, self.initial())
        self.epoch, self.step = NEVER, 2

    # --- inside -------------------------------------------------------------------------------------------------------

    def reduce(self, flight: u32) -> None:
        ensures(lambda: self.threshold >= 2 * self.mss)
        self.counted, self.epoch = 0, NEVER
        match self.algorithm:
            case Algorithm.NEW_RENO:
                self.threshold = max(flight // 2, 2 * self.mss)
            case Algorithm.CUBIC:
                # Fast convergence (4.7): who loses below its former peak makes room.
                self.before_loss = self.window
                lower = self.window < self.highest
                self.highest = u32(u64(self.window) * 17 // 20) if lower else self.window
                self.threshold = max(u32(u64(min(flight, self.window)) * 7 // 10), 2 * self.mss)

    def avoid_cubic(self, count: u32, round_trip: u64, now: u64) -> None:
        """Sections 4.2 to 4.5."""
        if self.epoch == NEVER:
            self.epoch = now
            self.origin = self.window
            self.estimate = self.window
            if self.window < self.highest:
                # In milliseconds: the cube root of segments / 0.4 * 10**9.
                self.rise = cube_root(u64(self.highest - self.window) * 2_500_000_000 // u64(self.mss))
            else:
                self.rise, self.highest = 0, self.window
        elapsed = (now - self.epoch + round_trip) // MILLISECOND if now > self.epoch else round_trip // MILLISECOND
        target = min(max(self.cubic(min(elapsed, CUBIC_MOST_TIME)), self.window), self.window + self.window // 2)
        # W_est (4.3): alpha is 3 (1 - beta) / (1 + beta) = 9 / 17, until the window before the loss is reached.
        share = u64(min(count, self.window)) * u64(self.mss)
        grown = share // u64(self.window) if self.estimate >= self.before_loss else share * 9 // 17 // u64(self.window)
        self.estimate = min(self.estimate + u32(grown), MOST_WINDOW)
        bytes_more = u64(target - self.window) * u64(min(count, self.window)) // u64(self.window)
        self.window = min(max(self.window + u32(bytes_more), self.estimate), MOST_WINDOW)

    def cubic(self, elapsed: u64) -> u32:
        """W_cubic, `elapsed` milliseconds into the epoch."""
        distance = elapsed - self.rise if elapsed > self.rise else self.rise - elapsed
        away = distance * distance // 1_000 * distance // 1_000 * u64(self.mss) // 2_500
        if elapsed >= self.rise:
            return u32(min(u64(self.highest) + away, u64(MOST_WINDOW)))
        return u32(u64(self.highest) - away) if away < u64(self.highest) else 0


def cube_root(number: u64) -> u64:
    """The largest integer whose cube isn't larger. A bit a step, from the highest."""
    found: u64 = 0
    for bit in reversed(range(u32(0), 21)):
        more = found | u64(1) << bit
        if more * more * more <= number:
            found = more
    return found
