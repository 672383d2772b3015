"""Who computes what, under CPython: processes that go wrong at one name, in orders that no machine can be made to keep.

Each call of a process is a coroutine here, resumed by hand; what a process lends are bytes of its own, and whatever
isn't within them fails, as it does on a machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from neokernel.interfaces.appointment import NotAppointed, Served
from neokernel.interfaces.clients.voices import LINES, PAUSE, VOICES, Voices
from neokernel.interfaces.inference import Batch, NoWork
from neokernel.lang import Coroutine, Span, result_of, resume, u8, u64, usize
from neokernel.runtime.executor import Executor
from neokernel.runtime.lend import LENT_ADDRESS, REGION_SPACE, Lent
from neokernel.runtime.task import Queue, Task
from neokernel.services.gateway.job import Phase
from neokernel.services.gateway.work import MOST_WAITING, WORKERS, Work
from tests.gateway.test_requests import Tensors, manifest

SMALL = manifest({"in": ("FP32", (1,))})
LARGE = manifest({"in": ("UINT8", (8000,))})
#: it takes as many bytes as SMALL, and they mean something else
OTHER = manifest({"in": ("UINT8", (64,))})
WAITS = "it waits"
#: ticks that a request waits for its results
PATIENCE = 1_000
Asked = Batch | NoWork


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> list[bytearray]:
    """Regions, by the numbers in their addresses."""
    regions: list[bytearray] = []

    def place(lent: Lent, first: usize, length: int) -> tuple[bytearray, int]:
        assert int(first) + length <= int(lent.length), "out of what is lent"
        number, offset = divmod(int(lent.address) - LENT_ADDRESS, REGION_SPACE)
        return regions[number], offset + int(first)

    def read(lent: Lent, first: usize, into: Span[u8]) -> None:
        region, begin = place(lent, first, len(into))
        for index in range(len(into)):
            into[index] = u8(region[begin + index])

    def write(lent: Lent, first: usize, data: bytes) -> None:
        region, begin = place(lent, first, len(data))
        region[begin : begin + len(data)] = bytes(data)

    monkeypatch.setattr(Lent, "read", read)
    monkeypatch.setattr(Lent, "write", write)
    return regions


@dataclass
class Desk:
    """The gateway's work, and who asks it: model 0 alone has a name."""

    memory: list[bytearray]
    work: Work = field(default_factory=Work)
    executor: Executor = field(default_factory=Executor)

    def __post_init__(self) -> None:
        self.work.models[0].named = True
        self.work.patience = u64(PATIENCE)

    def lend(self, data: bytes) -> Lent:
        self.memory.append(bytearray(data))
        return Lent(u64(LENT_ADDRESS + (len(self.memory) - 1) * REGION_SPACE), usize(len(data)))

    def begin(self, client: int, manifest: bytes, size: int = 16 << 10) -> NoWork | None:
        return self.work.begin(self.executor, u64(client), self.lend(manifest), self.lend(bytes(size)))

    def next(self, client: int, done: int = 0) -> Call:
        call = Call(self.executor, self.work.next(self.executor, u64(client), u64(done)))
        call.go_on()
        return call

    def submit(self, job: int) -> Phase:
        until = u64(int(self.executor.now) + PATIENCE)
        assert self.work.submit(self.executor, usize(job), usize(0), until) is None
        return self.phase(job)

    def phase(self, job: int) -> Phase:
        return self.work.jobs[job].phase

    def serving(self) -> int:
        return int(self.work.serving(usize(0), self.executor.now))


class Call:
    """A process's call, which waits for its answer; `said` is WAITS until it has one, and work is its number."""

    def __init__(self, executor: Executor, work: Coroutine[Asked]) -> None:
        self.executor, self.work = executor, work
        self.task = Task()
        # As in a group: whoever is woken stands in its queue.
        self.task.queue = Queue()
        self.said: u64 | NoWork | str = WAITS
        self.examples = 0

    def go_on(self) -> None:
        assert self.said == WAITS
        self.task.ready = False
        self.executor.current = self.task
        if resume(self.work):
            result = result_of(self.work)
            if isinstance(result, Batch):
                self.said, self.examples = result.number, int(result.examples)
            else:
                self.said = result
        self.executor.current = None

    def woken(self) -> u64 | NoWork | str:
        """What it says once it was woken."""
        assert self.task.ready, "nobody has woken it"
        self.go_on()
        return self.said


@pytest.fixture
def desk(memory: list[bytearray]) -> Desk:
    return Desk(memory)


def late(desk: Desk) -> None:
    """Client 1 serves the small model, and is given a job that nobody waits for any more."""
    assert desk.begin(1, SMALL) is None
    assert desk.submit(0) is Phase.WAITING
    assert desk.next(1).said == 1 and desk.phase(0) is Phase.GIVEN
    desk.work.abandon(usize(0), usize(0))
    assert desk.serving() == 1, "it is in time with it, though nobody wants it any more"
    desk.executor.now = u64(int(desk.executor.now) + PATIENCE)
    assert desk.serving() == 0 and desk.phase(0) is Phase.IDLE


@pytest.mark.parametrize("model", [LARGE, OTHER])
def test_who_is_late_doesnt_serve_what_came_after(desk: Desk, model: bytes) -> None:
    late(desk)
    assert desk.begin(2, model) is None and desk.serving() == 1
    desk.submit(3)
    assert desk.next(1, 1).said is NoWork.BEGIN
    assert desk.phase(3) is Phase.WAITING and desk.serving() == 1
    assert desk.begin(1, SMALL) is NoWork.OTHER
    assert desk.next(2).said == 1 and desk.phase(3) is Phase.GIVEN
    desk.next(2, 1)
    assert desk.phase(3) is Phase.DONE


def test_who_is_late_goes_on_when_the_next_one_is_the_same(desk: Desk) -> None:
    late(desk)
    assert desk.begin(2, SMALL) is None and desk.serving() == 1
    assert desk.next(1, 1).said == WAITS and desk.serving() == 2


@pytest.mark.parametrize(
    ("wrong", "size", "reason"),
    [(b"x" * 300, 16 << 10, NoWork.MANIFEST), (b"x", 16 << 10, NoWork.MANIFEST), (LARGE, 64, NoWork.SIZE)],
)
def test_who_is_refused_changes_nothing(desk: Desk, wrong: bytes, size: int, reason: NoWork) -> None:
    late(desk)
    desk.submit(3)
    assert desk.begin(2, wrong, size) is reason
    assert desk.next(2).said is NoWork.BEGIN
    assert desk.phase(3) is Phase.WAITING
    assert desk.next(1, 1).said == 2 and desk.phase(3) is Phase.GIVEN and desk.serving() == 1
    described = desk.work.models[0].described
    assert bytes(described.manifest[: described.length].bytes()) == SMALL


def test_who_asks_again_waits_once(desk: Desk) -> None:
    """As of a process that sends `next` and waits for no answer."""
    assert desk.begin(1, SMALL) is None
    before = desk.next(1)
    for _ in range(20):
        call = desk.next(1)
        assert before.woken() is NoWork.BEGIN and call.said == WAITS
        before = call
    desk.submit(0)
    assert before.woken() == 1 and desk.phase(0) is Phase.GIVEN


def test_work_is_for_the_last_who_asks(desk: Desk) -> None:
    """Also if the one before was told that there is some, and hasn't gone on yet."""
    assert desk.begin(1, SMALL) is None
    before = desk.next(1)
    desk.submit(0)
    assert desk.next(1).said == 1
    assert before.woken() is NoWork.BEGIN and desk.phase(0) is Phase.GIVEN


def test_who_begins_anew_waits_for_nothing(desk: Desk) -> None:
    assert desk.begin(1, SMALL) is None
    before = desk.next(1)
    assert desk.begin(1, SMALL) is None
    assert before.woken() is NoWork.BEGIN


# --- who was appointed ------------------------------------------------------------------------------------------------

#: another version of SMALL
NEWER = manifest({"in": ("FP32", (1,))}, version="2")


def version(desk: Desk) -> str:
    return bytes(desk.work.models[0].described.version()).decode()


def appoint(desk: Desk, client: int, name: int = 0, absent: bool = False) -> NotAppointed | None:
    return desk.work.appoint(desk.executor, u64(name), u64(client), absent)


def served(desk: Desk) -> Served | NotAppointed:
    return desk.work.served(u64(0), desk.executor.now)


def wait(desk: Desk, ticks: int = PATIENCE) -> None:
    desk.executor.now = u64(int(desk.executor.now) + ticks)


def give_up(desk: Desk, job: int) -> None:
    """The job's time is over, and its client is still there: as `computed` sees it."""
    assert int(desk.executor.now) >= int(desk.work.jobs[job].until)
    desk.work.miss(usize(job), usize(0))
    desk.work.abandon(usize(job), usize(0))


def test_work_is_for_who_was_appointed(desk: Desk) -> None:
    """Client 2 takes over from client 1, and back, while both are asked: no request is lost."""
    assert desk.begin(1, SMALL) is None and appoint(desk, 1) is None
    desk.submit(0)
    assert desk.next(1).said == 1
    assert desk.begin(2, NEWER) is None and desk.serving() == 1 and version(desk) == "1"
    assert desk.next(2).said is NoWork.RETIRED
    desk.submit(1)
    assert appoint(desk, 2) is None and version(desk) == "2" and desk.serving() == 1
    # What was given out before still counts, and nothing more is given to who had it.
    assert desk.next(1, 1).said is NoWork.RETIRED and desk.phase(0) is Phase.DONE
    assert desk.next(2).said == 1 and desk.phase(1) is Phase.GIVEN
    waits = desk.next(2, 1)
    assert waits.said == WAITS and desk.phase(1) is Phase.DONE
    assert served(desk) == Served(u64(1), True, False)
    assert appoint(desk, 1) is None and version(desk) == "1"
    assert waits.woken() is NoWork.RETIRED
    desk.submit(2)
    assert desk.next(1).said == 2 and desk.phase(2) is Phase.GIVEN


def test_the_same_edition_after_another_life(desk: Desk) -> None:
    """Who was appointed may come back with another version: requests that wait stay."""
    assert desk.begin(1, SMALL) is None and appoint(desk, 1) is None
    desk.submit(0)
    assert desk.begin(1, NEWER) is None and version(desk) == "2"
    assert desk.next(1).said == 1 and desk.phase(0) is Phase.GIVEN


def test_who_takes_something_else_isnt_in_the_way(desk: Desk) -> None:
    assert desk.begin(1, SMALL) is None and appoint(desk, 1) is None
    assert desk.begin(2, LARGE) is NoWork.OTHER
    assert desk.begin(2, OTHER) is NoWork.OTHER
    wrong = bytearray(NEWER)
    wrong[0] ^= 1
    assert desk.begin(2, bytes(wrong)) is NoWork.OTHER
    assert appoint(desk, 2) is NotAppointed.ABSENT and desk.serving() == 1


def test_who_cant_be_appointed(desk: Desk) -> None:
    assert appoint(desk, 1) is NotAppointed.ABSENT and appoint(desk, 0) is NotAppointed.ABSENT
    assert appoint(desk, 1, 1) is NotAppointed.NAME and appoint(desk, 1, 99) is NotAppointed.NAME
    assert desk.work.served(u64(99), desk.executor.now) is NotAppointed.NAME
    assert served(desk) is NotAppointed.ABSENT
    assert desk.begin(1, SMALL) is None and desk.next(1).said == WAITS
    assert appoint(desk, 2) is NotAppointed.ABSENT and desk.serving() == 1
    assert appoint(desk, 0, absent=True) is NotAppointed.ABSENT


def test_a_life_that_is_over(desk: Desk) -> None:
    """As the manager says: who had been given work has lost it, and has to begin before it can be appointed."""
    assert desk.begin(1, SMALL) is None and desk.begin(2, SMALL) is None and appoint(desk, 2) is None
    desk.submit(0)
    assert desk.next(2).said == 1
    assert desk.work.end_life(desk.executor, u64(0), u64(2)) is None
    assert desk.phase(0) is Phase.LOST and desk.serving() == 0 and desk.next(2, 1).said is NoWork.BEGIN
    assert served(desk) == Served(u64(0), False, False)
    assert appoint(desk, 2) is NotAppointed.ABSENT and appoint(desk, 1) is None
    assert desk.work.end_life(desk.executor, u64(0), u64(2)) is NotAppointed.ABSENT
    assert desk.work.end_life(desk.executor, u64(0), u64(9)) is NotAppointed.ABSENT
    assert desk.work.end_life(desk.executor, u64(9), u64(1)) is NotAppointed.NAME
    assert desk.begin(2, SMALL) is None and appoint(desk, 2) is None


def test_who_is_late_works_in_vain(desk: Desk) -> None:
    late(desk)
    assert appoint(desk, 1) is None
    assert served(desk) == Served(u64(0), True, True)
    # Also when it comes after all, and when it begins anew.
    assert desk.next(1, 1).said == WAITS and served(desk) == Served(u64(0), True, True)
    assert desk.begin(1, SMALL) is None and served(desk) == Served(u64(0), True, True)
    # Another one isn't blamed for it.
    assert desk.begin(2, SMALL) is None and appoint(desk, 2) is None and served(desk) == Served(u64(0), True, False)


def test_time_counts_from_when_work_was_taken(desk: Desk) -> None:
    """However long the request has waited before: that a queue is long isn't the fault of who serves."""
    assert desk.begin(1, SMALL) is None and appoint(desk, 1) is None
    desk.submit(0)
    desk.submit(1)
    assert desk.next(1).said == 1
    wait(desk, PATIENCE - 1)
    assert desk.next(1, 1).said == 2 and desk.phase(1) is Phase.GIVEN
    wait(desk, 10)
    give_up(desk, 1)
    assert served(desk) == Served(u64(1), True, False) and desk.serving() == 1
    wait(desk)
    assert served(desk) == Served(u64(1), True, True) and desk.serving() == 0


def test_who_takes_no_work_keeps_it_waiting_in_vain(desk: Desk) -> None:
    assert desk.begin(1, SMALL) is None and appoint(desk, 1) is None
    desk.submit(0)
    wait(desk)
    assert served(desk) == Served(u64(0), True, False), "nobody has waited for longer than requests do"
    give_up(desk, 0)
    assert served(desk) == Served(u64(0), True, True)


def test_who_works_keeps_nothing_waiting_in_vain(desk: Desk) -> None:
    """A queue so long that a request's time is over in it, while others are answered."""
    assert desk.begin(1, SMALL) is None and appoint(desk, 1) is None
    desk.submit(0)
    desk.submit(1)
    desk.submit(2)
    wait(desk, 1)
    assert desk.next(1).said == 1
    wait(desk, PATIENCE - 1)
    give_up(desk, 2)
    assert served(desk) == Served(u64(0), True, False), "it works on what it took after that"
    assert desk.next(1, 1).said == 2
    give_up(desk, 1)
    assert served(desk) == Served(u64(1), True, False), "it has given results after that"


def test_who_is_appointed_isnt_blamed_for_the_one_before(desk: Desk) -> None:
    assert desk.begin(1, SMALL) is None and appoint(desk, 1) is None
    desk.submit(0)
    wait(desk, PATIENCE - 1)
    assert desk.begin(2, NEWER) is None and appoint(desk, 2) is None
    wait(desk, 1)
    give_up(desk, 0)
    assert served(desk) == Served(u64(0), True, False)


@pytest.mark.parametrize("model", [LARGE, OTHER])
def test_who_was_appointed_cant_keep_the_one_before_out(desk: Desk, model: bytes) -> None:
    """By beginning as another model, which its predecessor isn't."""
    assert desk.begin(1, SMALL) is None and appoint(desk, 1) is None
    assert desk.begin(2, NEWER) is None and appoint(desk, 2) is None
    desk.submit(0)
    assert desk.begin(2, model) is NoWork.OTHER and served(desk) == Served(u64(0), False, False)
    assert appoint(desk, 1) is None and version(desk) == "1"
    assert desk.next(1).said == 1 and desk.phase(0) is Phase.GIVEN


@pytest.mark.parametrize("model", [LARGE, OTHER])
def test_a_gateway_that_was_started_again(desk: Desk, model: bytes) -> None:
    """Who comes first is somebody who was retired: work isn't for it once the one that serves was appointed, which may
    be before that one has begun; and what it says that it is keeps nobody out."""
    assert desk.begin(2, model) is None
    assert appoint(desk, 1, absent=True) is None and desk.serving() == 0
    assert served(desk) == Served(u64(0), False, False)
    assert desk.next(2).said is NoWork.RETIRED
    assert desk.begin(1, SMALL) is None and desk.serving() == 1 and version(desk) == "1"
    assert served(desk) == Served(u64(0), True, False)
    desk.submit(0)
    assert desk.next(1).said == 1 and desk.phase(0) is Phase.GIVEN
    assert desk.next(2).said is NoWork.BEGIN and desk.begin(2, model) is NoWork.OTHER


def test_who_was_appointed_before_it_has_begun(desk: Desk) -> None:
    """Somebody else may begin first: it says what the name takes as long as nobody has, and is given nothing."""
    assert appoint(desk, 1, absent=True) is None
    assert desk.begin(2, SMALL) is None and desk.serving() == 0 and desk.next(2).said is NoWork.RETIRED
    assert desk.begin(1, NEWER) is None and desk.serving() == 1 and version(desk) == "2"


# --- what clients and the log see -------------------------------------------------------------------------------------


def test_who_is_refused_is_told_why(desk: Desk) -> None:
    nameless = 1 | 1 << 32
    assert desk.begin(nameless, SMALL) is NoWork.NAME and desk.begin(0, SMALL) is NoWork.NAME
    assert desk.begin(1 | 9 << 32, SMALL) is NoWork.NAME
    assert [desk.begin(client, SMALL) for client in range(1, int(WORKERS) + 1)] == [None] * int(WORKERS)
    assert desk.begin(99, SMALL) is NoWork.FULL
    assert desk.begin(3, OTHER) is NoWork.OTHER
    assert desk.begin(2, b"x" * 5_000) is NoWork.MANIFEST


def test_work_that_nobody_got_goes_first(desk: Desk) -> None:
    assert desk.begin(1, SMALL) is None and desk.begin(2, SMALL) is None
    call = desk.next(1)
    desk.submit(0)
    desk.submit(1)
    assert call.woken() == 1 and desk.phase(0) is Phase.GIVEN and desk.phase(1) is Phase.WAITING
    desk.work.undelivered(desk.executor, u64(1), u64(1))
    assert desk.phase(0) is Phase.WAITING
    assert desk.next(2).said == 1 and desk.phase(0) is Phase.GIVEN and desk.phase(1) is Phase.WAITING
    desk.next(2, 1)
    assert desk.phase(0) is Phase.DONE and desk.phase(1) is Phase.GIVEN


def test_requests_of_clients_that_have_gone_take_no_room(desk: Desk) -> None:
    assert desk.begin(1, SMALL) is None
    desk.submit(9)
    for _ in range(3 * int(MOST_WAITING)):
        desk.submit(0)
        desk.work.abandon(usize(0), usize(0))
    assert int(desk.work.models[0].waiting) == 1
    desk.submit(5)
    assert desk.next(1).said == 1 and desk.phase(9) is Phase.GIVEN
    assert desk.next(1, 1).said == 2 and desk.phase(9) is Phase.DONE and desk.phase(5) is Phase.GIVEN


def test_nobody_waits_in_a_gateway_that_gives_way(desk: Desk) -> None:
    assert desk.begin(1, SMALL) is None and desk.begin(2, SMALL) is None
    waits = desk.next(1)
    desk.submit(0)
    assert waits.woken() == 1
    also = desk.next(2)
    desk.work.dismiss(desk.executor)
    assert also.woken() is NoWork.BEGIN
    # It wasn't replaced after all: who computes goes on, and the other one begins anew.
    assert desk.begin(2, SMALL) is None and desk.serving() == 2
    assert desk.next(1, 1).said == WAITS and desk.phase(0) is Phase.DONE


def test_what_is_logged_of_one_process() -> None:
    """However often it begins, it has a few lines; others have theirs; what was left out is counted."""
    voices = Voices(frequency=u64(1_000))
    pause = int(PAUSE) * 1_000

    def lines(client: int, count: int, now: int) -> list[int]:
        told = [voices.omitted_before(u64(client), u64(turn % 2), u64(now)) for turn in range(count)]
        return [int(each) for each in told if each is not None]

    assert lines(7, 100, 0) == [0] * int(LINES)
    assert lines(8, 2, 5) == [0, 0]
    assert lines(7, 100, pause - 1) == []
    assert lines(7, 100, pause) == [100 - int(LINES) + 100]
    assert lines(7, 100, 3 * pause + 5) == [99, 0]
    # As many processes as there may be, and more: these share the last one.
    for client in range(20, 40):
        lines(client, 100, 0)
    assert sum(len(lines(client, 100, 0)) for client in range(20, 40)) == 0
    assert lines(20, 3, 10**9) == [100 + 100 - int(LINES), 0, 0] and int(VOICES) == 12


def test_a_model_sees_its_inputs_and_nothing_else_of_a_job(desk: Desk) -> None:
    """Its memory was others' before: between inputs there may be what they asked."""
    assert desk.begin(1, manifest({"one": ("UINT8", (1,)), "two": ("UINT8", (3,))})) is None
    job = desk.work.jobs[0]
    for place in range(256):
        job.tensors[place] = u8(0xEE)
    desk.submit(0)
    assert desk.next(1).said == 1
    described = desk.work.models[0].described
    one, two = described.input(0).place, described.input(1).place
    assert two > one + 1, "there is something in between"
    seen = {place for place, byte in enumerate(desk.memory[-1]) if byte == 0xEE}
    assert seen == {int(one), *range(int(two), int(two) + 3)}


# --- several examples -------------------------------------------------------------------------------------------------

#: 128 bytes for each: results lie behind the first 64
BATCHED = manifest({"in": ("UINT8", (1, 3))}, {"out": ("UINT8", (1, 2))})


def test_examples_of_a_request_go_together(desk: Desk) -> None:
    """In one answer to its process, which sees their inputs and nothing of what else the job's memory has."""
    desk.work.models[0].described.limit = usize(4)
    assert desk.begin(1, BATCHED, 4 * 128) is None
    job = desk.work.jobs[0]
    for place in range(4 * 128):
        job.tensors[place] = u8(0xEE)
    for example in range(3):
        for place in range(3):
            job.tensors[example * 128 + place] = u8(10 * example + place)
    job.examples = usize(3)
    assert desk.submit(0) is Phase.WAITING
    call = desk.next(1)
    assert (call.said, call.examples) == (1, 3)
    region = desk.memory[-1]
    wanted = b"".join(bytes(10 * example + place for place in range(3)).ljust(128, b"\0") for example in range(3))
    assert bytes(region) == wanted.ljust(4 * 128, b"\0")
    for place in range(len(region)):
        region[place] = place % 251
    assert desk.next(1, 1).said == WAITS and desk.phase(0) is Phase.DONE
    for example in range(4):
        results = [int(each) for each in job.tensors[example * 128 + 64 : example * 128 + 128]]
        first = example * 128 + 64
        assert results == [(first + place) % 251 if example < 3 else 0xEE for place in range(64)]


def test_who_lends_too_little_for_all_examples(desk: Desk) -> None:
    desk.work.models[0].described.limit = usize(4)
    assert desk.begin(1, BATCHED, 4 * 128 - 1) is NoWork.SIZE
    assert desk.begin(1, BATCHED, 4 * 128) is None
    assert desk.begin(2, BATCHED, 128) is NoWork.SIZE and desk.serving() == 1


def test_an_end_loses_all_examples_of_a_request_and_no_other(desk: Desk) -> None:
    desk.work.models[0].described.limit = usize(4)
    assert desk.begin(1, BATCHED) is None
    for index in range(2):
        desk.work.jobs[index].examples = usize(4 - index)
        desk.submit(index)
    assert desk.next(1).examples == 4
    assert desk.begin(1, BATCHED) is None
    assert (desk.phase(0), desk.phase(1)) == (Phase.LOST, Phase.WAITING)
    call = desk.next(1)
    assert (call.said, call.examples, desk.phase(1)) == (2, 3, Phase.GIVEN)


# --- versions ---------------------------------------------------------------------------------------------------------


def test_results_are_of_the_version_that_has_computed_them(desk: Desk) -> None:
    """While a model is replaced: what the one before had been given is its own, and says so."""
    tensors: Tensors = {"in": ("FP32", (1,))}
    old, new = manifest(tensors, version="old"), manifest(tensors, version="new one")
    assert desk.begin(1, old) is None and desk.work.appoint(desk.executor, u64(0), u64(1), False) is None
    assert desk.begin(2, new) is None
    desk.submit(0)
    desk.submit(1)
    assert desk.next(1).said == 1 and desk.phase(0) is Phase.GIVEN
    assert desk.work.appoint(desk.executor, u64(0), u64(2), False) is None
    assert desk.work.models[0].described.version() == b"new one"
    assert desk.next(1, 1).said is NoWork.RETIRED and desk.phase(0) is Phase.DONE
    assert desk.next(2).said == 1
    assert desk.next(2, 1).said == WAITS and desk.phase(1) is Phase.DONE
    assert [desk.work.jobs[job].by.text() for job in (0, 1)] == [b"old", b"new one"]
