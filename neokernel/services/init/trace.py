"""The kernel's event ring, for post-mortems: the last messages of a thread.

init maps the ring of the first service that has one (a grant of kind TRACE), read-only. Whether events are recorded is
that service's business.

Invariant: reading looks at a bounded number of records, the latest first.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_SPACE
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.rights import READ
from neokernel.abi.trace import Event, Header, Record
from neokernel.lang import Embedded, object_at, span_at, u64, unsafe
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.space import Kept, map_kept, released
from neokernel.runtime.system import Failure
from neokernel.runtime.tracing import sent_by, went_on
from neokernel.services.init.post_mortem import MESSAGES, PostMortem

unsafe("the ring is mapped at an address that nothing else has")

RING = 0x20_3000_0000
#: what page tables there may be beside the pages
TABLES = 8
#: records that are looked at
LOOKED_AT: u64 = 8192


def map_ring(process: Process, trace: u64, pages: u64) -> Failure | None:
    """Map a Trace with so many pages of records, behind its header."""
    table = process.make(Kind.CAP_TABLE, pages + 1 + TABLES)
    if isinstance(table, Failure):
        return table
    kept = Kept()
    kept.table = table
    for page in range(pages + 1):
        slot = process.slot()
        if isinstance(slot, Failure):
            return slot
        failure = system.trace_frame(process.buffer, trace, page, slot)
        if failure is not None:
            return released(process, slot, failure)
        failure = map_kept(process, OWN_SPACE, process.memory, RING + page * PAGE_SIZE, READ, slot, kept)
        if failure is not None:
            return failure
    return None


def read_messages(post_mortem: PostMortem) -> None:
    """The last messages from and to the thread with the post-mortem's `identifier`, out of the ring that is mapped."""
    header = object_at(Header, RING)
    written, capacity = header.written, header.capacity
    records = span_at(Embedded[Record], RING + PAGE_SIZE, capacity)
    for back in range(u64(0), min(written, capacity, LOOKED_AT)):
        if post_mortem.message_count == MESSAGES:
            return
        record = records[(written - 1 - back) % capacity]
        event, thread, other = u64(record.event), u64(record.thread), record.a
        if event == u64(Event.SYSCALL.value) and back != 0:
            sent, receiver = sent_by(record), went_on(record, records[(written - back) % capacity])
            if sent is None or receiver is None:
                continue
            event, other = u64(sent.value), u64(receiver)
        elif event not in (u64(Event.SEND.value), u64(Event.REPLY.value)):
            continue
        if post_mortem.identifier in (thread, other):
            message = post_mortem.messages[post_mortem.message_count]
            message.time, message.threads = record.time, thread | other << 32
            message.event, message.word = event, record.b
            post_mortem.message_count += 1
