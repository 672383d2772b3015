"""A service's process: its program, with exactly what its entry in the description says.

Invariants: what can't be made completely isn't made: no process, no slot, no capability is left of it. Capability i of
those that the program declares is in slot FIRST_DECLARED + i; what was denied leaves its slot empty.
"""

from __future__ import annotations

from neokernel.abi.boot import PLATFORM, PROCESSOR
from neokernel.abi.description import FIRST_DECLARED, GrantKind, SettingKind
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.rights import ALL, BEYOND, CONTROL, READ, RECEIVE, SEND, WRITE
from neokernel.abi.status import FIRST, Status
from neokernel.lang import u16, u64, usize, value
from neokernel.runtime import system
from neokernel.runtime.child import MORE_KEPT, TABLE, Child, memory_source
from neokernel.runtime.interface import PROVIDED_SHIFT
from neokernel.runtime.lend import frame_size, frames_of, lends_at, lent_at
from neokernel.runtime.process import STATE_ADDRESS, Process
from neokernel.runtime.space import Kept, released
from neokernel.runtime.system import Failure
from neokernel.services.init.state import ASKING, Init, Unit, first_slot, grants_of, kind_of_grant
from neokernel.services.init.trace import map_ring

#: bytes of Memory for a service's endpoint
ENDPOINT_ROOM: u64 = PAGE_SIZE
#: bytes that a DmaSpace takes, and each frame that can be pinned in it, and some more
DMA_HEADER: u64 = 256
PIN_SIZE: u64 = 32


def make(process: Process, init: Init, index: u64, program: bytes, child: Child) -> Failure | None:
    """The process of unit `index`, that runs `program`, stopped."""
    service = init.service(index)
    pages = pages_of(service.state)
    failure = make_frames(process, init.units[index].region, pages)
    if failure is None:
        slots = u64(service.capabilities)
        more = MORE_KEPT + pages + lent_frames(init, index)
        failure = child.create(process, program, init.events, service.memory, slots, more, True)
    if failure is not None:
        return failure
    failure = furnish(process, init, index, child)
    if failure is not None:
        _ = child.end(process)
    return failure


def furnish(process: Process, init: Init, index: u64, child: Child) -> Failure | None:
    """Give it what it has."""
    grants = grants_of(init, index)
    child.next_slot = FIRST_DECLARED + grants.end - grants.first
    platform: u16 = 0
    for grant in range(grants.first, grants.end):
        failure = give(process, init, child, grant, FIRST_DECLARED + grant - grants.first)
        if failure is not None:
            return failure
        platform |= platform_right(init, grant)
    if platform != 0:
        failure = child.grant_at(process, PLATFORM, PLATFORM, platform)
        if failure is not None:
            return failure
    configure(init, index, child)
    failure = share_state(process, init, index, child)
    if failure is None:
        failure = share_lent(process, init, index, child)
    beat = init.units[index].beat
    if failure is None and beat != 0:
        failure = child.share_heartbeat(process, beat)
    return child.give_memory(process) if failure is None else failure


@value
class Authority:
    """What is behind a grant: a capability of init's, with what a copy of it may do, and its badge, 0 for none."""

    source: u64
    rights: u16
    badge: u64 = 0


def give(process: Process, init: Init, child: Child, grant: u64, slot: u64) -> Failure | None:
    """One capability, into a slot of its table."""
    found = authority(process, init, grant, u64(init.description.grant(grant).owner))
    if found is None:
        return None
    if isinstance(found, Failure):
        return found
    if found.source == PROCESSOR:
        failure = child.grant_at(process, PROCESSOR, PROCESSOR, found.rights, found.badge)
        if failure is not None:
            return failure
    return child.grant_at(process, slot, found.source, found.rights, found.badge)


def authority(process: Process, init: Init, grant: u64, holder: u64) -> Authority | Failure | None:
    """What a grant gives if the service `holder` has it. None: nothing, for now or for good."""
    record = init.description.grant(grant)
    target = record.target
    match kind_of_grant(init, grant):
        case GrantKind.NONE:
            return None
        case GrantKind.PROVIDES:
            return Authority(init.objects[grant], RECEIVE)
        case GrantKind.USES:
            # Of one that is given up, there is nothing to have until it is started again.
            endpoint = init.objects[target]
            return Authority(endpoint, record.rights, badge_of(init, target, holder)) if endpoint != 0 else None
        case GrantKind.DEVICE:
            device = process.device(target)
            return missing() if device is None else Authority(device, CONTROL)
        case GrantKind.INTERRUPT:
            line = interrupt(process, target)
            return missing() if line is None else Authority(line, CONTROL)
        case GrantKind.PROCESSOR:
            return Authority(PROCESSOR, CONTROL, target)
        case GrantKind.POWER:
            return Authority(PLATFORM, CONTROL)
        case GrantKind.CONSOLE:
            return Authority(PLATFORM, WRITE)
        case GrantKind.SYSTEM:
            return Authority(init.events, SEND, target << PROVIDED_SHIFT | ASKING + holder)
        case GrantKind.DMA:
            return device_space(process, init, grant)
        case GrantKind.MEMORY:
            return made_once(process, init, grant, Kind.MEMORY, ALL & ~BEYOND)
        case GrantKind.TRACE:
            return made_once(process, init, grant, Kind.TRACE, CONTROL | READ)


def badge_of(init: Init, provided: u64, client: u64) -> u64:
    """What a server sees of a client that calls what it provides by the grant `provided`."""
    first = u64(init.service(u64(init.description.grant(provided).owner)).grant_first)
    place: u64 = 0
    for grant in range(first, provided):
        if kind_of_grant(init, grant) is GrantKind.PROVIDES:
            place += 1
    return place << PROVIDED_SHIFT | client + 1


def made_once(process: Process, init: Init, grant: u64, kind: Kind, rights: u16) -> Authority | Failure:
    """What init makes for the service when it is first started, and keeps when it ends."""
    if init.objects[grant] == 0:
        memory: u64 | Failure = process.memory
        if kind is not Kind.TRACE:
            # What the service makes of its Memory can't become a DmaSpace or a Trace.
            memory = memory_source(process)
        if isinstance(memory, Failure):
            return memory
        made = process.make_of(memory, kind, init.description.grant(grant).size)
        if isinstance(made, Failure):
            return made
        init.objects[grant] = made
        if kind is Kind.TRACE and not init.traced:
            failure = map_ring(process, made, init.description.grant(grant).size)
            if failure is not None:
                return failure
            init.traced = True
    return Authority(init.objects[grant], rights)


def device_space(process: Process, init: Init, grant: u64) -> Authority | Failure:
    """A DmaSpace for one life of the service."""
    record = init.description.grant(grant)
    if init.objects[grant] == 0:
        unit = init.units[usize(record.owner)]
        if unit.device_spaces == 0:
            home = process.make(Kind.MEMORY, room_for_pins(init, u64(record.owner)))
            if isinstance(home, Failure):
                return home
            unit.device_spaces = home
        pins = record.size + lent_frames(init, u64(record.owner))
        made = process.make_of(unit.device_spaces, Kind.DMA_SPACE, pins)
        if isinstance(made, Failure):
            return made
        init.objects[grant] = made
    return Authority(init.objects[grant], CONTROL)


def room_for_pins(init: Init, index: u64) -> u64:
    """Bytes of Memory for all DmaSpaces of a unit."""
    grants = grants_of(init, index)
    size: u64 = 0
    for grant in range(grants.first, grants.end):
        if kind_of_grant(init, grant) is GrantKind.DMA:
            # What it is lent is pinned beside what it has itself.
            size += DMA_HEADER + (init.description.grant(grant).size + lent_frames(init, index)) * PIN_SIZE
    return pages_of(size) * PAGE_SIZE


def platform_right(init: Init, grant: u64) -> u16:
    """What a grant adds to the PLATFORM that the runtime knows."""
    match kind_of_grant(init, grant):
        case GrantKind.POWER:
            return CONTROL
        case GrantKind.CONSOLE:
            return WRITE
        case _:
            return 0


def missing() -> Failure:
    """The board hasn't what the description says."""
    return Failure(Status.NO_CAPABILITY, FIRST)


def interrupt(process: Process, line: u64) -> u64 | None:
    """Index of an interrupt line's capability."""
    boot = process.boot()
    return u64(boot.interrupt_first) + line - 1 if 1 <= line <= u64(boot.interrupt_count) else None


def configure(init: Init, index: u64, child: Child) -> None:
    """Its settings."""
    service = init.service(index)
    first = u64(service.setting_first)
    for number in range(first, first + u64(service.setting_count)):
        setting = init.description.setting(number)
        if SettingKind(setting.kind) is SettingKind.TEXT:
            child.settings.add_text(init.description.text(setting.text))
        else:
            child.settings.add(setting.value)


# --- what outlives a process ------------------------------------------------------------------------------------------


def pages_of(size: u64) -> u64:
    return (size + (PAGE_SIZE - 1)) // PAGE_SIZE


def make_frames(process: Process, region: Kept, frames: u64, size: u64 = PAGE_SIZE) -> Failure | None:
    """The frames of a region, each of `size`, in their order, once: zeroes at first.

    What a failure leaves undone is done the next time: memory isn't given back, so what was made is kept.
    """
    if frames != 0 and region.table == 0:
        table = process.make(Kind.CAP_TABLE, frames)
        if isinstance(table, Failure):
            return table
        region.table = table
    while region.next < frames:
        frame = process.make(Kind.FRAME, 0 if size == PAGE_SIZE else 1)
        failure = region.keep(process, frame) if not isinstance(frame, Failure) else frame
        if failure is not None:
            return failure
    return None


def share_state(process: Process, init: Init, index: u64, child: Child) -> Failure | None:
    """Map the unit's state into its process."""
    child.state_size = init.service(index).state
    pages = pages_of(child.state_size)
    return share_frames(process, init.units[index].region.table, pages, child, STATE_ADDRESS)


def share_frames(
    process: Process, table: u64, frames: u64, child: Child, address: u64, size: u64 = PAGE_SIZE
) -> Failure | None:
    """Map the frames in a table of init's, from its first slot on, into a process; `size`: of each."""
    for frame in range(frames):
        slot = process.slot()
        if isinstance(slot, Failure):
            return slot
        failure = system.copy_out(process.buffer, table, frame, READ | WRITE, slot)
        if failure is not None:
            return released(process, slot, failure)
        failure = child.map_kept(process, address + frame * size, READ | WRITE, slot)
        if failure is not None:
            return failure
    return None


def lent_frames(init: Init, index: u64) -> u64:
    """How many frames a unit lends, and is lent."""
    frames: u64 = 0
    for user in range(init.description.grants()):
        frames += frames_of(pages_between(init, index, user))
    return frames


def pages_between(init: Init, index: u64, user: u64) -> u64:
    """The pages that are lent by the grant `user`, if the unit uses something by it, or is used; otherwise 0.

    Who was denied what it would lend by has the region all the same, which nobody else has then: so a program comes to
    the call that the denial is about.
    """
    grant = init.description.grant(user)
    match kind_of_grant(init, user):
        case GrantKind.USES:
            concerned = index in (u64(grant.owner), u64(init.description.grant(grant.target).owner))
        case GrantKind.NONE:
            concerned = index == u64(grant.owner)
        case _:
            concerned = False
    return pages_of(grant.size) if concerned else 0


def share_lent(process: Process, init: Init, index: u64, child: Child) -> Failure | None:
    """Map what a unit lends, and what it is lent: the same frames for both, which are init's."""
    for user in range(init.description.grants()):
        pages, client = pages_between(init, index, user), u64(init.description.grant(user).owner)
        if pages == 0:
            continue
        region, frames, size = init.regions[user], frames_of(pages), frame_size(pages)
        failure = make_frames(process, region, frames, size)
        if failure is None and index == client:
            place = user - grants_of(init, client).first
            child.lends[place] = u16(pages)
            failure = share_frames(process, region.table, frames, child, lends_at(place, pages), size)
        elif failure is None:
            child.lent[client + 1] = u16(pages)
            failure = share_frames(process, region.table, frames, child, lent_at(client + 1, pages), size)
            if failure is None and has_device_space(init, index):
                failure = give_frames(process, region.table, frames, child)
        if failure is not None:
            return failure
    return None


def has_device_space(init: Init, index: u64) -> bool:
    """Does a unit let a device reach memory?"""
    grants, found = grants_of(init, index), False
    for grant in range(grants.first, grants.end):
        found = found or kind_of_grant(init, grant) is GrantKind.DMA
    return found


def give_frames(process: Process, table: u64, frames: u64, child: Child) -> Failure | None:
    """Let a process pin what it is lent. Clients stand in the order of their badges, and so do their frames."""
    for frame in range(frames):
        slot = process.slot()
        if isinstance(slot, Failure):
            return slot
        failure = system.copy_out(process.buffer, table, frame, READ | WRITE, slot)
        if failure is not None:
            return released(process, slot, failure)
        failure = child.give_lent_frame(process, slot)
        if failure is not None:
            return failure
    return None


def open_endpoint(process: Process, init: Init, index: u64) -> Failure | None:
    """Make the endpoint that a unit serves at, if it has none, and give it to those who use it and run."""
    grants = grants_of(init, index)
    endpoint: u64 = 0
    for grant in range(grants.first, grants.end):
        if kind_of_grant(init, grant) is not GrantKind.PROVIDES or init.objects[grant] != 0:
            continue
        if endpoint == 0:
            made = make_endpoint(process, init.units[index])
            if isinstance(made, Failure):
                return made
            endpoint = made
        init.objects[grant] = endpoint
        for user in range(init.description.grants()):
            if kind_of_grant(init, user) is GrantKind.USES and init.description.grant(user).target == grant:
                give_late(process, init, user, init.units[usize(init.description.grant(user).owner)].number)
    return None


def make_endpoint(process: Process, unit: Unit) -> u64 | Failure:
    if unit.endpoint == 0:
        home = process.make(Kind.MEMORY, ENDPOINT_ROOM)
        if isinstance(home, Failure):
            return home
        unit.endpoint = home
    return process.make_of(unit.endpoint, Kind.ENDPOINT)


def give_again(process: Process, init: Init, index: u64, number: u64) -> None:
    """Give a unit's process that hasn't run yet what it has lost since it was made."""
    grants = grants_of(init, index)
    for grant in range(grants.first, grants.end):
        if kind_of_grant(init, grant) is GrantKind.USES:
            give_late(process, init, grant, number)


def give_late(process: Process, init: Init, grant: u64, number: u64) -> None:
    """Give a client's process what it hasn't any more. Where it has put something else meanwhile, that stays."""
    record = init.description.grant(grant)
    owner = u64(record.owner)
    first = first_slot(process, number)
    if first != 0 and init.objects[record.target] != 0:
        slot = FIRST_DECLARED + grant - grants_of(init, owner).first
        badge = badge_of(init, record.target, owner)
        _ = system.copy(process.buffer, first + TABLE, slot, record.rights, badge, init.objects[record.target])


def close_endpoint(process: Process, init: Init, index: u64) -> None:
    """End where a unit serves: who waits there is told (CANCELLED), and whoever calls later (NO_CAPABILITY)."""
    grants = grants_of(init, index)
    endpoint: u64 = 0
    for grant in range(grants.first, grants.end):
        if kind_of_grant(init, grant) is GrantKind.PROVIDES:
            endpoint, init.objects[grant] = init.objects[grant], 0
    if endpoint != 0:
        _ = process.drop(endpoint)
