"""What init is asked by who may: it serves the interfaces of `neokernel/interfaces/system.py` at its endpoint.

Invariant: whatever is asked, in whatever words, is answered, now or when a replacement has come to its end; what is
refused has changed nothing.
"""

from __future__ import annotations

from neokernel.abi.call import Call, argument_of, status_of
from neokernel.abi.denials import CALL_MASK
from neokernel.abi.description import FIRST_DECLARED, INIT_SHUTDOWN, INIT_SYSTEM, MOST_TIME, GrantKind
from neokernel.abi.status import Status
from neokernel.interfaces.system import (
    Access,
    Beginning,
    Delegated,
    Denial,
    GrantInfo,
    Phase,
    Reason,
    Refused,
    Resources,
    ServiceStatus,
    Shutdown,
    System,
    Trespass,
    Unknown,
    Watch,
)
from neokernel.lang import Provides, Span, copy, provides, struct, u8, u32, u64, usize
from neokernel.runtime import system
from neokernel.runtime.child import CONTEXT, TABLE, THREAD
from neokernel.runtime.interface import client_of, provided_of
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure, Message
from neokernel.services.init.delegation import free_delegation, hand_out, revoke
from neokernel.services.init.denials import TRESPASS
from neokernel.services.init.lifecycle import await_end, end, launch, power_off, stop, stop_all
from neokernel.services.init.post_mortem import POST_MORTEMS
from neokernel.services.init.state import (
    ASKING,
    BEGAN,
    Init,
    after,
    failed,
    first_slot,
    free_memory,
    free_slots,
    grants_of,
    kind_of_grant,
    memory_left,
    table_of,
    ticks,
)
from neokernel.services.init.swap import begin_swap


def serve(process: Process, init: Init, asked: Message) -> None:
    """Do what is asked, and answer."""
    reply = init.reply
    desk = Desk(process=process, init=init, client=client_of(asked.badge) - ASKING)
    if provided_of(asked.badge) == INIT_SYSTEM:
        system_: Provides[System] = provides(init.events)
        answer = system_.dispatch(desk, asked)
    elif provided_of(asked.badge) == INIT_SHUTDOWN:
        shutdown: Provides[Shutdown] = provides(init.events)
        answer = shutdown.dispatch(desk, asked)
    else:
        watch: Provides[Watch] = provides(init.events)
        answer = watch.dispatch(desk, asked)
    if init.reply == reply:
        _ = system.reply(reply, answer.word, answer.w0, answer.w1, answer.w2, answer.w3)


@struct
class Desk:
    """Where one request is dealt with."""

    process: Process
    init: Init
    #: the index of the service that asks
    client: u64

    # --- Watch --------------------------------------------------------------------------------------------------------

    def own(self) -> u64:
        return self.client

    def service(self, index: u64, name: Span[u8]) -> ServiceStatus | Unknown:
        process, init = self.process, self.init
        if index >= init.description.services():
            return Unknown.SERVICE
        unit = init.units[index]
        used: u64 = 0
        free: u64 = 0
        thread: u32 = 0
        first = first_slot(process, unit.number)
        if first != 0:
            context = system.context_info(first + CONTEXT)
            used = context.used if not isinstance(context, Failure) else 0
            known = system.thread_info(first + THREAD)
            thread = u32(known.identifier) if not isinstance(known, Failure) else 0
            free = memory_left(process, first, unit.own_memory)
        denied = unit.denials.total(table_of(process, unit))
        return ServiceStatus(unit.phase, unit.starts, used, free, thread, denied, tell(name, init.name(index)))

    def denial(self, index: u64, number: u64) -> Denial | Trespass | Unknown:
        process, init = self.process, self.init
        if index >= init.description.services():
            return Unknown.SERVICE
        unit = init.units[index]
        found = unit.denials.find(table_of(process, unit), number)
        if found is None:
            return Unknown.DENIAL
        if found.outcome == TRESPASS:
            return Trespass(Access(u8(min(found.word, 2))), found.capability)
        call, status = Call(u8(found.outcome & CALL_MASK)), Status(u8(status_of(found.outcome)))
        return Denial(call, found.capability, found.word, status, argument_of(found.outcome))

    def find(self, name: bytes) -> u64 | Unknown:
        for index in range(self.init.description.services()):
            if self.init.name(index) == name:
                return index
        return Unknown.SERVICE

    def grant(self, index: u64, place: u64, name: Span[u8]) -> GrantInfo | Unknown:
        init = self.init
        if index >= init.description.services():
            return Unknown.SERVICE
        if place >= u64(init.service(index).grant_count):
            return Unknown.GRANT
        number = grants_of(init, index).first + place
        grant, kind = init.description.grant(number), kind_of_grant(init, number)
        target, size = grant.target, grant.size
        exists = kind is not GrantKind.NONE
        if kind is GrantKind.USES:
            exists = init.objects[target] != 0
            owner = u64(init.description.grant(target).owner)
            target, size = owner, target - grants_of(init, owner).first
        return GrantInfo(kind, target, size, grant.rights, exists, tell(name, init.description.text(grant.name)))

    def delegated(self, number: u64) -> Delegated | Unknown:
        left = number
        now = system.now()
        for delegation in self.init.delegations:
            if delegation.copy == 0:
                continue
            if left == 0:
                rest = delegation.due - min(now, delegation.due)
                return Delegated(delegation.service, delegation.place, delegation.to, delegation.at, rest)
            left -= 1
        return Unknown.DELEGATION

    def resources(self) -> Resources:
        running: u64 = 0
        for unit in self.init.units:
            if unit.phase is Phase.RUNS:
                running += 1
        services = self.init.description.services()
        return Resources(free_memory(self.process), free_slots(self.process), services, running)

    def beginning(self) -> Beginning:
        process = self.process
        return Beginning(process.boot().boot_instructions, process.arguments[BEGAN], process.arguments[BEGAN + 1])

    # --- System -------------------------------------------------------------------------------------------------------

    def is_busy(self, index: u64) -> bool:
        """Is this service being replaced?"""
        return self.init.swap.unit == index + 1

    def kill(self, index: u64) -> Refused | None:
        init = self.init
        if index >= init.description.services():
            return Refused(Reason.OUT_OF_RANGE)
        if self.is_busy(index):
            return Refused(Reason.BUSY)
        if init.units[index].phase is not Phase.RUNS:
            return Refused(Reason.WRONG_PHASE)
        end(self.process, init, index, True)
        return None

    def stop(self, index: u64) -> Refused | None:
        init = self.init
        if index >= init.description.services():
            return Refused(Reason.OUT_OF_RANGE)
        if self.is_busy(index):
            return Refused(Reason.BUSY)
        if init.units[index].phase is Phase.DOWN:
            return Refused(Reason.WRONG_PHASE)
        stop(self.process, init, index)
        return None

    def start(self, index: u64) -> Refused | None:
        init = self.init
        if index >= init.description.services():
            return Refused(Reason.OUT_OF_RANGE)
        unit = init.units[index]
        if unit.phase not in (Phase.DOWN, Phase.GIVEN_UP):
            return Refused(Reason.WRONG_PHASE)
        unit.restarts = unit.escalated = 0
        launch(self.process, init, index)
        return None

    def swap(self, index: u64, program: bytes, patience: u64) -> Refused | None:
        """If it begins, who asks waits in a Reply of its own, and is answered when it has come to an end."""
        if index >= self.init.description.services() or patience > MOST_TIME:
            return Refused(Reason.OUT_OF_RANGE)
        return begin_swap(self.process, self.init, index, program, patience)

    def delegate(self, index: u64, place: u64, to: u64, at: u64, duration: u64) -> u64 | Refused:
        """A copy of what a service was granted, below a copy of init's, which is deleted when the time is over."""
        process, init = self.process, self.init
        services = init.description.services()
        if index >= services or to >= services or duration > MOST_TIME or at < FIRST_DECLARED:
            return Refused(Reason.OUT_OF_RANGE)
        if place >= u64(init.service(index).grant_count):
            return Refused(Reason.OUT_OF_RANGE)
        target = first_slot(process, init.units[to].number)
        if target == 0:
            return Refused(Reason.WRONG_PHASE)
        delegation = free_delegation(init)
        if delegation is None:
            return Refused(Reason.BUSY)
        failure = hand_out(process, init, delegation, grants_of(init, index).first + place, to, target + TABLE, at)
        if failure is not None:
            return failed(failure)
        delegation.service, delegation.place, delegation.to, delegation.at = index, place, to, at
        delegation.due = after(system.now(), ticks(process, duration))
        delegation.serial = init.next_serial()
        return delegation.serial

    def take_back(self, number: u64) -> Refused | None:
        for delegation in self.init.delegations:
            if delegation.copy != 0 and delegation.serial == number:
                # A frame that a device may still reach can't be taken: later.
                return None if revoke(self.process, self.init, delegation) else Refused(Reason.BUSY)
        return Refused(Reason.OUT_OF_RANGE)

    def post_mortem(self, number: u64, into: Span[u8]) -> usize | Refused:
        init = self.init
        if number >= min(init.deaths, POST_MORTEMS):
            return Refused(Reason.OUT_OF_RANGE)
        return init.post_mortems[(init.deaths - 1 - number) % POST_MORTEMS].write(into)

    def power_off(self) -> None:
        power_off(self.process, self.init)

    # --- Shutdown -----------------------------------------------------------------------------------------------------

    def end_others(self) -> Refused | None:
        init = self.init
        if init.swap.unit != 0:
            return Refused(Reason.BUSY)
        stop_all(self.process, init, self.client)
        await_end(self.process, init, self.client)
        return None


def tell(into: Span[u8], text: bytes) -> usize:
    """As much of the text as fits: its length."""
    length = min(len(into), len(text))
    copy(into[:length], text[:length])
    return length
