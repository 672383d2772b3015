"""Memory: what is made of it, where, and that it is zero."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel.abi.call import Call, message
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE, Kind
from neokernel.abi.operations import Operation
from neokernel.abi.rights import ALL
from neokernel.abi.status import FIRST, INVOKED, SECOND, THIRD, TRAVELLING, WINDOW, Status
from neokernel.arch import cpu
from neokernel.kernel.objects import LARGE, Memory, SchedContext, Thread
from neokernel.kernel.slot import number_of
from neokernel.lang import u64
from tests.kernel.support import FREE, MEMORY, RAM, Machine, Result

Failure = tuple[Status, int]
DONE = (Status.OK, 0)

SIZED = {
    Kind.MEMORY: [PAGE_SIZE, 3 * PAGE_SIZE],
    Kind.CAP_TABLE: [1, 100],
    Kind.DMA_SPACE: [1, 9],
    Kind.TRACE: [1, 2],
    Kind.NOTIFICATION: [0, 1],
    Kind.FRAME: [0],
}
PLAIN = [
    Kind.ENDPOINT, Kind.REPLY, Kind.THREAD, Kind.SCHED_CONTEXT, Kind.FLOATS, Kind.PAGE_TABLE, Kind.ADDRESS_SPACE,
]  # fmt: skip
MAKABLE = [(kind, size) for kind, sizes in SIZED.items() for size in sizes] + [(kind, 0) for kind in PLAIN]


@pytest.fixture
def machine() -> Machine:
    made = Machine()
    made.boot()
    return made


def retype(machine: Machine, kind: int, size: int = 0, count: int = 1, done: int = 0, source: int = MEMORY) -> Failure:
    return machine.invoke(source, Operation.RETYPE, kind, size, count, done).failure


@settings(max_examples=30)
@given(st.lists(st.sampled_from(MAKABLE), max_size=12), st.booleans())
def test_objects_are_made_and_end(kinds: list[tuple[Kind, int]], dirty: bool) -> None:
    machine = Machine(1 << 22)
    machine.boot()
    machine.hart.cpu.pending = dirty  # an interrupt waits all the time: every step is one by itself
    indices = [machine.make(kind, size, 2) for kind, size in kinds]
    for (kind, _), pair in zip(kinds, indices, strict=True):
        assert [Kind(int(number_of(machine.slot(index)))) for index in pair] == [kind, kind]
    world = machine.check()
    identifiers = [int(each.identifier) for kind in (Thread, SchedContext) for each in world.objects.of(kind)]
    assert len(identifiers) - len(set(identifiers)) == 1, "only the root's were given by hand"
    for pair in indices:
        for index in pair:
            assert machine.delete(index).failure == DONE
            machine.check()
    source = machine.slot(MEMORY).object
    assert isinstance(source, Memory) and source.live == 0


def test_memory_is_handed_out_clean_again(machine: Machine) -> None:
    (index,) = machine.make(Kind.FRAME)
    address = cpu.DIRECT + int(machine.slot(index).word)
    machine.memory.write(address, b"secret")
    assert machine.delete(index).failure == DONE
    (again,) = machine.make(Kind.FRAME)
    assert machine.slot(again).word == address - cpu.DIRECT
    assert machine.memory.read(address, PAGE_SIZE) == bytes(PAGE_SIZE)
    machine.check()


@pytest.mark.parametrize(("kind", "size"), MAKABLE)
def test_an_object_is_made_where_another_one_has_ended(kind: Kind, size: int, machine: Machine) -> None:
    """Of memory that a child has returned: neither what lies below in it is clean, nor what lies above."""
    for _ in range(3):
        (child,) = machine.make(Kind.MEMORY, 8 * PAGE_SIZE)
        made = [machine.make(each, more, 1, child)[0] for each, more in ((kind, size), (Kind.PAGE_TABLE, 0))]
        machine.check()
        for index in [*made, child]:
            assert machine.delete(index).failure == DONE
    machine.check()


def test_a_child_returns_its_memory_dirty(machine: Machine) -> None:
    (child,) = machine.make(Kind.MEMORY, 4 * PAGE_SIZE)
    (frame,) = machine.make(Kind.FRAME, memory=child)
    address = cpu.DIRECT + int(machine.slot(frame).word)
    machine.memory.write(address, b"secret")
    assert machine.delete(child).failure == DONE
    assert machine.slot(frame).object is None, "what was made of it has gone, too"
    frames = machine.make(Kind.FRAME, count=4)
    assert all(
        machine.memory.read(cpu.DIRECT + int(machine.slot(each).word), PAGE_SIZE) == bytes(PAGE_SIZE) for each in frames
    )


def test_a_new_thread_enters_the_kernel_on_the_harts_stack(machine: Machine) -> None:
    """Which the first thread got at boot."""
    machine.root.registers.kernel_stack = u64(0xABC0)
    assert machine.one(Kind.THREAD).registers.kernel_stack == 0xABC0


def test_a_large_frame_is_aligned(machine: Machine) -> None:
    machine.make(Kind.ENDPOINT)
    (index,) = machine.make(Kind.FRAME, 1)
    slot = machine.slot(index)
    assert slot.word % LARGE_SIZE == 0 and slot.flags & LARGE
    machine.check()


@pytest.mark.parametrize(
    ("kind", "size", "expected"),
    [
        (0, 0, (Status.OUT_OF_RANGE, FIRST)),
        (Kind.INTERRUPT.value, 0, (Status.OUT_OF_RANGE, FIRST)),
        (17, 0, (Status.OUT_OF_RANGE, FIRST)),
        (1 << 40, 0, (Status.OUT_OF_RANGE, FIRST)),
        (Kind.ENDPOINT.value, 1, (Status.OUT_OF_RANGE, SECOND)),
        (Kind.NOTIFICATION.value, 2, (Status.OUT_OF_RANGE, SECOND)),
        (Kind.FLOATS.value, 4, (Status.OUT_OF_RANGE, SECOND)),
        (Kind.FLOATS.value, 24, (Status.OUT_OF_RANGE, SECOND)),
        (Kind.FLOATS.value, 1 << 14, (Status.OUT_OF_RANGE, SECOND)),
        (Kind.FRAME.value, 2, (Status.OUT_OF_RANGE, SECOND)),
        (Kind.MEMORY.value, 100, (Status.OUT_OF_RANGE, SECOND)),
        (Kind.MEMORY.value, (1 << 64) - PAGE_SIZE, (Status.OUT_OF_RANGE, SECOND)),
        (Kind.CAP_TABLE.value, (1 << 64) - 1, (Status.OUT_OF_RANGE, SECOND)),
        (Kind.TRACE.value, 3, (Status.OUT_OF_RANGE, SECOND)),
        (Kind.DMA_SPACE.value, 1 << 60, (Status.OUT_OF_RANGE, SECOND)),
        (Kind.MEMORY.value, 1 << 40, (Status.OUT_OF_MEMORY, INVOKED)),
        # Nothing is too little, and the most that there can be isn't too much.
        (Kind.MEMORY.value, 0, (Status.OUT_OF_RANGE, SECOND)),
        (Kind.CAP_TABLE.value, 0, (Status.OUT_OF_RANGE, SECOND)),
        (Kind.DMA_SPACE.value, 0, (Status.OUT_OF_RANGE, SECOND)),
        (Kind.TRACE.value, 0, (Status.OUT_OF_RANGE, SECOND)),
        (Kind.MEMORY.value, 1 << 56, (Status.OUT_OF_MEMORY, INVOKED)),
        (Kind.MEMORY.value, (1 << 56) + PAGE_SIZE, (Status.OUT_OF_RANGE, SECOND)),
        (Kind.CAP_TABLE.value, 1 << 20, (Status.OUT_OF_MEMORY, INVOKED)),
        (Kind.CAP_TABLE.value, (1 << 20) + 1, (Status.OUT_OF_RANGE, SECOND)),
        (Kind.DMA_SPACE.value, (1 << 12) + 1, (Status.OUT_OF_RANGE, SECOND)),
        (Kind.TRACE.value, 1 << 12, (Status.OUT_OF_MEMORY, INVOKED)),
        (Kind.TRACE.value, 1 << 13, (Status.OUT_OF_RANGE, SECOND)),
    ],
)
def test_what_cant_be_made(machine: Machine, kind: int, size: int, expected: tuple[Status, int]) -> None:
    machine.window(FREE, 4)
    assert retype(machine, kind, size) == expected
    machine.check()


def test_the_window_must_have_room(machine: Machine) -> None:
    endpoint = Kind.ENDPOINT.value
    machine.window(FREE, 1)
    assert retype(machine, endpoint, count=2) == (Status.NO_WINDOW, WINDOW)
    assert retype(machine, endpoint, count=0) == (Status.OUT_OF_RANGE, THIRD)
    assert retype(machine, endpoint, count=1, done=1) == (Status.OUT_OF_RANGE, THIRD)
    machine.window(MEMORY, 1)
    assert retype(machine, endpoint) == (Status.NO_WINDOW, WINDOW)
    machine.window((1 << 32) - 1, (1 << 32) - 1)
    assert retype(machine, endpoint) == (Status.NO_WINDOW, WINDOW)
    machine.root.buffer = None
    assert retype(machine, endpoint) == (Status.NO_BUFFER, WINDOW)


def test_only_memory_is_retyped(machine: Machine) -> None:
    machine.window(FREE, 1)
    assert retype(machine, 1, source=1) == (Status.WRONG_KIND, INVOKED)
    assert retype(machine, 1, source=FREE) == (Status.NO_CAPABILITY, INVOKED)
    machine.slot(MEMORY).rights = machine.slot(MEMORY).rights & 7
    assert retype(machine, 1) == (Status.MISSING_RIGHT, INVOKED)


def test_devices_become_frames_only(machine: Machine) -> None:
    device = machine.grant_device(0x1000_0000, 4 * PAGE_SIZE)
    machine.window(FREE + 10, 4)
    assert retype(machine, Kind.ENDPOINT.value, source=device) == (Status.WRONG_KIND, FIRST)
    assert retype(machine, Kind.FRAME.value, source=device) == DONE
    assert machine.slot(FREE + 10).word == 0x1000_0000
    machine.check()


def clear(machine: Machine, size: int, source: int = MEMORY) -> Failure:
    return machine.invoke(source, Operation.CLEAR, size).failure


def information(machine: Machine) -> list[int]:
    done = machine.invoke(MEMORY, Operation.MEMORY_INFO)
    assert done.word == 0
    return [*done.words[:3]]


@pytest.mark.parametrize("pending", [False, True])
def test_clearing_ahead(machine: Machine, pending: bool) -> None:
    machine.hart.cpu.pending = pending
    size, free, clean = information(machine)
    assert free == size and clean == 0
    assert clear(machine, 5 * PAGE_SIZE) == DONE
    assert information(machine)[2] >= 5 * PAGE_SIZE
    machine.make(Kind.FRAME)
    machine.check()
    assert clear(machine, size + PAGE_SIZE) == (Status.OUT_OF_RANGE, FIRST)
    assert clear(machine, PAGE_SIZE, source=1) == (Status.WRONG_KIND, INVOKED)
    assert machine.invoke(1, Operation.MEMORY_INFO).failure == (Status.WRONG_KIND, INVOKED)
    machine.slot(MEMORY).rights = machine.slot(MEMORY).rights & 7
    assert clear(machine, PAGE_SIZE) == (Status.MISSING_RIGHT, INVOKED)


@pytest.mark.parametrize("pending", [False, True])
def test_what_takes_steps_says_no_more_than_that_it_is_done(machine: Machine, pending: bool) -> None:
    machine.hart.cpu.pending = pending
    machine.window(FREE, 3)
    for operation, w in (
        (Operation.CLEAR, (5 * PAGE_SIZE,)),
        (Operation.RETYPE, (Kind.FRAME.value, 0, 3, 0)),
        (Operation.CLEAR, (0,)),
    ):
        assert machine.invoke(MEMORY, operation, *w) == Result(0, 0, (0, 0, 0, 0))


def test_what_was_cleared_ahead_is_clear_in_a_memory_that_is_made_of_it(machine: Machine) -> None:
    assert clear(machine, 5 * PAGE_SIZE) == DONE
    ahead = information(machine)[2]
    (part,) = machine.make(Kind.MEMORY, 3 * PAGE_SIZE)
    size, free, clean = machine.invoke(part, Operation.MEMORY_INFO).words[:3]
    assert size == free == clean == 3 * PAGE_SIZE <= ahead


def test_what_was_cleared_ahead_is_still_clear_behind_what_is_made(machine: Machine) -> None:
    """Whether its memory had to be clear, or not."""
    assert clear(machine, 8 * PAGE_SIZE) == DONE
    clean = information(machine)[2]
    for kind, pages in ((Kind.FRAME, 1), (Kind.MEMORY, 2), (Kind.PAGE_TABLE, 2)):
        machine.make(kind, pages * PAGE_SIZE if kind is Kind.MEMORY else 0)
        clean -= pages * PAGE_SIZE
        assert information(machine)[2] == clean > 0, kind
    machine.make(Kind.ENDPOINT)
    assert clean - PAGE_SIZE < information(machine)[2] < clean
    machine.check()


def test_words_name_no_capability(machine: Machine) -> None:
    """What the buffer has of an earlier call isn't given with a message that has words, and no capability."""
    (given,) = machine.make(Kind.ENDPOINT)
    machine.name(machine.root, given)
    asked = int(message(u64(Operation.COPY.value), u64(5), u64(0)))
    refused = machine.call(Call.CALL, 1, asked, (machine.next_slot, int(ALL), 0, 0))
    assert refused.failure == (Status.NO_CAPABILITY, TRAVELLING)


def taken(machine: Machine, kind: Kind, size: int = 0) -> int:
    """Bytes that an object takes."""
    before = information(machine)[1]
    machine.make(kind, size)
    return before - information(machine)[1]


@pytest.mark.parametrize(
    ("kind", "size", "pages"),
    [
        (Kind.FRAME, 0, 1),
        (Kind.PAGE_TABLE, 0, 2),
        (Kind.ADDRESS_SPACE, 0, 2),
        (Kind.TRACE, 4, 5),
        (Kind.MEMORY, 3 * PAGE_SIZE, 3),
    ],
)
def test_what_is_of_pages_takes_so_many(machine: Machine, kind: Kind, size: int, pages: int) -> None:
    """And a descriptor, which is small."""
    assert 0 <= taken(machine, kind, size) - pages * PAGE_SIZE <= 128


@pytest.mark.parametrize("size", [8, 64, 1 << 13])
def test_floats_take_room_for_32_vector_registers(machine: Machine, size: int) -> None:
    assert taken(machine, Kind.FLOATS, size) - taken(machine, Kind.FLOATS) == 32 * size


def test_a_device_space_has_4096_pins_at_most(machine: Machine) -> None:
    """One more is refused by `test_what_cant_be_made`."""
    assert len(machine.one(Kind.DMA_SPACE, 1 << 12).pins) == 1 << 12
    machine.check()


def test_all_of_it_can_be_used(machine: Machine) -> None:
    size, _, _ = information(machine)
    made = 0
    machine.window(FREE, 1)
    for chunk in (1 << 20, 1 << 16, PAGE_SIZE):
        while True:
            machine.window(FREE + made, 1)
            done = retype(machine, Kind.MEMORY.value, chunk)
            if done != DONE:
                assert done == (Status.OUT_OF_MEMORY, INVOKED)
                break
            made += 1
    free = information(machine)[1]
    assert free < PAGE_SIZE + 64 and made > 10 and size > RAM // 256
    machine.check()
    assert u64(free) == free
