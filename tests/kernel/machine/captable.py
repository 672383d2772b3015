"""Capabilities: copied with fewer rights, moved, handed out, deleted, revoked at any depth."""

from __future__ import annotations

from world import BEYOND, EMPTY, World

from neokernel.abi.boot import OWN_TABLE, OWN_THREAD
from neokernel.abi.call import failure, message
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Operation
from neokernel.abi.rights import ALL, GRANT, READ, RECEIVE, SEND, SIGNAL, WAIT, WRITE
from neokernel.abi.status import FIRST, INVOKED, SECOND, THIRD, TRAVELLING, WINDOW, Status
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.system import Failure, SlotInfo

#: how deep derivation goes
DEPTH = 64


def info(w: World, index: u64) -> SlotInfo:
    found = system.inspect(OWN_TABLE, index)
    if isinstance(found, Failure):
        w.t.bail(found)
        return SlotInfo(0, 0, 0, 0)
    return found


def run(w: World) -> None:
    copies(w)
    badges(w)
    moves(w)
    out_of_tables(w)
    deletions(w)
    depth(w)
    revocations(w)
    other_tables(w)
    denials(w)


def denials(w: World) -> None:
    """What fails for want of authority is kept, what fails otherwise isn't."""
    t = w.t
    before = system.denial(OWN_TABLE, 0)
    if isinstance(before, Failure):
        t.bail(before)
        return
    t.message_fails(system.call(EMPTY, message(77, 2)), Status.NO_CAPABILITY, INVOKED, "a call by nothing")
    t.fails(system.delete(OWN_TABLE, BEYOND), Status.OUT_OF_RANGE, FIRST, "DELETE beyond the table, likewise")
    kept = system.denial(OWN_TABLE, before.count)
    if isinstance(kept, Failure):
        t.bail(kept)
        return
    t.equal(kept.count, before.count + 1, "DENIALS: it is counted")
    t.equal(kept.capability, EMPTY, "DENIALS: what was invoked")
    t.equal(kept.word, message(77, 2), "DENIALS: the message word")
    t.equal(kept.outcome, failure(Status.NO_CAPABILITY, INVOKED), "DENIALS: how it ended")
    t.message_fails(
        system.invoke(w.notification, Operation.DENIALS, 1, 0),
        Status.WRONG_KIND,
        INVOKED,
        "DENIALS of what is no table",
    )


def copies(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    into = w.slot(2)
    t.succeeds(system.copy(buffer, OWN_TABLE, into, SEND, 0, w.endpoint), "COPY with fewer rights")
    made, source = info(w, into), info(w, w.endpoint)
    t.equal(made.kind, u64(Kind.ENDPOINT.value), "INSPECT: a copy is of the same kind")
    t.equal(made.rights, u64(SEND), "INSPECT: it has the rights that were asked for")
    t.equal(made.depth, source.depth + 1, "INSPECT: it is one derivation deeper")
    t.fails(
        system.copy(buffer, OWN_TABLE, into, SEND, 0, w.endpoint), Status.OCCUPIED, FIRST, "COPY into a slot in use"
    )
    t.succeeds(system.copy(buffer, OWN_TABLE, into + 1, ALL, 0, into), "COPY of a copy with all rights")
    t.equal(info(w, into + 1).rights, u64(SEND), "has the copy's rights, not more")
    w.drop(into)
    t.check(w.is_empty(into + 1), "DELETE of a copy deletes its copies")
    t.check(not w.is_empty(w.endpoint), "and not what it was copied from")
    w.process.slots().release(into + 1)
    into = w.slot()
    t.fails(
        system.copy(buffer, OWN_TABLE, into, ALL, 0, EMPTY), Status.NO_CAPABILITY, TRAVELLING, "COPY of an empty slot"
    )
    t.fails(
        system.copy(buffer, OWN_TABLE, into, ALL, 0, BEYOND),
        Status.NO_CAPABILITY,
        TRAVELLING,
        "COPY from beyond the table",
    )
    t.fails(
        system.copy(buffer, OWN_TABLE, BEYOND, ALL, 0, w.endpoint),
        Status.OUT_OF_RANGE,
        FIRST,
        "COPY to beyond the table",
    )
    t.fails(
        system.copy(buffer, OWN_TABLE, (1 << 32) + into, ALL, 0, w.endpoint),
        Status.OUT_OF_RANGE,
        FIRST,
        "COPY to an index that isn't cut",
    )
    found = system.invoke_with(buffer, w.endpoint, OWN_TABLE, Operation.COPY, 3, into, 0x1_0000, 0)
    t.message_fails(found, Status.OUT_OF_RANGE, SECOND, "COPY with a right that doesn't exist")
    found = system.invoke(OWN_TABLE, Operation.COPY, 3, into, u64(ALL), 0)
    t.message_fails(found, Status.NO_CAPABILITY, TRAVELLING, "COPY without a source")
    t.check(w.is_empty(into), "failed copies leave the slot empty")
    w.process.slots().release(into)


def badges(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    into = w.slot(3)
    t.succeeds(system.copy(buffer, OWN_TABLE, into, ALL, 77, w.endpoint), "COPY with a badge")
    t.equal(info(w, into).badge, 77, "INSPECT: the badge")
    t.fails(system.copy(buffer, OWN_TABLE, into + 1, ALL, 78, into), Status.BADGED, THIRD, "a badge is set only once")
    t.succeeds(system.copy(buffer, OWN_TABLE, into + 1, SEND, 0, into), "COPY of a badged capability")
    t.equal(info(w, into + 1).badge, 77, "keeps the badge")
    t.succeeds(system.copy(buffer, OWN_TABLE, into + 2, SIGNAL, 1 << 63, w.notification), "a badge for a notification")
    t.succeeds(system.signal(into + 2), "whose signal")
    word = system.poll(w.notification)
    t.check(not isinstance(word, Failure) and word == 1 << 63, "is the badge")
    w.drop(into)
    w.drop(into + 2)
    t.fails(
        system.copy(buffer, OWN_TABLE, into, ALL, 5, w.process.memory), Status.BADGED, THIRD, "Memory takes no badge"
    )
    t.fails(system.copy(buffer, OWN_TABLE, into, ALL, 5, OWN_THREAD), Status.BADGED, THIRD, "a thread takes no badge")
    t.fails(system.copy(buffer, OWN_TABLE, into, ALL, 5, w.frame), Status.BADGED, THIRD, "a frame takes no badge")
    w.process.slots().release(into + 1)


def moves(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    a, b = w.slot(2), u64(0)
    b = a + 1
    made = w.copy(w.endpoint, SEND, 9)
    before = info(w, made)
    t.succeeds(system.move(buffer, OWN_TABLE, a, made), "MOVE")
    t.check(w.is_empty(made), "the source is empty afterwards")
    after = info(w, a)
    t.check(after == before, "what was moved is as it was")
    t.fails(system.move(buffer, OWN_TABLE, w.endpoint, a), Status.OCCUPIED, FIRST, "MOVE into a slot in use")
    t.fails(system.move(buffer, OWN_TABLE, b, EMPTY), Status.NO_CAPABILITY, TRAVELLING, "MOVE of an empty slot")
    t.fails(system.move(buffer, OWN_TABLE, BEYOND, a), Status.OUT_OF_RANGE, FIRST, "MOVE to beyond the table")
    t.fails(system.move(buffer, OWN_TABLE, a, a), Status.OCCUPIED, FIRST, "MOVE onto itself")
    t.done(system.copy(buffer, OWN_TABLE, b, SEND, 0, a))
    t.fails(system.move(buffer, OWN_TABLE, made, a), Status.HAS_CHILDREN, TRAVELLING, "MOVE of what was copied from")
    t.done(system.delete(OWN_TABLE, b))
    t.succeeds(system.move(buffer, OWN_TABLE, b, a), "MOVE once the copy is gone")
    w.process.slots().release(a)
    w.drop(b)
    w.process.slots().release(made)


def out_of_tables(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    table = w.new(Kind.CAP_TABLE, 4)
    into = w.slot()
    t.done(system.copy(buffer, table, 2, SEND | GRANT, 3, w.endpoint))
    t.succeeds(system.copy_out(buffer, table, 2, SEND, into), "COPY_OUT")
    t.check(info(w, into).rights == u64(SEND) and info(w, into).badge == 3, "has the rights asked for, and the badge")
    t.fails(system.copy_out(buffer, table, 2, SEND, into), Status.NO_WINDOW, WINDOW, "COPY_OUT into a window in use")
    t.fails(system.copy_out(buffer, table, 1, SEND, into), Status.NO_CAPABILITY, FIRST, "COPY_OUT of an empty slot")
    t.fails(system.copy_out(buffer, table, 4, SEND, into), Status.OUT_OF_RANGE, FIRST, "COPY_OUT from beyond the table")
    t.fails(system.move_out(buffer, table, 2, into), Status.NO_WINDOW, WINDOW, "MOVE_OUT into a window in use")
    t.done(system.delete(OWN_TABLE, into))
    t.succeeds(system.move_out(buffer, table, 2, into), "MOVE_OUT")
    t.equal(info(w, into).rights, u64(SEND | GRANT), "with all its rights")
    left = system.inspect(table, 2)
    t.check(not isinstance(left, Failure) and left.kind == 0, "the table's slot is empty then")
    t.fails(system.move_out(buffer, table, 2, into), Status.NO_CAPABILITY, FIRST, "MOVE_OUT of an empty slot")
    t.message_fails(
        system.invoke(table, Operation.INSPECT, 1, 4), Status.OUT_OF_RANGE, FIRST, "INSPECT beyond the table"
    )
    w.drop(into)
    w.drop(table)


def deletions(w: World) -> None:
    t = w.t
    made = w.new(Kind.ENDPOINT)
    t.succeeds(system.delete(OWN_TABLE, made), "DELETE")
    t.check(w.is_empty(made), "the slot is empty")
    t.message_fails(system.call(made, message(1)), Status.NO_CAPABILITY, INVOKED, "and can't be invoked")
    t.succeeds(system.delete(OWN_TABLE, made), "DELETE of an empty slot changes nothing")
    t.fails(system.delete(OWN_TABLE, BEYOND), Status.OUT_OF_RANGE, FIRST, "DELETE beyond the table")
    t.succeeds(system.revoke(OWN_TABLE, made), "nor does REVOKE")
    t.fails(system.revoke(OWN_TABLE, BEYOND), Status.OUT_OF_RANGE, FIRST, "REVOKE beyond the table")
    w.process.slots().release(made)


def depth(w: World) -> None:
    """Derive until it isn't possible any more, and revoke all of it."""
    t, buffer = w.t, w.process.buffer
    root = w.new(Kind.NOTIFICATION)
    first = w.slot(64)
    source = root
    made: u64 = 0
    last: Failure | None = None
    while made < 64:
        last = system.copy(buffer, OWN_TABLE, first + made, ALL, 0, source)
        if last is not None:
            break
        source = first + made
        made += 1
    t.fails(last, Status.UNDERIVABLE, TRAVELLING, "the 65th derivation")
    t.equal(info(w, source).depth, DEPTH, "INSPECT: the deepest capability")
    t.succeeds(system.signal(source), "which works")
    t.succeeds(system.revoke(OWN_TABLE, first + 10), "REVOKE in the middle")
    t.check(w.is_empty(first + 11) and w.is_empty(source), "nothing is below any more")
    t.check(not w.is_empty(first + 10) and not w.is_empty(root), "all above is")
    t.succeeds(system.copy(buffer, OWN_TABLE, first + 11, ALL, 0, first + 10), "it can be derived from again")
    t.succeeds(system.revoke(OWN_TABLE, root), "REVOKE of the object's own capability")
    t.check(w.is_empty(first) and w.is_empty(first + 11), "all copies are gone")
    word = system.poll(root)
    t.check(not isinstance(word, Failure) and word == 1, "the object and its signals are still there")
    w.drop(root)
    w.process.slots().release(first, 64)


def revocations(w: World) -> None:
    """A tree with branches, over several tables."""
    t, buffer = w.t, w.process.buffer
    root = w.new(Kind.ENDPOINT)
    table = w.new(Kind.CAP_TABLE, 64)
    other = w.new(Kind.CAP_TABLE, 64)
    branch = w.copy(root, ALL, 1)
    beside = w.copy(root, ALL, 2)
    for slot in range(u64(30)):
        t.done(system.copy(buffer, table, slot, ALL, 0, branch))
        t.done(system.copy(buffer, other, slot, ALL, 0, beside))
    leaf = w.slot()
    t.done(system.copy_out(buffer, table, 7, SEND, leaf))
    t.succeeds(system.revoke(OWN_TABLE, branch), "REVOKE of a branch")
    gone, left = True, True
    for slot in range(u64(30)):
        a, b = system.inspect(table, slot), system.inspect(other, slot)
        gone = gone and not isinstance(a, Failure) and a.kind == 0
        left = left and not isinstance(b, Failure) and b.kind == u64(Kind.ENDPOINT.value)
    t.check(gone, "its descendants in another table are gone")
    t.check(w.is_empty(leaf), "also those that were copied out again")
    t.check(left, "the other branch is whole")
    t.check(info(w, branch).badge == 1, "the branch's own capability stays")
    w.drop(root)
    t.check(w.is_empty(branch) and w.is_empty(beside), "DELETE of the object's capability deletes all")
    empty = system.inspect(other, 3)
    t.check(not isinstance(empty, Failure) and empty.kind == 0, "in every table")
    w.drop(table)
    w.drop(other)
    w.process.slots().release(branch)
    w.process.slots().release(beside)
    w.process.slots().release(leaf)


def other_tables(w: World) -> None:
    """A table holds capabilities of its own, and they end with it."""
    t, buffer = w.t, w.process.buffer
    table = w.new(Kind.CAP_TABLE, 4)
    made = w.new(Kind.NOTIFICATION)
    t.succeeds(system.move(buffer, table, 0, made), "MOVE of an object's own capability into another table")
    t.succeeds(system.copy_out(buffer, table, 0, SIGNAL | WAIT, made), "a copy of it")
    t.succeeds(system.signal(made), "works")
    t.succeeds(system.move(buffer, table, 1, w.copy(table, ALL)), "a table can hold a capability of itself")
    w.drop(table)
    t.check(w.is_empty(made), "objects whose capability was in a deleted table end")
    wrong = w.copy(w.frame, READ | WRITE)
    t.fails(system.delete(wrong, 0), Status.WRONG_KIND, INVOKED, "DELETE on a frame")
    w.drop(wrong)
    w.process.slots().release(made)
    w.t.check(
        info(w, w.endpoint).rights == u64(ALL) or info(w, w.endpoint).rights == u64(SEND | RECEIVE | GRANT),
        "an object's own capability has all rights that it can use",
    )
