"""The parts of TCP that can be understood by themselves, each against a plain model."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel.lang import byte_span, u8, u16, u32, u64, usize
from neokernel.runtime.hashing import Seed, SipHash
from neokernel.services.network import assembler, congestion, scoreboard
from neokernel.services.network.address import Address, Endpoint, Flow
from neokernel.services.network.assembler import Assembler
from neokernel.services.network.buffers import Region
from neokernel.services.network.circle import Circle
from neokernel.services.network.clock import MINUTE, NEVER, SECOND
from neokernel.services.network.congestion import Algorithm, Congestion, cube_root
from neokernel.services.network.limits import LEAST_TIMEOUT, MOST_TIMEOUT
from neokernel.services.network.line import Line
from neokernel.services.network.owed import Owed
from neokernel.services.network.round_trip import RoundTrip
from neokernel.services.network.scoreboard import Scoreboard
from neokernel.services.network.secret import SIZES, Secret, absorb, finish
from neokernel.services.network.segment import NO_SCALE, Segment
from neokernel.services.network.sequence import Range
from neokernel.services.network.timers import Timers
from tests.network.packets import internet_checksum

#: sequence numbers of the models begin here, so that they wrap
BASE = 2**32 - 40


def number(byte: int) -> u32:
    return u32((BASE + byte) % 2**32)


def span_of(left: int, right: int) -> Range:
    return Range(number(left), number(right))


def bytes_of(ranges: Any) -> set[int]:
    """The bytes in ranges, which must be apart and not empty."""
    found: set[int] = set()
    for known in ranges:
        left, size = (int(known.left) - BASE) % 2**32, int(known.size())
        fresh = set(range(left, left + size))
        assert fresh and not found & fresh
        found |= fresh
    edges = {(int(known.left) - BASE) % 2**32 for known in ranges}
    assert not any((int(known.right) - BASE) % 2**32 in edges for known in ranges), "adjacent ones are one"
    return found


# --- lists, heaps, buffers --------------------------------------------------------------------------------------------


@given(st.lists(st.one_of(st.integers(0, 9), st.none()), max_size=40))
def test_a_line(commands: list[int | None]) -> None:
    line, model = Line(), list[int]()
    for command in commands:
        if command is None:
            assert line.pop() == (model.pop(0) if model else None)
        else:
            line.push(u32(command))
            if command not in model:
                model.append(command)
        assert len(line) == len(model) and all((slot in line) == (slot in model) for slot in map(u32, range(10)))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 50)), max_size=60))
def test_timers_are_a_heap(commands: list[tuple[int, int]]) -> None:
    timers: Any = Timers()
    model: dict[int, int] = {}
    for slot, time in commands:
        if time < 8:
            timers.remove(u32(slot))
            model.pop(slot, None)
        elif time > 45:
            found = timers.due(u64(30))
            due = [known for known, when in model.items() if when <= 30]
            assert (found is None) == (not due)
            if found is not None:
                earliest = min(model.values())
                assert model.pop(int(found)) == earliest
        else:
            timers.no_later(u32(slot), u64(time))
            model[slot] = min(time, model.get(slot, time))
        assert timers.next() == min(model.values(), default=NEVER)
    order = []
    while (slot := timers.due(u64(1000))) is not None:
        order.append(model.pop(int(slot)))
    assert not model and order == sorted(order)


@given(st.lists(st.tuples(st.integers(0, 16), st.integers(0, 16)), max_size=30))
def test_a_circle(rounds: list[tuple[int, int]]) -> None:
    memory = bytearray(16)
    circle: Any = Circle()
    circle.attach(byte_span(memory))
    model, fresh = bytearray(), 0
    for put, take in rounds:
        put = min(put, 16 - len(model))
        data = bytes((fresh + index) % 256 for index in range(put))
        fresh += put
        circle.write(u32(len(model)), byte_span(bytearray(data)))
        model += data
        take = min(take, len(model))
        into = bytearray(len(model) - take)
        circle.read(u32(take), byte_span(into))
        assert into == model[take:]
        circle.advance(u32(take))
        del model[:take]


@given(st.integers(0, 199), st.integers(0, 200), st.integers(0, 16), st.randoms(use_true_random=False))
def test_a_circle_sums_what_it_copies(first: int, count: int, lead: int, chance: Any) -> None:
    """Wherever it lies, in one piece or two, alike or askew: the same bytes, and their sum."""
    memory, data = bytearray(200), chance.randbytes(count)
    circle: Any = Circle()
    circle.attach(byte_span(memory))
    circle.advance(u32(first))
    expected = {0xFFFF - internet_checksum(data)}
    expected |= {0, 0xFFFF} if expected & {0, 0xFFFF} else set()
    assert int(circle.write_summed(u32(0), byte_span(bytearray(data)), usize(lead))) in expected
    into = bytearray(count)
    assert int(circle.read_summed(u32(0), byte_span(into), usize(lead))) in expected
    assert into == data and (memory * 2)[first : first + count] == data


def test_pairs_of_buffers() -> None:
    memory = bytearray(8 * 300)
    region: Any = Region()
    assert region.take() is None
    region.attach(byte_span(memory), usize(4))
    assert region.pairs == 300
    pairs = [region.take() for _ in range(300)]
    assert sorted(map(int, pairs)) == list(range(300)) and region.take() is None
    for pair in pairs:
        for second in (False, True):
            part = region.part(pair, second)
            assert len(part) == 4
            for index in range(4):
                assert part[usize(index)] == 0, "no byte is in two of them"
                part[usize(index)] = u8(1)
    region.give_back(u32(130))
    assert region.take() == 130 and region.taken == 300


# --- what has come, here and there ------------------------------------------------------------------------------------

PARTS = st.tuples(st.integers(1, 80), st.integers(1, 20))


@given(st.lists(PARTS, max_size=25))
def test_the_assembler(parts: list[tuple[int, int]]) -> None:
    beyond: Any = Assembler()
    model: set[int] = set()
    for left, size in parts:
        assert beyond.add(span_of(left, left + size))
        model |= set(range(left, left + size))
        ranges = list(beyond.ranges[: beyond.count])
        assert bytes_of(ranges) == model
        assert ranges[0].holds(number(left)), "the latest first (RFC 2018, 4)"
    for reached in range(110):
        if reached in model or reached % 7 == 0:
            expected = reached
            while expected in model:
                expected += 1
            assert beyond.take(number(reached)) == number(expected)
            model = {byte for byte in model if byte > expected}
            assert bytes_of(beyond.ranges[: beyond.count]) == model


def test_the_assembler_is_bounded() -> None:
    beyond: Any = Assembler()
    for gap in range(int(assembler.MOST)):
        assert beyond.add(span_of(10 * gap + 1, 10 * gap + 2))
    assert not beyond.add(span_of(501, 502)), "that would be one more"
    assert beyond.add(span_of(2, 12)) and beyond.count == assembler.MOST - 1


class Board:
    """RFC 6675, byte by byte."""

    def __init__(self, nxt: int) -> None:
        self.sacked: set[int] = set()
        self.nxt = nxt

    def runs(self) -> list[range]:
        found: list[range] = []
        for byte in sorted(self.sacked):
            if found and found[-1].stop == byte:
                found[-1] = range(found[-1].start, byte + 1)
            else:
                found.append(range(byte, byte + 1))
        return found

    def is_lost(self, byte: int, mss: int) -> bool:
        above = [run for run in self.runs() if run.start > byte]
        return len(above) >= 3 or sum(map(len, above)) > 2 * mss

    def pipe(self, una: int, retransmitted: int, mss: int) -> int:
        total = 0
        for byte in range(una, self.nxt):
            if byte not in self.sacked:
                total += (not self.is_lost(byte, mss)) + (byte < retransmitted)
        return total

    def next_lost(self, una: int, retransmitted: int, mss: int, only_lost: bool) -> int | None:
        for byte in range(max(una, retransmitted), max(self.sacked, default=0)):
            if byte not in self.sacked:
                return byte if not only_lost or self.is_lost(byte, mss) else None
        return None


@settings(max_examples=150)
@given(st.lists(PARTS, max_size=12), st.integers(0, 30), st.integers(0, 60), st.integers(1, 15))
def test_the_scoreboard(parts: list[tuple[int, int]], una: int, more: int, mss: int) -> None:
    board: Any = Scoreboard()
    model = Board(nxt=120)
    for left, size in parts:
        fresh = set(range(left, left + size))
        assert board.add(span_of(left, left + size)) == (not fresh <= model.sacked)
        model.sacked |= fresh
        assert bytes_of(board.ranges[: board.count]) == model.sacked
    while una in model.sacked:
        una += 1
    board.acknowledge(number(una))
    model.sacked = {byte for byte in model.sacked if byte >= una}
    assert bytes_of(board.ranges[: board.count]) == model.sacked
    retransmitted = una + more
    where = number(una), number(retransmitted), u32(mss)
    assert board.pipe(number(una), number(120), *where[1:]) == model.pipe(una, retransmitted, mss)
    assert board.first_is_lost(u32(mss)) == model.is_lost(una, mss)
    for only_lost in (True, False):
        found, expected = board.next_lost(*where, only_lost), model.next_lost(una, retransmitted, mss, only_lost)
        assert (found is None) == (expected is None) and (expected is None or found.left == number(expected))
    for byte in range(una, 120):
        after = next(later for later in range(byte, 200) if later not in model.sacked)
        assert board.skip(number(byte)) == number(after)
        if byte not in model.sacked:
            room = next((later - byte for later in range(byte, 120) if later in model.sacked), 99)
            assert board.room_from(number(byte), u32(40)) == min(40, room)
    below = sum(byte < retransmitted for byte in model.sacked)
    assert board.sacked_below(number(retransmitted)) == below


def test_the_scoreboard_is_bounded() -> None:
    board: Any = Scoreboard()
    for gap in range(int(scoreboard.MOST)):
        assert board.add(span_of(10 * gap + 1, 10 * gap + 2))
    assert not board.add(span_of(501, 502)) and board.count == scoreboard.MOST
    assert board.add(span_of(2, 500)) and board.count == 1


# --- times and windows ------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 3_000_000), min_size=1, max_size=20))
def test_rfc_6298s_formulas(samples: list[int]) -> None:
    trip: Any = RoundTrip()
    assert trip.timeout() == 1_000_000
    smoothed = variation = 0.0
    for count, sample in enumerate(samples):
        if count == 0:
            smoothed, variation = sample, sample / 2
        else:
            variation = 0.75 * variation + 0.25 * abs(smoothed - sample)
            smoothed = 0.875 * smoothed + 0.125 * sample
        trip.measured(u64(sample))
    wanted = min(max(smoothed + max(1000, 4 * variation), float(LEAST_TIMEOUT)), float(MOST_TIMEOUT))
    assert abs(int(trip.timeout()) - wanted) <= 200
    before, passed = int(trip.timeout()), 0
    for _ in range(40):
        trip.back_off()
        passed += before
        before = min(2 * before, int(MOST_TIMEOUT))
        assert trip.timeout() == before
        assert trip.waited() == passed or before == int(MOST_TIMEOUT)


@given(st.integers(0, 2**63 - 1))
def test_cube_roots(cubed: int) -> None:
    root = int(cube_root(u64(cubed)))
    assert root**3 <= cubed and ((root + 1) ** 3 > cubed or root == 2**21 - 1)


def rounds(algorithm: Algorithm, windows: int, loss_at: int, mss: int = 1000, trip: int = 100_000) -> list[int]:
    """The window after each round trip in which all of it was acknowledged; one loss."""
    control: Any = Congestion(algorithm=algorithm)
    control.begin(u32(mss))
    now, found = 0, []
    for turn in range(windows):
        if turn == loss_at:
            control.lost(control.window, u64(now))
        flight = int(control.window)
        for _ in range(flight // mss):
            now += trip // (flight // mss)
            control.acknowledged(u32(mss), u32(1), u64(trip), u64(now))
        found.append(int(control.window))
    return found


def test_slow_start_doubles() -> None:
    found = rounds(Algorithm.CUBIC, 5, 99)
    assert found == [20_000, 40_000, 80_000, 160_000, 320_000]


def test_after_a_timeout_slow_start_grows_by_one_segment_for_each_acknowledgement() -> None:
    """RFC 3465, 2.3: what is acknowledged may have been sent before it. Of a new start each may be for two."""
    control: Any = Congestion()
    control.begin(u32(1000))
    control.timed_out(u32(100_000))
    for acks, window in ((1, 2000), (2, 4000)):
        control.acknowledged(u32(50_000), u32(acks), u64(1), u64(1))
        assert control.window == window
    control.idle()
    control.acknowledged(u32(50_000), u32(1), u64(1), u64(1))
    assert control.window == 6000


def test_new_reno_halves_and_adds_a_segment_a_round_trip() -> None:
    found = rounds(Algorithm.NEW_RENO, 15, 4)
    assert found[3] == 160_000 and found[4] == 81_000
    assert all(right - left == 1000 for left, right in itertools.pairwise(found[4:]))


def test_cubic_follows_its_function() -> None:
    """Flat near the window of the loss, after K seconds; within a segment or two of RFC 9438's equation 1."""
    found = rounds(Algorithm.CUBIC, 140, 5)
    peak, start = found[4] / 1000, 0.7 * found[4] / 1000
    period = ((peak - start) / 0.4) ** (1 / 3)
    for turn in range(6, 140):
        seconds = 0.1 * (turn - 5)
        if seconds + 0.1 < 2 * period:
            early, late = (0.4 * (seconds + off - period) ** 3 + peak for off in (0, 0.3))
            assert early - 4 <= found[turn] / 1000 <= late + 4, turn
    assert found[139] > found[4]


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_windows_stay_within_bounds(algorithm: Algorithm) -> None:
    chance, now = random.Random(3), 0
    control: Any = Congestion(algorithm=algorithm)
    control.begin(u32(1460))
    for _ in range(4000):
        now += chance.choice([0, 10, 10_000, 10**9, 10**13])
        match chance.randrange(40):
            case 0:
                control.lost(u32(chance.randrange(1, int(control.window) + 1)), u64(now))
            case 1:
                control.timed_out(u32(chance.randrange(1, int(control.window) + 1)))
            case 2:
                control.idle()
            case _:
                control.acknowledged(
                    u32(chance.randrange(1, 2**30)),
                    u32(chance.randrange(1, 2**32)),
                    u64(chance.randrange(60_000_000)),
                    u64(now),
                )
        assert 1460 <= control.window <= congestion.MOST_WINDOW and control.threshold >= 2920


# --- secrets ----------------------------------------------------------------------------------------------------------

FLOW = Flow(Endpoint(Address(u32(0x0A00020F)), u16(80)), Endpoint(Address(u32(0x0A000202)), u16(40000)))
OTHER = Flow(Endpoint(Address(u32(0x0A00020F)), u16(80)), Endpoint(Address(u32(0x0A000202)), u16(40001)))


def test_siphash_2_4() -> None:
    """The paper's key, and messages 00 01 02 … of 0, 8 and 16 bytes: the authors' vectors."""
    state: Any = SipHash.start(Seed(u64(0x0706050403020100), u64(0x0F0E0D0C0B0A0908)))
    assert finish(state) == 0x726FDB47DD0E0E31
    state = absorb(state, u64(0x0706050403020100))
    assert finish(state) == 0x93F5F5799A932462
    assert finish(absorb(state, u64(0x0F0E0D0C0B0A0908))) == 0x3F2ACC7F57C29BDB


def test_initial_sequence_numbers() -> None:
    secret: Any = Secret(key=Seed(u64(1), u64(2)))
    first = secret.sequence(FLOW, u64(1000))
    assert secret.sequence(FLOW, u64(5000)) == (int(first) + 1000) % 2**32, "a clock for each"
    assert secret.sequence(OTHER, u64(1000)) != first
    assert Secret(key=Seed(u64(1), u64(3))).sequence(FLOW, u64(1000)) != first
    assert secret.time_offset(FLOW) != secret.time_offset(OTHER)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 0xFFFF),
    st.sampled_from([None, *range(15)]),
    st.booleans(),
    st.integers(0, 2**40),
    st.integers(0, 40),
)
def test_cookies(peer: int, mss: int, scale: int | None, sack: bool, now: int, minutes: int) -> None:
    secret: Any = Secret(key=Seed(u64(1), u64(2)))
    syn, ack = Segment(), Segment()
    syn.sequence, syn.mss, syn.sack_permitted = u32(peer), u16(mss), sack
    if scale is not None:
        syn.scale = u8(scale)
    cookie = int(secret.cookie(FLOW, syn, u64(now)))

    def brought(flow: Flow, number: int, first: int) -> Any:
        ack.sequence, ack.acknowledgment = u32((first + 1) % 2**32), u32((number + 1) % 2**32)
        return secret.check(flow, ack, u64(now + minutes * int(MINUTE)))

    found = brought(FLOW, cookie, peer)
    assert (found is not None) == (minutes <= 2)
    if found is not None:
        assert found.mss == max((int(size) for size in SIZES if int(size) <= (mss or 536)), default=216)
        assert (found.scale, found.sack) == (NO_SCALE if scale is None else scale, sack)
        assert brought(OTHER, cookie, peer) is None
        # Nor with numbers that are further on, by any more on either side, or by the same on both.
        assert brought(FLOW, cookie, peer + 100) is None and brought(FLOW, cookie + 100, peer) is None
        assert brought(FLOW, cookie + 100, peer + 100) is None


def test_whom_a_handshake_is_owed() -> None:
    """None is forgotten for half a minute, each after a minute, and of few others hardly one is taken for them."""
    owed: Any = Owed()
    chance = random.Random(1)
    now = 5 * int(SECOND)
    known: list[tuple[int, int]] = []
    for _ in range(300):
        now += chance.choice([0, int(SECOND), 7 * int(SECOND)])
        known = [(mark, since) for mark, since in known if now - since < 60 * SECOND]
        known.append((chance.getrandbits(64), now))
        owed.note(u64(known[-1][0]), u64(now))
        assert all(owed.has(u64(mark), u64(now)) for mark, since in known if now - since < 30 * SECOND)
    others = sum(bool(owed.has(u64(chance.getrandbits(64)), u64(now))) for _ in range(2_000))
    assert others <= 1
    later = u64(now + 60 * int(SECOND))
    assert not any(owed.has(u64(mark), later) for mark, _ in known)
