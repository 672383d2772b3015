"""The timer wheel: O(1) to insert and remove, exact to the tick.

A timer lies at the level of the highest 6 bits in which its expiry differs from `wheel.now`. When time reaches a
bucket, its timers are taken out one by one: each has expired, or goes to a lower level, so it moves at most once per
level. Until the bucket is empty, `spreading` says which it is, and no later one is looked at.

Invariants: those of `Wheel`; `earliest` isn't later than any timer's expiry.
"""

from neokernel.abi.call import NEVER
from neokernel.kernel.objects import WHEEL_LEVELS, Timer, Wheel
from neokernel.lang import count_leading_zeros, count_trailing_zeros, requires, saturating_add, u16, u64


def insert(wheel: Wheel, timer: Timer, expiry: u64) -> None:
    """Arm `timer`, which isn't armed. An expiry that has passed ends at the next tick."""
    expiry = max(expiry, saturating_add(wheel.now, 1))
    timer.expiry = expiry
    level = u64(63 - count_leading_zeros((expiry ^ wheel.now) | 1)) // 6
    bit = (expiry >> (6 * level)) & 63
    bucket = 64 * level + bit
    first = wheel.buckets[bucket]
    timer.next = first
    timer.previous = None
    if first is not None:
        first.previous = timer
    wheel.buckets[bucket] = timer
    wheel.used[level] |= u64(1) << bit
    timer.bucket = u16(bucket)
    timer.armed = True
    wheel.earliest = min(wheel.earliest, expiry)


def remove(wheel: Wheel, timer: Timer) -> None:
    """Disarm `timer`, if it is armed."""
    if not timer.armed:
        return
    timer.armed = False
    before = timer.previous
    after = timer.next
    if after is not None:
        after.previous = before
    if before is not None:
        before.next = after
        return
    bucket = u64(timer.bucket)
    wheel.buckets[bucket] = after
    if after is None:
        wheel.used[bucket // 64] &= ~(u64(1) << (bucket % 64))


def first_bucket(wheel: Wheel) -> u64:
    """The first bucket in use, NEVER if there is none."""
    for level in range(WHEEL_LEVELS):
        used = wheel.used[level]
        if used != 0:
            return 64 * level + u64(count_trailing_zeros(used))
    return NEVER


def beginning(wheel: Wheel, bucket: u64) -> u64:
    """The time at which a bucket begins: above its level, the bits are those of `now`."""
    requires(bucket < 64 * (WHEEL_LEVELS - 1) + 16)
    shift = 6 * (bucket // 64)
    above = u64(0) if shift + 6 >= 64 else (wheel.now >> (shift + 6)) << (shift + 6)
    return above | ((bucket % 64) << shift)


def take_expired(wheel: Wheel, now: u64) -> Timer | None:
    """One step towards `now`: gives a timer that has expired, disarmed; None if one was moved, or a bucket begins.

    There is nothing left to do when `wheel.earliest` is later than `now`.
    """
    if wheel.spreading != 0:
        timer = wheel.buckets[u64(wheel.spreading) - 1]
        if timer is not None:
            remove(wheel, timer)
            if timer.expiry <= now:
                return timer
            insert(wheel, timer, timer.expiry)
            return None
        wheel.spreading = 0
    bucket = first_bucket(wheel)
    if bucket == NEVER:
        wheel.earliest = NEVER
        return None
    event = beginning(wheel, bucket)
    wheel.earliest = event
    if event <= now:
        wheel.now = event
        wheel.spreading = u16(bucket) + 1
    return None
