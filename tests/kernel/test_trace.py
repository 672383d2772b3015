"""The event ring: what the kernel records of a conversation, as the host's tools read it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from neokernel.abi import boot, call
from neokernel.abi.call import Call
from neokernel.abi.fault import Fault
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation
from neokernel.abi.rights import SIGNAL
from neokernel.abi.trace import Event
from neokernel.arch import cpu
from neokernel.image.perfetto import THREADS, chrome_trace
from neokernel.image.ring import Ring, find_ring
from neokernel.kernel.objects import Thread, Trace
from neokernel.kernel.placement import trace_header, trace_record
from tests.kernel.support import INTERRUPTS, PAGE, PRIORITY, Machine, u64

ALL_EVENTS = (1 << len(Event)) - 1


@dataclass(frozen=True)
class Scene:
    """The root, and a thread of higher priority that begins to run when `begin` is called; both are traced."""

    machine: Machine
    trace: int
    endpoint: int
    reply: int
    thread: int
    context: int

    @property
    def other(self) -> Thread:
        found = self.machine.slot(self.thread).object
        assert isinstance(found, Thread)
        return found

    def begin(self) -> None:
        self.machine.name(self.machine.root, self.context)
        word = int(call.message(u64(Operation.BIND.value), u64(0), u64(1)))
        self.machine.start(self.machine.root, Call.CALL, self.thread, word, (Binding.CONTEXT.value, 0, 0, 0), 0)

    def records(self) -> list[tuple[Event, int, int, int]]:
        """All that was written, as it is there."""
        trace = self.machine.slot(self.trace).object
        assert isinstance(trace, Trace)
        written = [trace_record(trace, u64(number)) for number in range(int(trace_header(trace).written))]
        assert all(each.unused == 0 for each in written), "readers to come may give it a meaning"
        return [(Event(int(each.event)), int(each.thread), int(each.a), int(each.b)) for each in written]

    def ring(self) -> Ring:
        trace = self.machine.slot(self.trace).object
        assert isinstance(trace, Trace)
        size = (1 + int(trace.pages)) * PAGE
        return find_ring(self.machine.memory.read(int(cpu.DIRECT) + int(trace.base), size))[0]


@pytest.fixture
def scene() -> Scene:
    return made_scene(ALL_EVENTS)


def made_scene(mask: int) -> Scene:
    machine = Machine()
    machine.boot()
    [trace], [endpoint], [reply] = machine.make(Kind.TRACE, 1), machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    [thread], [context] = machine.make(Kind.THREAD), machine.make(Kind.SCHED_CONTEXT)
    for binding, index in ((Binding.SPACE, boot.OWN_SPACE), (Binding.TABLE, boot.OWN_TABLE)):
        machine.invoke(thread, Operation.BIND, binding.value, given=index)
    machine.invoke(boot.PROCESSOR, Operation.CONFIGURE, PRIORITY + 1, 1000, 10_000, given=context)
    machine.invoke(thread, Operation.START, 0x1000)
    machine.invoke(trace, Operation.TRACE_START, mask)
    return Scene(machine, trace, endpoint, reply, thread, context)


def test_a_conversation(scene: Scene) -> None:
    machine, root, server = scene.machine, scene.machine.root, scene.other
    scene.begin()
    machine.hart.cpu.time += u64(10)
    machine.start(server, Call.RECEIVE, scene.endpoint, 0, (call.NEVER, 0, 0, 0), scene.reply)
    machine.hart.cpu.time += u64(10)
    machine.start(root, Call.CALL, scene.endpoint, int(call.message(u64(7), u64(1))), (1, 0, 0, 0), 0)
    machine.hart.cpu.time += u64(10)
    machine.start(server, Call.REPLY_RECEIVE, scene.endpoint, 0, (0, 0, 0, 0), scene.reply)
    machine.tick(300_000)

    ring = scene.ring()
    one, two = int(root.identifier), int(server.identifier)
    told = [(entry.event.name, entry.thread, entry.a) for entry in ring.entries]
    assert [row for row in told if row[0] == "SWITCH"] == [
        ("SWITCH", two, one),
        ("SWITCH", one, two),
        ("SWITCH", two, one),
        ("SWITCH", one, two),
    ]
    assert ("SEND", one, two) in told
    assert ("REPLY", two, one) in told
    assert ("INTERRUPT", one, 0) in told

    events = chrome_trace(ring, {})["traceEvents"]
    arrows = [(event["ph"], event["name"], event["tid"]) for event in events if event["ph"] in "sf"]
    assert arrows == [("s", "message", one), ("f", "message", two), ("s", "reply", two), ("f", "reply", one)]
    begun = [event["name"] for event in events if event["ph"] == "B" and (event["pid"], event["tid"]) == (THREADS, two)]
    assert begun == ["running", "RECEIVE", "running", "REPLY_RECEIVE"]


def test_the_fast_paths_are_taken_and_told_of_by_their_calls(scene: Scene) -> None:
    """No record but the call's: the host finds out what it did, and says what the general way's records say."""
    machine, root, server = scene.machine, scene.machine.root, scene.other
    (notification,) = machine.make(Kind.NOTIFICATION)
    scene.begin()
    machine.fast = True
    word = int(call.message(u64(7), u64(1)))
    machine.start(server, Call.RECEIVE, scene.endpoint, 0, (call.NEVER, 0, 0, 0), scene.reply)
    # From now on it runs on its clients' time.
    machine.invoke(scene.thread, Operation.UNBIND, Binding.CONTEXT.value)
    trace = machine.slot(scene.trace).object
    assert isinstance(trace, Trace)
    before = trace_header(trace).written
    for _ in range(2):
        machine.start(root, Call.CALL, scene.endpoint, word, (1, 0, 0, 0), 0)
        machine.start(server, Call.REPLY_RECEIVE, scene.endpoint, 5, (0, 0, 0, 0), scene.reply)
    machine.start(root, Call.SIGNAL, notification, 0, (0, 0, 0, 0), 0)
    assert trace_header(trace).written - before == 5, "calls, and nothing else"
    machine.tick(300_000)

    one, two = int(root.identifier), int(server.identifier)
    entries = scene.ring().entries
    told = [(entry.event.name, entry.thread, entry.a, entry.b) for entry in entries]
    begin = told.index(("SYSCALL", one, Call.CALL.value, scene.endpoint))
    trip = [
        ("SYSCALL", one, Call.CALL.value, scene.endpoint),
        ("SEND", one, two, word),
        ("SWITCH", two, one, 0),
        ("SYSCALL", two, Call.REPLY_RECEIVE.value, scene.endpoint),
        ("REPLY", two, one, 5),
        ("SWITCH", one, two, 0),
    ]
    assert told[begin:] == [*trip, *trip, ("SYSCALL", one, Call.SIGNAL.value, notification), ("INTERRUPT", one, 0, 0)]
    assert [entry.number for entry in entries] == list(range(len(entries)))


def test_a_signal_is_told_with_its_badge(scene: Scene) -> None:
    """In the general way, and from a device: 0 of a capability without a badge."""
    machine, root = scene.machine, scene.machine.root
    machine.fast = False
    (bare,) = machine.make(Kind.NOTIFICATION)
    badged, machine.next_slot = machine.next_slot, machine.next_slot + 1
    machine.invoke(boot.OWN_TABLE, Operation.COPY, badged, int(SIGNAL), 6, given=bare)
    one = int(root.identifier)
    for index, badge in ((bare, 0), (badged, 6)):
        before = len(scene.records())
        machine.call(Call.SIGNAL, index)
        packed = Call.SIGNAL.value | index << 32
        assert scene.records()[before:] == [(Event.SYSCALL, one, packed, 0), (Event.SIGNAL, one, badge, 0)]
    assert machine.invoke(INTERRUPTS, Operation.BIND_INTERRUPT, given=badged).word == 0
    before = len(scene.records())
    machine.interrupt(1)
    assert scene.records()[before:] == [(Event.INTERRUPT, one, 1, 0), (Event.SIGNAL, one, 6, 0)]


def all_kinds(scene: Scene, copying: bool) -> None:
    """Everything that is recorded, from a message to a fault; `copying`: and first a capability that is copied."""
    machine, root, server = scene.machine, scene.machine.root, scene.other
    machine.fast = False
    if copying:
        copied, machine.next_slot = machine.next_slot, machine.next_slot + 1
        assert machine.invoke(boot.OWN_TABLE, Operation.COPY, copied, 0, 0, given=scene.endpoint).word == 0
    (notification,) = machine.make(Kind.NOTIFICATION)
    machine.start(root, Call.SIGNAL, notification, 0, (0, 0, 0, 0), 0)
    assert machine.invoke(INTERRUPTS, Operation.BIND_INTERRUPT, given=notification).word == 0
    scene.begin()
    machine.start(server, Call.SEND, scene.endpoint, int(call.message(u64(7), u64(1))), (1, 0, 0, 0), 0)
    machine.start(root, Call.RECEIVE, scene.endpoint, 0, (call.NEVER, 0, 0, 0), 0)
    machine.start(server, Call.RECEIVE, scene.endpoint, 0, (call.NEVER, 0, 0, 0), scene.reply)
    machine.start(root, Call.CALL, scene.endpoint, int(call.message(u64(8), u64(1))), (1, 0, 0, 0), 0)
    machine.start(server, Call.REPLY_RECEIVE, scene.endpoint, 0, (0, 0, 0, 0), scene.reply)
    machine.interrupt(1)
    assert machine.delete(notification).word == 0
    _, less = machine.spawn(PRIORITY - 1)
    machine.start(root, Call.WAIT, machine.make(Kind.NOTIFICATION)[0], 0, (call.NEVER, 0, 0, 0), 0)
    assert machine.current is less
    machine.trap(less, 13, 0xDEAD_0000)
    assert machine.current is None


@pytest.mark.parametrize("copying", [True, False])
@pytest.mark.parametrize("kind", [kind for kind in Event if kind is not Event.SWITCH])
def test_a_trace_of_one_kind_has_what_a_trace_of_all_has_of_it(kind: Event, copying: bool) -> None:
    """From its first record on; but of switches, which are recorded where nothing else tells of them."""
    found = []
    for before, mask in ((ALL_EVENTS, ALL_EVENTS), (0, 1 << kind.value)):
        scene = made_scene(before)
        scene.machine.interrupt(1)
        begin = len(scene.records())
        assert begin == (before != 0)
        assert scene.machine.invoke(scene.trace, Operation.TRACE_START, mask).word == 0
        all_kinds(scene, copying)
        found.append([record for record in scene.records()[begin:] if record[0] is kind])
    whole, alone = found
    if kind is Event.SYSCALL:
        del whole[0]  # that of TRACE_START
    assert whole and alone == whole


@pytest.mark.parametrize("waits", ["receiver", "sender", "caller"])
def test_a_message_may_be_the_first_that_is_recorded(waits: str) -> None:
    """The other one waited before the trace began: for a message, to send one, or for an answer."""
    scene = made_scene(0)
    machine, root, other = scene.machine, scene.machine.root, scene.other
    machine.fast = False
    scene.begin()
    made = {"receiver": Call.RECEIVE, "sender": Call.SEND, "caller": Call.CALL}[waits]
    time = call.NEVER if waits == "receiver" else 0
    machine.start(other, made, scene.endpoint, 0, (time, 0, 0, 0), 0)
    if waits == "caller":
        machine.start(root, Call.RECEIVE, scene.endpoint, 0, (call.NEVER, 0, 0, 0), scene.reply)
    assert machine.current is root
    kind = Event.REPLY if waits == "caller" else Event.SEND
    assert machine.invoke(scene.trace, Operation.TRACE_START, 1 << kind.value).word == 0
    one, two = int(root.identifier), int(other.identifier)
    match waits:
        case "receiver":
            machine.start(root, Call.SEND, scene.endpoint, 0, (0, 0, 0, 0), 0)
            wanted = (kind, one, two, 0)
        case "sender":
            machine.start(root, Call.RECEIVE, scene.endpoint, 0, (0, 0, 0, 0), 0)
            wanted = (kind, two, one, 0)
        case _:
            machine.start(root, Call.REPLY, 0, 0, (0, 0, 0, 0), scene.reply)
            wanted = (kind, one, two, 0)
    assert next(record for record in scene.records() if record[0] is not Event.SYSCALL) == wanted


def test_a_call_that_fails_sends_nothing(scene: Scene) -> None:
    machine, root = scene.machine, scene.machine.root
    machine.fast = True
    for made in (Call.CALL, Call.SIGNAL, Call.REPLY_RECEIVE):
        machine.start(root, made, 99, 0, (0, 0, 0, 0), 0)
    told = [entry.event.name for entry in scene.ring().entries]
    assert told[-3:] == ["SYSCALL"] * 3 and not {"SEND", "REPLY", "SIGNAL"} & set(told)


@pytest.mark.parametrize("made", [Call.CALL, Call.REPLY_RECEIVE])
@pytest.mark.parametrize("fast", [True, False])
def test_a_call_that_waits_sends_nothing(made: Call, fast: bool, scene: Scene) -> None:
    """Who goes on meanwhile hasn't got its message: the record of the switch says so."""
    machine, root, other = scene.machine, scene.machine.root, scene.other
    machine.fast = fast
    scene.begin()
    machine.start(other, made, scene.endpoint, 0, (0, 0, 0, 0), 0 if made is Call.CALL else scene.reply)
    assert machine.current is root
    machine.start(root, Call.SIGNAL, 99, 0, (0, 0, 0, 0), 0)
    one, two = int(root.identifier), int(other.identifier)
    told = [(entry.event.name, entry.thread, entry.a) for entry in scene.ring().entries]
    assert told[-3:] == [("SYSCALL", two, made.value), ("SWITCH", one, two), ("SYSCALL", one, Call.SIGNAL.value)]


def test_a_second_ring_tells_who_runs_from_its_beginning_on(scene: Scene) -> None:
    """However many records the first one had."""
    machine, other = scene.machine, scene.other
    (second,) = machine.make(Kind.TRACE, 1)
    scene.begin()
    before = int(machine.hart.told)
    assert before > 1
    machine.invoke(second, Operation.TRACE_START, ALL_EVENTS)
    for _ in range(before - 1):
        machine.start(other, Call.SIGNAL, 99, 0, (0, 0, 0, 0), 0)
    machine.start(other, Call.CALL, scene.endpoint, 0, (0, 0, 0, 0), 0)
    assert machine.current is machine.root
    told = [entry.event.name for entry in replace(scene, trace=second).ring().entries]
    assert told == ["SYSCALL"] * before + ["SWITCH"]


def test_an_interrupt_of_no_line_isnt_told(scene: Scene) -> None:
    """It was gone when the kernel asked; as line 0 it would be the timer."""
    for line in (1, 0):
        scene.machine.interrupt(line)
    assert [(entry.event, entry.a) for entry in scene.ring().entries] == [(Event.INTERRUPT, 1)]


def test_when_nobody_runs(scene: Scene) -> None:
    """The last that is recorded of a machine that stands still is that it idles."""
    machine, root = scene.machine, scene.machine.root
    machine.start(root, Call.CALL, scene.endpoint, 0, (0, 0, 0, 0), 0)
    one = int(root.identifier)
    told = [(entry.event.name, entry.thread, entry.a) for entry in scene.ring().entries]
    assert told[-2:] == [("SYSCALL", one, Call.CALL.value), ("SWITCH", 0, one)]


def test_a_switch_says_who_goes_on_and_nothing_else(scene: Scene) -> None:
    """Who ran before, readers know."""
    machine, root, other = scene.machine, scene.machine.root, scene.other
    scene.begin()
    for caller in (other, root):
        machine.start(caller, Call.CALL, scene.endpoint, 0, (0, 0, 0, 0), 0)
    switches = [record for record in scene.records() if record[0] is Event.SWITCH]
    assert switches[-2:] == [(Event.SWITCH, int(root.identifier), 0, 0), (Event.SWITCH, 0, 0, 0)]


def test_a_switch_that_is_told_of_otherwise_has_no_record(scene: Scene) -> None:
    """In the general way the message has one, and the reply."""
    machine, root, server = scene.machine, scene.machine.root, scene.other
    machine.fast = False
    scene.begin()
    machine.start(server, Call.RECEIVE, scene.endpoint, 0, (call.NEVER, 0, 0, 0), scene.reply)
    before = len(scene.records())
    machine.start(root, Call.CALL, scene.endpoint, 0, (0, 0, 0, 0), 0)
    machine.start(server, Call.REPLY_RECEIVE, scene.endpoint, 0, (0, 0, 0, 0), scene.reply)
    assert machine.current is root
    told = [record[0] for record in scene.records()[before:] if record[0] is not Event.READY]
    assert told == [Event.SYSCALL, Event.SEND, Event.SYSCALL, Event.REPLY]


def test_who_goes_on_isnt_told_of_though_another_could_run(scene: Scene) -> None:
    machine = scene.machine
    _, peer = machine.spawn(PRIORITY)
    assert peer.ready
    before = len(scene.records())
    machine.invoke(boot.OWN_TABLE, Operation.INSPECT, boot.OWN_TABLE)
    assert [record[0] for record in scene.records()[before:]] == [Event.SYSCALL]


@pytest.mark.parametrize("passive", [False, True])
def test_who_becomes_ready_is_told(scene: Scene, passive: bool) -> None:
    """Whether who wakes it runs on time of its own or on its client's."""
    machine, root, server = scene.machine, scene.machine.root, scene.other
    index, woken = machine.spawn(PRIORITY - 1)
    machine.invoke(index, Operation.SUSPEND)
    caller = root
    if passive:
        scene.begin()
        machine.start(server, Call.RECEIVE, scene.endpoint, 0, (call.NEVER, 0, 0, 0), scene.reply)
        machine.invoke(scene.thread, Operation.UNBIND, Binding.CONTEXT.value)
        machine.start(root, Call.CALL, scene.endpoint, 0, (0, 0, 0, 0), 0)
        assert machine.current is server
        caller = server
    before = len(scene.records())
    machine.invoke(index, Operation.RESUME, thread=caller)
    told = [record for record in scene.records()[before:] if record[0] is not Event.SYSCALL]
    assert told == [(Event.READY, int(caller.identifier), int(woken.identifier), PRIORITY - 1)]


def test_calls_are_recorded_with_whatever_they_imply(scene: Scene) -> None:
    """Who asks for messages alone has the calls that carry them; who asks for capabilities hasn't."""
    machine, root = scene.machine, scene.machine.root
    trace = machine.slot(scene.trace).object
    assert isinstance(trace, Trace)
    for events, there in ((Event.SEND, True), (Event.DERIVE, False)):
        machine.invoke(scene.trace, Operation.TRACE_START, 1 << events.value)
        before = trace_header(trace).written
        machine.start(root, Call.SIGNAL, 99, 0, (0, 0, 0, 0), 0)
        assert (trace_header(trace).written > before) is there


def test_capabilities_that_are_made_and_deleted(scene: Scene) -> None:
    """b of the record says whether an object was made, or ended, with the capability."""
    machine = scene.machine
    (made,) = machine.make(Kind.NOTIFICATION)
    copy, machine.next_slot = machine.next_slot, machine.next_slot + 1
    machine.invoke(boot.OWN_TABLE, Operation.COPY, copy, 0, 0, given=made)
    machine.delete(made)
    events = (Event.DERIVE, Event.DELETE)
    told = [(entry.event, entry.a, entry.b) for entry in scene.ring().entries if entry.event in events]
    kind = Kind.NOTIFICATION.value
    assert told == [(Event.DERIVE, kind, 1), (Event.DERIVE, kind, 0), (Event.DELETE, kind, 0), (Event.DELETE, kind, 1)]


def test_a_message_that_waited_is_from_its_sender(scene: Scene) -> None:
    machine, root, sender = scene.machine, scene.machine.root, scene.other
    scene.begin()
    machine.start(sender, Call.SEND, scene.endpoint, 0, (0, 0, 0, 0), 0)
    machine.start(root, Call.RECEIVE, scene.endpoint, 0, (call.NEVER, 0, 0, 0), 0)
    sent = [(entry.thread, entry.a) for entry in scene.ring().entries if entry.event is Event.SEND]
    assert sent == [(int(sender.identifier), int(root.identifier))]


@pytest.mark.parametrize(
    ("cause", "kind", "told"), [(3, Fault.BREAKPOINT, "pc"), (13, Fault.PAGE, "address"), (5, Fault.BUS, "pc")]
)
def test_a_fault_says_where(scene: Scene, cause: int, kind: Fault, told: str) -> None:
    """A page fault at which address, for its pager; others at which instruction, for who looks for the line."""
    thread, address = scene.other, 0x7000
    scene.begin()
    scene.machine.trap(thread, cause, address)
    where = int(thread.registers.pc) if told == "pc" else address
    found = [(entry.thread, entry.a, entry.b) for entry in scene.ring().entries if entry.event is Event.FAULT]
    assert found == [(int(thread.identifier), kind.value, where)]
