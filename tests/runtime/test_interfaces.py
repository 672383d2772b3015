"""Interfaces between processes: on the machine, and under CPython against an independent reading of the messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel import lang
from neokernel.abi import call
from neokernel.abi.description import FIRST_DECLARED, MAXIMUM_GRANTS
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE
from neokernel.abi.status import WORD, Status
from neokernel.lang.interfaces import declare, generate, model
from neokernel.runtime import interface, lend, system
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.sim.loopback import Loopback
from tests.support.nk import boot

PROGRAMS = Path(__file__).parent / "interfaces"
CALLS = lang.load_module(PROGRAMS / "calls.py", "calls")
STORE = lang.load_module(PROGRAMS.parent / "lending" / "store.py", "store")
#: the ends of a ring, which only functions of the language make
JOBS = lang.load_module(
    (PROGRAMS.parent / "posting" / "jobs.py")
    .read_text()
    .replace("import Given,", "import Posts, Takes, posts, takes, Given,")
    + """
def POSTER(memory: Lent) -> Posts[Jobs]:
    made: Posts[Jobs] = posts(memory, 0)
    return made

def TAKER(memory: Lent) -> Takes[Jobs]:
    made: Takes[Jobs] = takes(memory, 0)
    return made
""",
    "jobs",
)
LIMIT = 1 << 64


@pytest.mark.qemu
def test_on_the_machine() -> None:
    assert boot(PROGRAMS)[1:] == [
        "says: no version: WRONG_KIND of argument 1",
        "no method: UNKNOWN_OPERATION of argument 1",
        "too short: OUT_OF_RANGE of argument 1",
        "too long: OUT_OF_RANGE of argument 1",
        "capabilities: OUT_OF_RANGE of argument 1",
        "no member: OUT_OF_RANGE of argument 16",
        "no length: OUT_OF_RANGE of argument 17",
        "another length: OUT_OF_RANGE of argument 1",
        "not UTF-8: OUT_OF_RANGE of argument 17",
        "one too few: OUT_OF_RANGE of argument 1",
        "words, too: OUT_OF_RANGE of argument 1",
        "all answered",
    ]


@pytest.mark.qemu
def test_memory_is_lent_on_the_machine_and_outlives_its_server() -> None:
    assert boot(PROGRAMS.parent / "lending")[1:] == [
        "without a region: NO_BUFFER of argument 16",
        "beyond the region: OUT_OF_RANGE of argument 16",
        "another region: NO_BUFFER of argument 16",
        "no region: NO_BUFFER of argument 16",
        *["by hand: OUT_OF_RANGE of argument 16"] * 3,
        "crash: PEER_DIED of argument 0",
        f"again: {sum((7 + place) % 256 for place in range(300))}",
    ]


@pytest.mark.qemu
def test_messages_are_posted_and_taken_on_the_machine() -> None:
    printed = boot(PROGRAMS.parent / "posting")
    data = [place * 5 % 256 for place in range(64)]
    parts = [data[number % 10 : number % 10 + 20] for number in range(500)]
    results = [(max if number % 2 else sum)(part) + number % 100 for number, part in enumerate(parts)]
    assert printed[1:] == [
        f"500 jobs, {sum(results)} in all, {sum(result > 1000 for result in results)} large",
        "spoilt",
        "4 refused, 0 here; waited: True",
    ]


@pytest.mark.qemu
def test_200_000_random_messages_fail_no_check_of_a_dispatcher() -> None:
    """Compiled, with all checks: each message is served or refused, and the handler sees what its types have."""
    printed = boot(PROGRAMS.parent / "interfaces_fuzz")
    reached = [f"method {number} reached: True" for number in range(1, 6)]
    assert printed[1:] == [*reached, "refused: True, counted: True"]


def test_the_generator_knows_the_layouts_of_others() -> None:
    """Host code of the language can't import them."""
    assert (model.REGISTER_WORDS, model.MAXIMUM_WORDS) == (call.REGISTER_WORDS, call.MAXIMUM_WORDS)
    assert model.MAXIMUM_CAPABILITIES == call.MAXIMUM_CAPABILITIES
    assert (generate.LENGTH_SHIFT, generate.CAPABILITIES_SHIFT) == (call.LENGTH_SHIFT, call.CAPABILITIES_SHIFT)
    assert (generate.STATUS_SHIFT, 1 << generate.KERNEL_SHIFT) == (call.STATUS_SHIFT, call.SIGNALS_BIT)
    assert (declare.PAGE_SIZE, declare.MOST_LENT) == (PAGE_SIZE, lend.LARGE_SPACE)
    assert (declare.LARGE_SIZE, declare.MOST_LENT_IN_PAGES) == (LARGE_SIZE, lend.REGION_SPACE)
    assert interface.BUFFER_WORDS == call.MAXIMUM_WORDS - call.REGISTER_WORDS


# --- a client and a server under CPython ------------------------------------------------------------------------------


@dataclass
class Recorder:
    """A handler that keeps what it was called with, and gives what it is told to."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    result: Any = None
    filled: bytes = b""

    def __getattr__(self, name: str) -> Any:
        def method(*arguments: Any) -> Any:
            kept = [fill(item, self.filled) if isinstance(item, lang.Span) else plain(item) for item in arguments]
            self.calls.append((name, *kept))
            return self.result

        return method


def fill(span: Any, data: bytes) -> str:
    for place, byte in enumerate(data[: len(span)]):
        span[place] = lang.u8(byte)
    return f"{len(span)} bytes"


def plain(item: Any) -> Any:
    return bytes(item) if isinstance(item, lang.View) else item


@dataclass
class Pair:
    """A client's proxy, and what its server hears."""

    machine: Loopback
    client: Any
    server: Any
    proxy: Any
    heard: Recorder
    dispatcher: Any
    store: Any
    keeper: Any

    def serve(self, badge: int, word: int, *words: int) -> tuple[int, int, int, int, int]:
        asked = system.Message(badge, word, *words)
        answer = self.dispatcher.dispatch(self.heard, asked)
        return answer.word, answer.w0, answer.w1, answer.w2, answer.w3

    def keep(self, badge: int, word: int, *words: int) -> tuple[int, int, int, int, int]:
        answer = self.keeper.dispatch(self.heard, system.Message(badge, word, *words))
        return answer.word, answer.w0, answer.w1, answer.w2, answer.w3

    def call(self, word: int, *words: int) -> Any:
        """A message as no proxy sends it."""
        with self.machine.running(self.client):
            return system.call(8, word, *words)


@contextmanager
def connected() -> Iterator[Pair]:
    """A client and a server that have heard nothing yet; they are the same each time, as making them takes long."""
    pair = processes()
    pair.machine.party(pair.client).table.clear()
    pair.machine.party(pair.server).table.clear()
    pair.client.own_slots.begin(lang.u64(16), lang.u64(64))
    pair.heard = Recorder()
    with pair.machine:
        pair.machine.grant(pair.client, 8, pair.machine.endpoint(pair.server, pair.serve))
        system.window(pair.client.buffer, 0, 0)
        system.window(pair.server.buffer, 40, 2)
        yield pair


@pytest.fixture
def pair() -> Iterator[Pair]:
    with connected() as pair:
        yield pair


@cache
def processes() -> Pair:
    with Loopback() as machine:
        client, server = machine.process(Process), machine.process(Process)
    return Pair(
        machine,
        client,
        server,
        CALLS.Calls(8),
        Recorder(),
        CALLS._nki_server_Calls(8),
        STORE.Store(9),
        STORE._nki_server_Store(8),
    )


U64 = st.integers(0, LIMIT - 1)
LEVELS = st.sampled_from(list(CALLS.Level))
NEAR = st.sampled_from([0, 1, 2, 6, 7, 8, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63, LIMIT - 1]) | U64
PLACES = st.builds(CALLS.Place, st.integers(0, 65535), st.integers(-128, 127), LEVELS, st.booleans())
small = settings(max_examples=60, deadline=None)


@small
@given(
    a=U64, b=st.integers(0, 255), c=st.integers(-(2**63), 2**63 - 1), d=st.booleans(), e=LEVELS,
    f=st.integers(0, 2**32 - 1),
    result=st.integers(-(2**63), 2**63 - 1) | st.sampled_from(list(CALLS.Trouble))
    | st.builds(CALLS.Missing, st.integers(0, 2**32 - 1), st.integers(0, 255)),
)  # fmt: skip
def test_what_is_sent_arrives(a: int, b: int, c: int, d: bool, e: Any, f: int, result: Any) -> None:
    with connected() as pair:
        pair.heard.result = lang.i64(result) if isinstance(result, int) else result
        with pair.machine.running(pair.client):
            found = pair.proxy.many(a, b, c, d, e, f)
        assert pair.heard.calls == [("many", a, b, c, d, e, f)]
        assert type(found) is type(pair.heard.result)
        assert found == pair.heard.result


@small
@given(place=PLACES, by=st.integers(-128, 127), result=PLACES | st.sampled_from(list(CALLS.Trouble)))
def test_values_arrive(place: Any, by: int, result: Any) -> None:
    with connected() as pair:
        pair.heard.result = result
        with pair.machine.running(pair.client):
            assert pair.proxy.moved(place, by) == result
        assert pair.heard.calls == [("moved", place, by)]


@small
@given(left=st.binary(max_size=140), number=U64, right=st.binary(max_size=12))
def test_bytes_arrive_up_to_their_bounds(left: bytes, number: int, right: bytes) -> None:
    with connected() as pair:
        pair.heard.result = lang.u64(7)
        with pair.machine.running(pair.client):
            found = pair.proxy.join(lang.byte_view(left), number, lang.byte_view(right))
        if len(left) > 128 or len(right) > 9:
            place = 0 if len(left) > 128 else 2
            assert found == Failure(Status.OUT_OF_RANGE, interface.FIRST_PARAMETER + place)
            assert pair.heard.calls == []
        else:
            assert (found, pair.heard.calls) == (7, [("join", left, number, right)])


@small
@given(text=st.text(max_size=64), level=LEVELS)
def test_text_arrives(text: str, level: Any) -> None:
    with connected() as pair:
        pair.heard.result = lang.u32(9)
        with pair.machine.running(pair.client):
            found = pair.proxy.write(level, text)
        if len(text.encode()) > 64:
            assert found == Failure(Status.OUT_OF_RANGE, interface.FIRST_PARAMETER + 1)
        else:
            assert (found, pair.heard.calls) == (9, [("write", level, text)])


@small
@given(size=st.integers(0, 70), data=st.binary(max_size=64), result=st.integers(0, 64) | st.just(None))
def test_what_is_filled_comes_back(size: int, data: bytes, result: int | None) -> None:
    with connected() as pair:
        pair.heard.result = CALLS.Trouble.FULL if result is None else lang.usize(result)
        pair.heard.filled = data
        memory = bytearray(b"?" * size)
        with pair.machine.running(pair.client):
            found = pair.proxy.read(3, lang.byte_span(memory))
        if size > 64:
            assert isinstance(found, Failure)
            assert not pair.heard.calls
            return
        assert (found, pair.heard.calls) == (pair.heard.result, [("read", 3, f"{size} bytes")])
        assert memory == (b"?" * size if result is None else data[:size].ljust(size, b"\0"))


def test_capabilities_are_copied_given_and_brought(pair: Pair) -> None:
    notification = CALLS.Notification
    client, server = pair.machine.party(pair.client), pair.machine.party(pair.server)
    client.table |= {30: ("mine", 0), 31: ("given", 0)}
    with pair.machine.running(pair.client):
        assert pair.proxy.tell(notification(30), notification(31)) is None
    assert pair.heard.calls == [("tell", notification(40), notification(41))]
    assert client.table.keys() == {8, 30}
    assert server.table == {40: ("mine", 0), 41: ("given", 0)}
    server.table[50] = "fresh", 0
    pair.heard.result = notification(50)
    with pair.machine.running(pair.client):
        fresh = pair.proxy.fresh(True)
    assert client.table[fresh.slot] == ("fresh", 0)
    assert 50 not in server.table
    assert pair.client.slots().is_taken(fresh.slot)
    pair.heard.result = None
    before = dict(client.table)
    with pair.machine.running(pair.client):
        assert pair.proxy.fresh(False) is None
    assert client.table == before
    assert not pair.client.slots().is_taken(fresh.slot + 1)


PAGES = 3
SIZE = PAGES << 12
FIRST, BADGE = 9, 7


@contextmanager
def lending() -> Iterator[tuple[Pair, bytearray]]:
    """The client has memory for who serves in slot FIRST, and calls it there by the badge BADGE."""
    with connected() as pair:
        memory = bytearray(SIZE)
        index = FIRST - FIRST_DECLARED
        pair.machine.map(pair.client, lend.LENDS_ADDRESS + index * lend.REGION_SPACE, memory)
        pair.machine.map(pair.server, lend.LENT_ADDRESS + BADGE * lend.REGION_SPACE, memory)
        pair.machine.grant(pair.client, FIRST, pair.machine.endpoint(pair.server, pair.keep), BADGE)
        with pair.machine.running(pair.client):
            pair.client.start_info().lends[index] = lang.u16(PAGES)
        with pair.machine.running(pair.server):
            pair.server.start_info().lent[BADGE] = lang.u16(PAGES)
        yield pair, memory


@small
@given(first=st.integers(0, SIZE), length=st.integers(0, SIZE), data=st.binary(max_size=20))
def test_what_is_lent_is_the_same_memory(first: int, length: int, data: bytes) -> None:
    length = min(length, SIZE - first)
    data = data[:length]
    with lending() as (pair, memory):
        pair.heard.result = lang.u64(1)
        with pair.machine.running(pair.client):
            whole = lend.region(FIRST)
            assert whole.length == SIZE
            part = whole.part(first, length)
            part.write(0, lang.byte_view(data))
            assert pair.proxy is not None and pair.store.sum(part) == 1
        ((_, heard),) = pair.heard.calls
        assert heard.length == length
        seen = bytearray(len(data))
        with pair.machine.running(pair.server):
            heard.read(0, lang.byte_span(seen))
        assert bytes(seen) == data == bytes(memory[first : first + len(data)])


@small
@given(
    offset=st.integers(0, SIZE + 2) | U64,
    length=st.integers(0, SIZE + 2) | U64,
    badge=st.integers(0, 200) | U64 | st.just(BADGE | 3 << 32),
)
def test_only_what_is_in_the_region_is_lent(offset: int, length: int, badge: int) -> None:
    with lending() as (pair, _):
        pair.heard.result = lang.u64(1)
        pair.machine.grant(pair.client, FIRST, pair.machine.endpoint(pair.server, pair.keep), badge)
        with pair.machine.running(pair.client):
            version = interface.version_of(FIRST)
            assert not isinstance(version, Failure)
            answer = system.call(FIRST, int(version) >> 40 << 8 | 2 | 2 << 32, offset, length)
            assert not isinstance(answer, Failure)
            refusal = interface.refusal(answer)
        known = badge % (1 << 32) == BADGE
        if not known:
            assert refusal == Failure(Status.NO_BUFFER, interface.FIRST_PARAMETER)
        elif offset + length > SIZE:
            assert refusal == Failure(Status.OUT_OF_RANGE, interface.FIRST_PARAMETER)
        else:
            assert answer.word == 1 << 32
        assert len(pair.heard.calls) == (known and offset + length <= SIZE)


@pytest.mark.parametrize("slot", [FIRST_DECLARED + MAXIMUM_GRANTS, FIRST_DECLARED - 1, 4095])
def test_who_was_not_declared_has_no_region(slot: int) -> None:
    """Not even that of the first capability that was declared."""
    with lending() as (pair, memory):
        pair.machine.map(pair.client, lend.LENDS_ADDRESS, memory)
        pair.machine.grant(pair.client, slot, pair.machine.endpoint(pair.server, pair.keep), BADGE)
        pair.heard.result = lang.u64(1)
        with pair.machine.running(pair.client):
            pair.client.start_info().lends[0] = lang.u16(PAGES)
            assert lend.region(slot).length == 0
            found = type(pair.store)(lang.u64(slot)).sum(lend.Lent(lend.LENDS_ADDRESS, lang.usize(8)))
        assert found == Failure(Status.NO_BUFFER, interface.FIRST_PARAMETER) and not pair.heard.calls


@contextmanager
def posting() -> Iterator[tuple[Pair, Any, Any]]:
    """The client's end of a ring of 16 slots for Jobs, and the server's."""
    with lending() as (pair, _):
        pair.machine.placed.clear()
        with pair.machine.running(pair.client):
            sender = JOBS.POSTER(lend.region(FIRST).part(0, 1152))
        with pair.machine.running(pair.server):
            taker = JOBS.TAKER(lend.Lent(lend.LENT_ADDRESS + BADGE * lend.REGION_SPACE, lang.usize(1152)))
        yield pair, sender, taker


KINDS = st.sampled_from(list(JOBS.Kind))
STARTS = st.tuples(U64, KINDS, st.integers(-128, 127), st.integers(0, SIZE), st.integers(0, SIZE))


@small
@given(starts=st.lists(STARTS, max_size=40), most=st.integers(0, 20))
def test_what_is_posted_arrives_in_order(starts: list[Any], most: int) -> None:
    with posting() as (pair, sender, taker):
        sent: list[Any] = []
        for number, kind, offset, first, length in starts:
            length = min(length, SIZE - first)
            with pair.machine.running(pair.client):
                failure = sender.start(number, kind, offset, lend.region(FIRST).part(first, length))
            if failure is None:
                sent.append((number, kind, offset, (first, length)))
        assert len(sent) == min(len(starts), 16), "as many as the ring holds"
        with pair.machine.running(pair.server):
            assert taker.take(pair.heard, most) == min(most, len(sent))
            assert taker.take(pair.heard, 20) == max(len(sent) - most, 0)
        base = lend.LENT_ADDRESS + BADGE * lend.REGION_SPACE
        heard = [(*call[1:4], (call[4].address - base, call[4].length)) for call in pair.heard.calls]
        assert (heard, taker.refused()) == (sent, 0)


@small
@given(
    words=st.lists(NEAR, min_size=7, max_size=7), number=st.integers(0, 3), length=st.integers(0, 7), odd=st.booleans()
)
def test_random_slots_reach_the_handler_only_if_its_types_have_them(
    words: list[int], number: int, length: int, odd: bool
) -> None:
    with posting() as (pair, sender, taker):
        with pair.machine.running(pair.client):
            assert sender.start(0, JOBS.Kind.SUM, 0, lend.region(FIRST)) is None
            first = sender.outbox.ring.slots[0].word
            slot = sender.outbox.next()
            slot.word = lang.u64((int(first) & 0xFFFF_FF00) + number + (length << 32) + (odd << 8))
            for place, word in enumerate(words):
                setattr(slot, f"w{place}", lang.u64(word))
            assert sender.outbox.hand_over() is None
        with pair.machine.running(pair.server):
            assert taker.take(pair.heard, 20) == 2
        start = number == 1 and length == 5 and words[1] in (0, 5) and words[2] < 256 and words[3] + words[4] <= SIZE
        stop = number == 2 and length == 0
        known = (start or stop) and not odd
        assert len(pair.heard.calls) == 1 + known
        assert int(taker.refused()) == (not known)


# --- what others send -------------------------------------------------------------------------------------------------

#: of each method: what its words must be; the number of words, or a function of them if bytes are among them
BYTE = range(256)
MEMBERS = (0, 1, 7)
EXPECTED: dict[str, tuple[list[Any], int]] = {
    "add": ([range(LIMIT)] * 2, 0),
    "moved": ([range(65536), BYTE, MEMBERS, (0, 1), BYTE], 0),
    "halved": ([range(LIMIT)], 0),
    "many": ([range(LIMIT), BYTE, range(LIMIT), (0, 1), MEMBERS, range(1 << 32)], 0),
    "fresh": ([(0, 1)], 0),
    "tell": ([], 2),
}
NUMBERS = {name: number for number, name in enumerate(
    ("add", "moved", "halved", "many", "write", "join", "read", "tell", "fresh"), 1
)}  # fmt: skip


def version(pair: Pair) -> int:
    with pair.machine.running(pair.client):
        found = interface.version_of(8)
    assert not isinstance(found, Failure)
    return int(found)


@pytest.mark.parametrize("name", EXPECTED)
@small
@given(words=st.lists(NEAR, min_size=6, max_size=6), length=st.integers(0, 7), count=st.integers(0, 3))
def test_random_words_reach_the_handler_only_if_its_types_have_them(
    name: str, words: list[int], length: int, count: int
) -> None:
    allowed, capabilities = EXPECTED[name]
    with connected() as pair:
        pair.heard.result = {
            "tell": None,
            "fresh": None,
            "moved": CALLS.Trouble.FULL,
            "many": CALLS.Trouble.SIGNED,
            "halved": lang.f64(1.5),
            "add": lang.u64(1),
        }[name]
        word = version(pair) >> 40 << 8 | NUMBERS[name] | length << 32 | count << 42
        party = pair.machine.party(pair.client)
        for place in range(count):
            party.table[20 + place] = f"capability {place}", 0
            pair.client.buffer.capabilities[place].store(lang.u32(20 + place))
        for place in range(2):
            pair.client.buffer.words[place] = lang.u64(words[4 + place])
        answer = pair.call(word, *words[:4])
        if count > 2:
            assert answer == Failure(Status.NO_WINDOW, 12)
            return
        wrong = None
        if length != len(allowed) or count != capabilities:
            wrong = WORD
        else:
            bad = [place for place, (item, fits) in enumerate(zip(words, allowed, strict=False)) if item not in fits]
            if bad and name == "moved":
                wrong = interface.FIRST_PARAMETER + (0 if bad[0] < 4 else 1)
            elif bad:
                wrong = interface.FIRST_PARAMETER + bad[0]
        if wrong is None:
            assert [call[0] for call in pair.heard.calls] == [name]
            assert answer.label() < 3
        else:
            assert pair.heard.calls == []
            assert interface.refusal(answer) == Failure(Status.OUT_OF_RANGE, wrong)


@small
@given(word=U64, words=st.lists(NEAR, min_size=4, max_size=4))
def test_any_message_is_answered(word: int, words: list[int]) -> None:
    with connected() as pair:
        word &= (1 << 42) - 1
        answer = pair.call(word, *words)
        if word >> 32 > 512:
            assert answer == Failure(Status.OUT_OF_RANGE, WORD), "the kernel's own"
        elif not pair.heard.calls and word:
            with pair.machine.running(pair.client):
                assert interface.refusal(answer).status in (
                    Status.WRONG_KIND, Status.UNKNOWN_OPERATION, Status.OUT_OF_RANGE
                )  # fmt: skip


@small
@given(
    method=st.sampled_from(["add", "moved", "many", "write", "read", "fresh"]),
    label=st.integers(0, 4) | st.integers(0, 2**32 - 1), length=st.integers(0, 12),
    words=st.lists(NEAR, min_size=4, max_size=4),
)  # fmt: skip
def test_a_proxy_takes_no_wrong_answer(method: str, label: int, length: int, words: list[int]) -> None:
    """Whatever a server says: a value of the method's types, or a failure."""
    with connected() as pair:
        w0, w1, w2, w3 = words
        answer = label | length << 32, w0, w1, w2, w3
        pair.machine.grant(pair.client, 8, pair.machine.endpoint(pair.server, lambda *_: answer))
        level, place = CALLS.Level.LOW, CALLS.Place(1, 2, CALLS.Level.ODD, True)
        arguments: dict[str, tuple[Any, ...]] = {
            "add": (1, 2), "moved": (place, 3), "many": (1, 2, 3, True, level, 4), "write": (level, "text"),
            "read": (1, lang.byte_span(bytearray(20))), "fresh": (True,),
        }  # fmt: skip
        results: dict[str, tuple[type, ...]] = {
            "add": (lang.u64,), "moved": (CALLS.Place, CALLS.Trouble), "write": (lang.u32,), "fresh": (type(None),),
            "many": (lang.i64, CALLS.Missing, CALLS.Trouble), "read": (lang.usize, CALLS.Trouble),
        }  # fmt: skip
        with pair.machine.running(pair.client):
            found = getattr(pair.proxy, method)(*arguments[method])
        assert isinstance(found, (*results[method], Failure))
        if isinstance(found, Failure):
            assert found.status in (
                Status.WRONG_KIND, Status.UNKNOWN_OPERATION, Status.OUT_OF_RANGE,
                Status.NO_BUFFER,
            )  # fmt: skip


# --- several interfaces of one program --------------------------------------------------------------------------------

ALONE = """
from typing import Protocol
from neokernel.lang import Provides, interface, provides, u64
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

@interface
class Sums(Protocol):
    def add(self, a: u64, b: u64) -> u64 | Failure: ...

first: Provides[Sums] = provides()

def main(process: Process) -> None: ...
"""
SEVERAL = ALONE.replace("\n\ndef main", "\nsecond: Provides[Sums] = provides()\n\ndef main")
#: badges of clients of the first, the second and no such interface, and the supervisor's
OF_FIRST, OF_SECOND, OF_THIRD, SUPERVISOR = 3, 1 << 32 | 3, 2 << 32 | 3, 0


@pytest.mark.parametrize(
    ("text", "name", "served"),
    [
        (SEVERAL, "first", [OF_FIRST, SUPERVISOR]),
        (SEVERAL, "second", [OF_SECOND, SUPERVISOR]),
        (ALONE, "first", [OF_FIRST, OF_SECOND, OF_THIRD, SUPERVISOR]),
    ],
)
def test_serve_answers_who_may_call_its_interface(
    text: str, name: str, served: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls of all that a program provides arrive at one endpoint; the badge says whose they are."""
    server = vars(lang.load_module(text, "server"))[name]
    heard = Recorder(result=lang.u64(5))
    version = server.dispatch(heard, system.Message(*map(lang.u64, (OF_FIRST, 0, 0, 0, 0, 0)))).w0
    word = call.message(version >> 40 << 8 | 1, 2)
    signals = system.Message(*map(lang.u64, (9, call.SIGNALS_BIT, 0, 0, 0, 0)))
    badges = [OF_FIRST, OF_SECOND, OF_THIRD, SUPERVISOR]
    arriving = [*(system.Message(*map(lang.u64, (badge, word, 1, badge, 0, 0))) for badge in badges), signals]
    answers: list[int] = []

    def enter_with(reply: Any, what: Any, endpoint: Any, word: Any, *_: Any) -> Any:
        answers.append(int(word))
        return arriving.pop(0)

    monkeypatch.setattr(system, "enter_with", enter_with)
    with Loopback() as machine:
        process = machine.process(Process)
        with machine.running(process):
            assert server.serve_until_signals(process, heard, lang.u64(20)) == 9
    assert heard.calls == [("add", 1, badge) for badge in served]
    refused = int(interface.refused(Status.WRONG_KIND, lang.u64(WORD)).word)
    assert answers[1:] == [int(call.message(0, 1)) if badge in served else refused for badge in badges]
