"""Timers, specified: when what is armed expires.

Each function is a statement about all arguments and all states that its `requires` allow. `nk prove` proves it, and
tests run it. An `other` is any timer that isn't named: what is said of it, is said of all others.
"""

from neokernel.kernel.objects import Timer, Wheel
from neokernel.kernel.timer import beginning, insert, remove, take_expired
from neokernel.lang import requires, saturating_add, u64


def is_armed(timer: Timer) -> bool:
    return timer.armed


def what_is_armed_is_in_its_bucket(wheel: Wheel, timer: Timer, expiry: u64, other: Timer) -> None:
    """The first there, in a bucket that is marked as used, and that doesn't begin after it expires: at the time that
    was asked for, or the next tick if that has passed."""
    requires(other is not timer and other.next is not timer and not is_armed(timer))
    armed, when = is_armed(other), other.expiry
    before = wheel.earliest
    insert(wheel, timer, expiry)
    bucket = u64(timer.bucket)
    assert is_armed(timer) and timer.expiry == max(expiry, saturating_add(wheel.now, 1))
    following = timer.next
    assert wheel.buckets[bucket] is timer and (following is None or following.previous is timer)
    assert wheel.used[bucket // 64] & (u64(1) << (bucket % 64)) != 0
    assert wheel.earliest == min(before, timer.expiry) and beginning(wheel, bucket) <= timer.expiry
    assert is_armed(other) == armed and other.expiry == when


def what_is_disarmed_is_in_no_bucket(wheel: Wheel, timer: Timer, other: Timer) -> None:
    """Its neighbours are next to each other; what isn't armed stays so."""
    requires(timer.next is not timer and timer.previous is not timer)
    requires(timer.next is None or timer.next is not timer.previous)
    requires(other is not timer and other is not timer.next and other is not timer.previous)
    was, previous, following, bucket = is_armed(timer), timer.previous, timer.next, u64(timer.bucket)
    before, after, first = other.previous, other.next, wheel.buckets[bucket]
    remove(wheel, timer)
    assert not is_armed(timer) and other.previous is before and other.next is after
    if was and previous is not None:
        assert previous.next is following and wheel.buckets[bucket] is first
    elif was:
        assert wheel.buckets[bucket] is following
        assert following is not None or wheel.used[bucket // 64] & (u64(1) << (bucket % 64)) == 0
    if was and following is not None:
        assert following.previous is previous
    assert was or wheel.buckets[bucket] is first


def what_has_expired_is_disarmed(wheel: Wheel, now: u64) -> None:
    """A step towards `now` goes no further, and gives only what has expired by then."""
    requires(wheel.now <= now)
    before = wheel.now
    expired = take_expired(wheel, now)
    assert wheel.now <= now
    if expired is not None:
        assert not is_armed(expired) and expired.expiry <= now and wheel.now == before
