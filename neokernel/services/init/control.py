"""What init is asked by who has a capability of kind SYSTEM: see `neokernel/runtime/control.py`.

Invariant: whatever is asked, in whatever words, is answered with one of `Answer`, and what is refused has changed
nothing.
"""

from __future__ import annotations

from neokernel.abi.call import NEVER, REGISTER_WORDS, message
from neokernel.abi.description import FIRST_DECLARED, MOST_TIME, GrantKind
from neokernel.abi.rights import ALL
from neokernel.abi.status import SECOND, Status
from neokernel.lang import Array, array, u8, u64
from neokernel.runtime import system
from neokernel.runtime.child import CONTEXT, TABLE
from neokernel.runtime.control import LAST_REQUEST, NAME_WORDS, Answer, Name, Phase, Request
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure, Message
from neokernel.services.init.build import authority
from neokernel.services.init.lifecycle import end, launch, stop
from neokernel.services.init.post_mortem import POST_MORTEMS
from neokernel.services.init.state import (
    BEGAN,
    Delegation,
    Init,
    after,
    first_slot,
    free_memory,
    free_slots,
    grants_of,
    kind_of_grant,
    memory_left,
    ticks,
)
from neokernel.services.init.swap import begin_swap, reply_with


def serve(process: Process, init: Init, asked: Message) -> None:
    """Do what is asked, and answer."""
    label = asked.label()
    if not 1 <= label <= LAST_REQUEST:
        reply_with(init.reply, Answer.UNKNOWN)
        return
    match Request(u8(label)):
        case Request.STATUS:
            tell_status(process, init, asked.w0)
        case Request.POST_MORTEM:
            tell_post_mortem(process, init, asked.w0)
        case Request.RESOURCES:
            tell_resources(process, init)
        case Request.BEGINNING:
            word = message(u64(Answer.DONE.value), 3)
            began = (process.arguments[BEGAN], process.arguments[BEGAN + 1])
            _ = system.reply(init.reply, word, process.boot().boot_instructions, began[0], began[1])
        case Request.GRANT:
            tell_grant(process, init, asked.w0, asked.w1)
        case Request.KILL:
            reply_with(init.reply, kill(process, init, asked.w0))
        case Request.STOP:
            reply_with(init.reply, put_down(process, init, asked.w0))
        case Request.START:
            reply_with(init.reply, put_up(process, init, asked.w0))
        case Request.SWAP:
            replace_service(process, init, asked)
        case Request.DELEGATE:
            delegate(process, init, asked)
        case Request.TAKE_BACK:
            reply_with(init.reply, take_back(process, init, asked.w0))


# --- what there is ----------------------------------------------------------------------------------------------------


def tell_status(process: Process, init: Init, index: u64) -> None:
    if index >= init.description.services():
        reply_with(init.reply, Answer.OUT_OF_RANGE)
        return
    unit = init.units[index]
    used: u64 = 0
    free: u64 = 0
    first = first_slot(process, unit.number)
    if first != 0:
        context = system.context_info(first + CONTEXT)
        used = context.used if not isinstance(context, Failure) else 0
        free = memory_left(process, first, unit.own_memory)
    name = Name()
    name.assign(init.name(index))
    name.write_words(process.buffer.words[:NAME_WORDS])
    word = message(u64(Answer.DONE.value), REGISTER_WORDS + NAME_WORDS)
    _ = system.reply(init.reply, word, u64(unit.phase.value), unit.starts, used, free)


def tell_grant(process: Process, init: Init, index: u64, place: u64) -> None:
    if index >= init.description.services() or place >= u64(init.service(index).grant_count):
        reply_with(init.reply, Answer.OUT_OF_RANGE)
        return
    number = grants_of(init, index).first + place
    grant, kind = init.description.grant(number), kind_of_grant(init, number)
    target, size = grant.target, grant.size
    exists = kind is not GrantKind.NONE
    if kind is GrantKind.USES:
        exists = init.objects[target] != 0
        owner = u64(init.description.grant(target).owner)
        target, size = owner, target - grants_of(init, owner).first
    name = Name()
    name.assign(init.description.text(grant.name))
    name.write_words(process.buffer.words[:NAME_WORDS])
    word = message(u64(Answer.DONE.value), REGISTER_WORDS + NAME_WORDS)
    _ = system.reply(init.reply, word, u64(kind.value), target, size, 1 if exists else 0)


def tell_post_mortem(process: Process, init: Init, number: u64) -> None:
    """The `number`-th latest, from 0 on."""
    if number >= min(init.deaths, POST_MORTEMS):
        reply_with(init.reply, Answer.OUT_OF_RANGE)
        return
    post_mortem = init.post_mortems[(init.deaths - 1 - number) % POST_MORTEMS]
    first: Array[u64] = array(REGISTER_WORDS)
    count = post_mortem.write_words(first, process.buffer.words)
    _ = system.reply(init.reply, message(u64(Answer.DONE.value), count), first[0], first[1], first[2], first[3])


def tell_resources(process: Process, init: Init) -> None:
    running: u64 = 0
    for unit in init.units:
        if unit.phase is Phase.RUNS:
            running += 1
    word = message(u64(Answer.DONE.value), 4)
    services = init.description.services()
    _ = system.reply(init.reply, word, free_memory(process), free_slots(process), services, running)


# --- what is done -----------------------------------------------------------------------------------------------------


def is_busy(init: Init, index: u64) -> bool:
    """Is this service being replaced?"""
    return init.swap.unit == index + 1


def kill(process: Process, init: Init, index: u64) -> Answer:
    if index >= init.description.services():
        return Answer.OUT_OF_RANGE
    if is_busy(init, index):
        return Answer.BUSY
    if init.units[index].phase is not Phase.RUNS:
        return Answer.WRONG_PHASE
    end(process, init, index, True)
    return Answer.DONE


def put_down(process: Process, init: Init, index: u64) -> Answer:
    if index >= init.description.services():
        return Answer.OUT_OF_RANGE
    if is_busy(init, index):
        return Answer.BUSY
    if init.units[index].phase is Phase.DOWN:
        return Answer.WRONG_PHASE
    stop(process, init, index)
    return Answer.DONE


def put_up(process: Process, init: Init, index: u64) -> Answer:
    if index >= init.description.services():
        return Answer.OUT_OF_RANGE
    unit = init.units[index]
    if unit.phase not in (Phase.DOWN, Phase.GIVEN_UP):
        return Answer.WRONG_PHASE
    unit.restarts = unit.escalated = 0
    launch(process, init, index)
    return Answer.DONE


def replace_service(process: Process, init: Init, asked: Message) -> None:
    index, patience = asked.w0, asked.w1
    name = Name()
    name.read_words(process.buffer.words[:NAME_WORDS])
    if index >= init.description.services() or patience > MOST_TIME or asked.length() != REGISTER_WORDS + NAME_WORDS:
        reply_with(init.reply, Answer.OUT_OF_RANGE)
        return
    answer = begin_swap(process, init, index, name.view(), patience)
    if isinstance(answer, Failure):
        reply_with(init.reply, Answer.FAILED, answer)
    elif answer is not Answer.DONE:
        reply_with(init.reply, answer)


# --- delegation -------------------------------------------------------------------------------------------------------


def delegate(process: Process, init: Init, asked: Message) -> None:
    """A copy of what a service was granted, below a copy of init's, which is deleted when the time is over."""
    owner, place, to = asked.w0, asked.w1, asked.w2
    duration, slot = asked.w3 & ((1 << 48) - 1), asked.w3 >> 48
    services = init.description.services()
    if owner >= services or to >= services or duration > MOST_TIME or asked.length() != 4:
        reply_with(init.reply, Answer.OUT_OF_RANGE)
        return
    grants = grants_of(init, owner)
    target = first_slot(process, init.units[to].number)
    delegation = free_delegation(init)
    if place >= grants.end - grants.first or slot < FIRST_DECLARED:
        reply_with(init.reply, Answer.OUT_OF_RANGE)
    elif target == 0:
        reply_with(init.reply, Answer.WRONG_PHASE)
    elif delegation is None:
        reply_with(init.reply, Answer.BUSY)
    else:
        failure = hand_out(process, init, delegation, grants.first + place, to, target + TABLE, slot)
        if failure is not None:
            reply_with(init.reply, Answer.FAILED, failure)
            return
        delegation.due = after(system.now(), ticks(process, duration))
        delegation.serial = init.next_serial()
        _ = system.reply(init.reply, message(u64(Answer.DONE.value), 1), delegation.serial)


def free_delegation(init: Init) -> Delegation | None:
    for delegation in init.delegations:
        if delegation.copy == 0:
            return delegation
    return None


def hand_out(
    process: Process, init: Init, delegation: Delegation, grant: u64, to: u64, table: u64, slot: u64
) -> Failure | None:
    """Put what a grant gives into `slot` of the table of the service `to`, by a copy of init's own."""
    found = authority(process, init, grant, to)
    if found is None:
        return Failure(Status.NO_CAPABILITY, SECOND)
    if isinstance(found, Failure):
        return found
    copy = process.derive(found.source, found.rights, found.badge)
    if isinstance(copy, Failure):
        return copy
    failure = system.copy(process.buffer, table, slot, ALL, 0, copy)
    if failure is None:
        delegation.copy = copy
    else:
        _ = process.drop(copy)
    return failure


def take_back(process: Process, init: Init, serial: u64) -> Answer:
    for delegation in init.delegations:
        if delegation.copy != 0 and delegation.serial == serial:
            return revoke(process, delegation)
    return Answer.OUT_OF_RANGE


def revoke(process: Process, delegation: Delegation) -> Answer:
    """Nothing is left of it, wherever it went. A frame that a device may still reach can't be taken: later."""
    if process.drop(delegation.copy) is not None:
        return Answer.BUSY
    delegation.copy = 0
    return Answer.DONE


def do_due_delegations(process: Process, init: Init, now: u64) -> None:
    for delegation in init.delegations:
        if delegation.copy != 0 and delegation.due <= now and revoke(process, delegation) is not Answer.DONE:
            delegation.due = after(now, process.frequency // 100)


def next_due_delegation(init: Init) -> u64:
    first: u64 = NEVER
    for delegation in init.delegations:
        if delegation.copy != 0:
            first = min(first, delegation.due)
    return first
