"""What init knows of the services, and of itself.

A *unit* is a service as init sees it. Its endpoints, the memory that it keeps, and what else is its own longer than a
process lives, belong to init: `objects` has them by the index of the grant.

Invariants: `owner` says which unit each child belongs to; a unit's `number` is 0 exactly if it has no process. `due` is
the time of what is to be done next, if the phase is WAITING or ENDING.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_TABLE
from neokernel.abi.call import NEVER
from neokernel.abi.description import GrantKind, Service
from neokernel.abi.rights import CONTROL
from neokernel.interfaces.system import Phase, Reason, Refused
from neokernel.lang import Array, Embedded, Span, array, struct, u16, u64, value
from neokernel.runtime import system
from neokernel.runtime.capabilities import MAXIMUM_CHILDREN
from neokernel.runtime.child import TABLE, Child
from neokernel.runtime.process import Process
from neokernel.runtime.space import Kept
from neokernel.runtime.system import Failure
from neokernel.services.init.denials import Gathered
from neokernel.services.init.description import Description
from neokernel.services.init.name import Name
from neokernel.services.init.outbox import Outbox
from neokernel.services.init.post_mortem import PostMortem

#: badges on init's endpoint: children have their numbers, the messenger has this; who may ask has ASKING and its index,
#: and above PROVIDED_SHIFT which of init's interfaces it may call
MESSENGER: u64 = 0x8000
ASKING: u64 = 0x1_0000
#: of the root process's arguments, which nobody else uses: the count of instructions when init began, and the time
BEGAN = 0
#: how many authorities can be delegated at once
DELEGATIONS = 32


@struct
class Unit:
    """A service. All zeroes is one that hasn't been started."""

    phase: Phase
    #: what it will be when it has ended: WAITING if it is to be started again
    next: Phase
    #: it has said so, since it was started
    ready: bool
    #: how often it has said something that means nothing, since it was started
    noise: u64
    #: the child's, and the slot in which its run begins
    number: u64
    #: where its stack's frames are in its table of what is kept, and in its own one the Memory that it uses
    stack: u64
    own_memory: u64
    starts: u64
    #: restarts since the window began, and when that was
    restarts: u64
    window: u64
    #: when its dependants were restarted because of it; 0 for never
    escalated: u64
    due: u64
    #: index of its notification, 0 for none, and when it is looked at
    beat: u64
    beat_due: u64
    #: of a passive one: when to look whether it waits, and its time can be taken away, or whether it is ready; 0 if not
    idle_due: u64
    #: the frames of its state
    region: Embedded[Kept]
    #: index of a Memory that its endpoint is made of, and of one for its DmaSpaces: memory isn't given back in parts,
    #: so what ends before the system does is made of what can be used again as a whole
    endpoint: u64
    device_spaces: u64
    #: what it runs
    program: Embedded[Name]
    #: what its former processes were denied
    denials: Embedded[Gathered]


@struct
class Delegation:
    """An authority that a service has for a time: `copy` is init's slot that all of it hangs on; 0 for none."""

    copy: u64 = 0
    #: whose it is, which of its grants, and where it went
    service: u64 = 0
    place: u64 = 0
    to: u64 = 0
    at: u64 = 0
    due: u64 = 0
    serial: u64 = 0


@struct
class Swap:
    """The replacement that is under way. `unit` is the service's index plus 1, 0 for none."""

    unit: u64 = 0
    #: the new version's process
    child: Embedded[Child] = Child()
    #: the old one has handed over, and the new one has begun
    begun: bool = False
    #: the old one's time is over: its call is called off
    late: bool = False
    #: the new one has come to its end before it was ready
    failed: bool = False
    due: u64 = 0
    patience: u64 = 0
    #: of the order to the messenger
    serial: u64 = 0
    #: index of the Reply that holds who asked
    reply: u64 = 0
    #: programs
    old: Embedded[Name] = Name()
    new: Embedded[Name] = Name()


@struct
class Init:
    """The whole system."""

    description: Description
    units: Span[Embedded[Unit]]
    #: by grant, the index of the object that it names, if init has made one
    objects: Span[u64]
    #: by grant, the frames of what is lent by it
    regions: Span[Embedded[Kept]]
    post_mortems: Span[Embedded[PostMortem]]
    outbox: Outbox
    #: index of the endpoint where init hears of everything
    events: u64
    #: the Reply that it receives with, and another one
    reply: u64
    spare: u64
    #: index of the endpoint of the messenger, of its thread, and of the copy of `events` by which it reports
    orders: u64
    messenger: u64
    reports: u64
    #: by number of a child: the unit's index plus 1
    owner: Array[u16] = array(MAXIMUM_CHILDREN + 1)
    #: post-mortems so far
    deaths: u64 = 0
    #: when something is due next, and whether that may have changed
    next_due: u64 = NEVER
    changed: bool = True
    serial: u64 = 0
    #: a ring of events is mapped
    traced: bool = False
    #: who has ended all others, to end the machine: its index plus 1, 0 for nobody; and until when it has time for that
    ender: u64 = 0
    ender_due: u64 = 0
    swap: Embedded[Swap] = Swap()
    delegations: Array[Embedded[Delegation]] = array(DELEGATIONS)

    def unit_of(self, number: u64) -> u64 | None:
        """The index of the unit that a child belongs to."""
        if not 1 <= number <= MAXIMUM_CHILDREN or self.owner[number] == 0:
            return None
        return u64(self.owner[number]) - 1

    def service(self, index: u64) -> Service:
        return self.description.service(index)

    def name(self, index: u64) -> bytes:
        return self.description.text(self.service(index).name)

    def is_swapped(self, index: u64) -> bool:
        """Is this unit's new version on its way: is it to say that it is ready?"""
        return self.swap.unit == index + 1 and self.swap.begun

    def next_serial(self) -> u64:
        self.serial += 1
        return self.serial


@value
class Grants:
    """A service's grants: indices from `first` up to `end`."""

    first: u64
    end: u64


def grants_of(init: Init, index: u64) -> Grants:
    service = init.service(index)
    first = u64(service.grant_first)
    return Grants(first, first + u64(service.grant_count))


def kind_of_grant(init: Init, grant: u64) -> GrantKind:
    """The description is accepted, so there is one."""
    return GrantKind(init.description.grant(grant).kind)


def failed(failure: Failure) -> Refused:
    """What who asks is told of a system call that failed."""
    return Refused(Reason.FAILED, failure.status, failure.argument)


def ticks(process: Process, microseconds: u64) -> u64:
    """Of times up to MOST_TIME, and clocks up to some 10 GHz."""
    seconds, rest = microseconds // 1_000_000, microseconds % 1_000_000
    return seconds * process.frequency + rest * process.frequency // 1_000_000


def after(time: u64, delay: u64) -> u64:
    """A deadline; never later than the last one that isn't NEVER."""
    return time + min(delay, NEVER - 1 - time)


def free_slots(process: Process) -> u64:
    """Of init's table."""
    slots = process.slots()
    free: u64 = 0
    for slot in range(u64(0), slots.words * 64):
        if not slots.is_taken(slot):
            free += 1
    return free


def free_memory(process: Process) -> u64:
    info = system.memory_info(process.memory)
    return 0 if isinstance(info, Failure) else info.free


def first_slot(process: Process, number: u64) -> u64:
    """Where a child's run of slots begins; 0 if there is none."""
    first = process.children().first(number)
    return 0 if first is None else first


def table_of(process: Process, unit: Unit) -> u64:
    """The index of its process's capability table; 0 if it has none."""
    first = first_slot(process, unit.number)
    return 0 if first == 0 else first + TABLE


def memory_left(process: Process, first: u64, index: u64) -> u64:
    """Free bytes of the Memory at `index` of a child's table; 0 if there is none any more."""
    slot = process.slot()
    if isinstance(slot, Failure):
        return 0
    left: u64 = 0
    if system.copy_out(process.buffer, first + TABLE, index, CONTROL, slot) is None:
        info = system.memory_info(slot)
        left = 0 if isinstance(info, Failure) else info.free
        _ = system.delete(OWN_TABLE, slot)
    process.slots().release(slot)
    return left
