"""Which capability, which call, which operation: what the kernel refuses before anything else."""

from __future__ import annotations

from world import BEYOND, EMPTY, World

from neokernel.abi.boot import OWN_BUFFER, OWN_CONTEXT, OWN_SPACE, OWN_TABLE, OWN_THREAD, PLATFORM, PROCESSOR
from neokernel.abi.call import NOW, message
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Operation
from neokernel.abi.rights import ALL, CONTROL, READ, RECEIVE, SEND, SIGNAL, WAIT, WRITE
from neokernel.abi.status import INVOKED, REPLY, WORD, Status
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.system import Failure

OF_OTHERS: tuple[Operation, ...] = (
    Operation.RETYPE,
    Operation.MAP,
    Operation.START,
    Operation.CONFIGURE,
    Operation.POWER_OFF,
)


def failure_of(found: u64 | Failure) -> Failure | None:
    return found if isinstance(found, Failure) else None


def run(w: World) -> None:
    empty_slots(w)
    wrong_kinds(w)
    missing_rights(w)
    unknown_operations(w)


def empty_slots(w: World) -> None:
    t = w.t
    no, of = Status.NO_CAPABILITY, u64(INVOKED)
    t.message_fails(system.call(EMPTY, message(1)), no, of, "CALL on an empty slot")
    t.message_fails(system.call(BEYOND, message(1)), no, of, "CALL beyond the table")
    t.message_fails(
        system.call((1 << 32) + OWN_TABLE, message(10, 1), OWN_TABLE), no, of, "an index isn't cut to 32 bits"
    )
    t.message_fails(
        system.call((1 << 58) + OWN_TABLE, message(10, 1), OWN_TABLE), no, of, "nor do shifts lose its bits"
    )
    t.message_fails(system.call(0xFFFF_FFFF_FFFF_FFFF, message(1)), no, of, "CALL on the largest index")
    t.fails(system.send(EMPTY, message(1)), no, of, "SEND on an empty slot")
    t.fails(system.try_send(BEYOND, message(1)), no, of, "TRY_SEND beyond the table")
    t.message_fails(system.receive(EMPTY, w.reply, NOW), no, of, "RECEIVE on an empty slot")
    t.fails(failure_of(system.poll(EMPTY)), no, of, "WAIT on an empty slot")
    t.fails(system.signal(EMPTY), no, of, "SIGNAL on an empty slot")
    t.fails(system.signal(BEYOND), no, of, "SIGNAL beyond the table")
    t.fails(system.reply(EMPTY, 0), no, REPLY, "REPLY with an empty slot")
    t.fails(system.reply(BEYOND, 0), no, REPLY, "REPLY beyond the table")
    t.message_fails(system.receive(w.endpoint, BEYOND, NOW), no, REPLY, "RECEIVE with a Reply beyond the table")


def wrong_kinds(w: World) -> None:
    t = w.t
    wrong, of = Status.WRONG_KIND, u64(INVOKED)
    t.fails(system.signal(w.endpoint), wrong, of, "SIGNAL on an endpoint")
    t.fails(system.signal(OWN_TABLE), wrong, of, "SIGNAL on a table")
    t.fails(failure_of(system.poll(w.endpoint)), wrong, of, "WAIT on an endpoint")
    t.fails(failure_of(system.poll(w.reply)), wrong, of, "WAIT on a Reply")
    t.message_fails(system.receive(w.notification, w.reply, NOW), wrong, of, "RECEIVE on a notification")
    t.fails(system.send(w.notification, 0), wrong, of, "SEND on a notification")
    t.fails(system.try_send(w.process.memory, message(1)), wrong, of, "TRY_SEND on Memory")
    t.fails(system.reply(w.endpoint, 0), wrong, REPLY, "REPLY with an endpoint")
    t.message_fails(
        system.receive(w.endpoint, w.notification, NOW), wrong, REPLY, "RECEIVE with a notification as Reply"
    )
    t.fails(system.reply(w.reply, 0), Status.WRONG_STATE, REPLY, "REPLY when nobody waits for it")


def missing_rights(w: World) -> None:
    t = w.t
    missing, of = Status.MISSING_RIGHT, u64(INVOKED)
    receiver, sender = w.copy(w.endpoint, RECEIVE), w.copy(w.endpoint, SEND)
    t.message_fails(system.call(receiver, 0), missing, of, "CALL without SEND")
    t.fails(system.send(receiver, 0), missing, of, "SEND without SEND")
    t.fails(system.try_send(receiver, 0), missing, of, "TRY_SEND without SEND")
    t.message_fails(system.receive(sender, w.reply, NOW), missing, of, "RECEIVE without RECEIVE")
    w.drop(receiver)
    w.drop(sender)
    waiter, signaller = w.copy(w.notification, WAIT), w.copy(w.notification, SIGNAL)
    t.fails(system.signal(waiter), missing, of, "SIGNAL without SIGNAL")
    t.fails(failure_of(system.poll(signaller)), missing, of, "WAIT without WAIT")
    w.drop(waiter)
    w.drop(signaller)
    process = w.process
    buffer = process.buffer
    memory = w.copy(process.memory, ALL & ~CONTROL)
    into = w.slot()
    t.fails(system.retype(buffer, memory, Kind.ENDPOINT, 0, 1, into), missing, of, "RETYPE without CONTROL")
    t.fails(system.clear(memory, 4096), missing, of, "CLEAR without CONTROL")
    w.drop(memory)
    table = w.copy(OWN_TABLE, ALL & ~CONTROL)
    t.fails(system.copy(buffer, table, into, ALL, 0, w.endpoint), missing, of, "COPY without CONTROL")
    t.fails(system.delete(table, w.endpoint), missing, of, "DELETE without CONTROL")
    t.fails(system.revoke(table, w.endpoint), missing, of, "REVOKE without CONTROL")
    t.check(isinstance(system.inspect(table, w.endpoint), Failure), "INSPECT without CONTROL fails")
    w.drop(table)
    space = w.copy(OWN_SPACE, READ)
    t.fails(system.map(buffer, space, 0x1000_0000, READ, w.frame), missing, of, "MAP without CONTROL")
    w.drop(space)
    thread = w.copy(OWN_THREAD, READ)
    t.fails(system.suspend(thread), missing, of, "SUSPEND without CONTROL")
    t.fails(system.set_foreign(thread, True), missing, of, "SET_FOREIGN without CONTROL")
    w.drop(thread)
    processor = w.copy(PROCESSOR, READ)
    t.fails(system.set_floor(buffer, processor, 1, OWN_THREAD), missing, of, "SET_FLOOR without CONTROL")
    t.fails(system.configure(buffer, processor, 1, 1000, 1000, OWN_CONTEXT), missing, of, "CONFIGURE without CONTROL")
    w.drop(processor)
    platform = w.copy(PLATFORM, ALL & ~WRITE)
    t.message_fails(system.invoke(platform, Operation.CONSOLE_WRITE, 4, 2), missing, of, "CONSOLE_WRITE without WRITE")
    w.drop(platform)
    platform = w.copy(PLATFORM, ALL & ~CONTROL)
    t.fails(system.power_off(platform, 0), missing, of, "POWER_OFF without CONTROL")
    t.equal(t.made(system.console_write(platform, b""), "CONSOLE_WRITE without CONTROL"), 0, "writes")
    w.drop(platform)
    context = w.copy(OWN_CONTEXT, READ)
    t.check(not isinstance(system.context_info(context), Failure), "CONTEXT_INFO needs no right but one")
    w.drop(context)
    process.slots().release(into)


def unknown_operations(w: World) -> None:
    t = w.t
    unknown, of = Status.UNKNOWN_OPERATION, u64(WORD)
    t.message_fails(system.call(OWN_TABLE, message(0)), unknown, of, "label 0 on a table")
    t.message_fails(system.call(OWN_TABLE, message(42)), unknown, of, "a label that no operation has")
    t.message_fails(system.call(OWN_TABLE, message(0xFFFF_FFFF)), unknown, of, "the largest label")
    t.message_fails(system.call(OWN_TABLE, message(256 + 10, 1), OWN_TABLE), unknown, of, "a label isn't cut to 8 bits")
    wrong = Status.WRONG_KIND
    for operation in OF_OTHERS:
        found = system.invoke(OWN_TABLE, operation, 0)
        t.message_fails(found, wrong, u64(INVOKED), "an operation of another kind, on a table")
    t.message_fails(system.invoke(w.process.memory, Operation.COPY, 0), wrong, u64(INVOKED), "COPY on Memory")
    t.message_fails(system.invoke(OWN_SPACE, Operation.UNMAP, 0), wrong, u64(INVOKED), "UNMAP on an address space")
    t.message_fails(system.invoke(OWN_THREAD, Operation.CONFIGURE, 0), wrong, u64(INVOKED), "CONFIGURE on a thread")
    t.message_fails(system.invoke(OWN_BUFFER, Operation.UNINSTALL, 0), wrong, u64(INVOKED), "UNINSTALL on a frame")
    t.message_fails(system.invoke(PLATFORM, Operation.RETYPE, 0), wrong, u64(INVOKED), "RETYPE on the platform")
    t.message_fails(
        system.invoke(w.notification, Operation.RETYPE, 0), wrong, u64(INVOKED), "a notification has no operations"
    )
    t.message_fails(system.invoke(w.reply, Operation.RESUME, 0), wrong, u64(INVOKED), "a Reply has no operations")
    t.message_fails(system.call(w.endpoint, message(1, 513)), Status.OUT_OF_RANGE, WORD, "a message of 513 words")
    t.message_fails(system.call(w.endpoint, message(1, 0, 5)), Status.OUT_OF_RANGE, WORD, "a message of 5 capabilities")
    t.fails(system.send(w.endpoint, message(1, 1023)), Status.OUT_OF_RANGE, WORD, "SEND of 1023 words")
