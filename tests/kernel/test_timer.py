"""The timer wheel against a list: what expires, when, and that the wheel's own account of it agrees."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neokernel.abi.call import NEVER
from neokernel.kernel import timer
from neokernel.kernel.objects import Timer, Wheel
from neokernel.lang import u64
from tests.kernel.invariants import check_wheel

LAST = (1 << 64) - 1

#: near, at the edges of levels, far
delays = st.one_of(
    st.integers(0, 200),
    st.builds(lambda level, more: (1 << 6 * level) + more - 3, st.integers(1, 10), st.integers(0, 6)),
    st.integers(0, 1 << 40),
)
#: insert after a delay, remove the nth, let time pass
actions = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), delays),
        st.tuples(st.just("remove"), st.integers(0, 20)),
        st.tuples(st.just("pass"), delays),
    ),
    max_size=60,
)


def expire(wheel: Wheel, now: int) -> list[Timer]:
    """As the kernel does it, without a limit: what expires by `now`."""
    found = []
    rounds = 0
    while wheel.earliest <= now:
        rounds += 1
        assert rounds < 5000, "the wheel never says that it is done"
        expired = timer.take_expired(wheel, u64(now))
        if expired is not None:
            assert not expired.armed and expired.expiry <= now
            found.append(expired)
    return found


def wheel_at(now: int) -> Wheel:
    return Wheel(now=u64(now), earliest=u64(NEVER))


@given(st.integers(0, 1 << 50), actions)
@example(0, [("insert", 64 + 5), ("insert", 64 + 2), ("pass", 64 + 3)])
@example(0, [("insert", 4096 + 70), ("insert", 4096 + 65), ("insert", 4096 + 3), ("pass", 4096 + 66)])
@example(0, [("insert", 9), ("insert", 9), ("remove", 0), ("insert", 5), ("remove", 1)])
def test_timers_expire_when_they_are_due(start: int, steps: list[tuple[str, int]]) -> None:
    """And are armed again, as they were left."""
    wheel, now = wheel_at(start), start
    armed: list[Timer] = []
    left: list[Timer] = []
    for action, number in steps:
        if action == "insert":
            made = left.pop() if left else Timer()
            timer.insert(wheel, made, u64(now + number))
            assert made.expiry == max(now + number, wheel.now + 1)
            armed.append(made)
        elif action == "remove":
            if number < len(armed):
                timer.remove(wheel, armed[number])
                timer.remove(wheel, armed[number])
                left.append(armed.pop(number))
        else:
            now += number
            due = [each for each in armed if each.expiry <= now]
            expired = expire(wheel, now)
            assert {id(each) for each in expired} == {id(each) for each in due}
            armed = [each for each in armed if each.expiry > now]
            left += expired
        assert {id(each) for each in armed} == {id(each) for each in check_wheel(wheel)}


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=30), st.integers(0, 5000))
def test_time_may_stop_between_any_two_steps(expiries: list[int], now: int) -> None:
    """An interrupt handles a few timers at most: what is left over expires later, and nothing before its time."""
    wheel = wheel_at(0)
    for expiry in expiries:
        timer.insert(wheel, Timer(), u64(expiry))
    expired = []
    for time in range(now, 10_001, 500):
        for _ in range(3):
            if wheel.earliest <= time and (found := timer.take_expired(wheel, u64(time))) is not None:
                assert found.expiry <= time
                expired.append(int(found.expiry))
        check_wheel(wheel)
    expired += [int(each.expiry) for each in expire(wheel, 20_000)]
    assert sorted(expired) == sorted(expiries)


def test_an_empty_wheel_never_expires() -> None:
    wheel = wheel_at(5)
    assert timer.take_expired(wheel, u64(LAST - 1)) is None
    assert wheel.earliest == NEVER and wheel.now == 5


def test_a_time_that_has_passed_is_the_next_tick() -> None:
    wheel, late = wheel_at(100), Timer()
    timer.insert(wheel, late, u64(7))
    assert late.expiry == 101 and expire(wheel, 100) == [] and expire(wheel, 101) == [late]


@pytest.mark.parametrize("expiry", [LAST - 1, LAST])
def test_the_last_ticks(expiry: int) -> None:
    wheel, late = wheel_at(1), Timer()
    timer.insert(wheel, late, u64(expiry))
    assert check_wheel(wheel) == [late]
    assert expire(wheel, expiry - 1) == [] and check_wheel(wheel) == [late]
